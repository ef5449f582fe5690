import { define, type FieldError, RETRYABLE, saidOf } from './define.ts';

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(' and ');

// A type alias, as in access.ts.
type BodyLimit = {
  limit: number;
  /** It was compressed, and is too large without. */
  unpacked: boolean;
  /** What sets the limit. */
  setting?: 'body_limit_bytes' | 'import_limit_bytes';
};

/** What is wrong with a request, whatever it asks for. */
export const requestProblems = {
  // the request itself
  bad_target: define(400, 'The request target cannot be used', ({ backslash }: { backslash: boolean }) =>
    backslash
      ? 'The path contains a backslash. Send it as %5C.'
      : 'The request target is neither a path nor a plain http address. Send a path such as "/health".',
  ),
  bad_host: define(
    400,
    'The Host header is missing or invalid',
    () => 'The header "Host" is missing or invalid. Send the name and port of this server.',
  ),
  body_incomplete: define(
    400,
    'The connection ended before the body did',
    () => 'The connection ended before the body did. Send the request again.',
    RETRYABLE,
  ),
  malformed_body: define(
    400,
    'The compressed body is damaged',
    ({ why }: { why: string }) => `${why} Send it again, or without Content-Encoding.`,
  ),
  malformed_json: define(
    400,
    'The body is not valid JSON',
    ({ why }: { why: string }) => `The body is not valid JSON: ${why}`,
  ),
  body_missing: define(
    422,
    'The call needs a JSON body',
    () => 'This call needs a JSON body. /docs shows its form.',
  ),
  too_deep: define(
    422,
    'The body is nested too deeply',
    ({ levels }: { levels: number }) =>
      `The JSON body is nested more than ${levels} levels deep. Flatten it.`,
  ),
  validation_failed: define(
    422,
    'The request does not have the right form; `errors` names each field',
    ({ errors }: { errors: readonly FieldError[] }) =>
      `The request does not have the right form. ${saidOf(errors)}`,
  ),
  cursor_invalid: define(
    422,
    'The cursor did not come from this list',
    () =>
      'This cursor did not come from this list. Send "next_cursor" unchanged, or leave it out to start over.',
  ),
  body_too_large: define(
    413,
    'The body is too large',
    ({ limit, unpacked, setting = 'body_limit_bytes' }: BodyLimit) =>
      `The body is larger than ${limit} bytes${unpacked ? ' once it is decompressed' : ''}. Send less, or raise "${setting}" in the configuration.`,
  ),
  encoding_unknown: define(415, 'The Content-Encoding is not supported', ({ why }: { why: string }) => why),

  // routes
  not_found: define(
    404,
    'The path holds an id that is not a UUID',
    ({ path }: { path: string }) => `There is nothing at ${path}: ids are UUIDs, as the API returned them.`,
  ),
  route_not_found: define(
    404,
    'No such route',
    ({ route }: { route: string }) => `There is no route ${route}. /docs lists every route.`,
  ),
  method_not_allowed: define(
    405,
    'The path does not support this method; `Allow` lists those that it does',
    ({ method, path, allow }: { method: string; path: string; allow: string }) =>
      `${path} does not support ${method}. Use one of ${allow}.`,
  ),
  runtime_session_missing: define(
    400,
    'The invocation names no session',
    () =>
      'The session is missing. Send its id in the header X-Amzn-Bedrock-AgentCore-Runtime-Session-Id, or as "session_id".',
  ),
  path_missing: define(
    400,
    'The invocation names no path',
    () =>
      'The path is missing. Name the route to call: {"path": "/sessions", ...}; or send a message to the session of AgentCore\'s header: {"prompt": "..."}.',
  ),
  path_params_missing: define(
    400,
    'The path has placeholders without a value',
    ({ path, missing }: { path: string; missing: readonly string[] }) =>
      `${path} needs "path_params" with ${quoted(missing)}.`,
  ),
  not_invocable: define(
    404,
    'The route cannot be called through /invocations',
    () => '/invocations cannot call itself. Name another route.',
  ),
  method_invalid: define(
    422,
    'Not an HTTP method that can be called',
    ({ method }: { method: string }) =>
      `"${method}" is not an HTTP method that can be called. Use GET, POST, PATCH or DELETE.`,
  ),
};
