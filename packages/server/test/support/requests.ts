import { type RouteSpec, routes } from 'claude-agent-protocol';
import fc from 'fast-check';
import { anyJson, type Hints, nearlyValidFor, oddText, validFor } from './arbitraries.ts';

/** A request to be made. `@session:3@` stands for an id that only the run knows; see `withIds`. */
export interface FuzzRequest {
  /** The route that was meant, if one was. */
  route: RouteName | undefined;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

export type RouteName = keyof typeof routes;
export const ROUTES = Object.entries(routes) as [RouteName, RouteSpec][];

/** Ids that exist, by kind. */
export interface KnownIds {
  session: readonly string[];
  turn: readonly string[];
  permission: readonly string[];
  /** The session of the turn with the same index. */
  turnSession: readonly string[];
  /** The session of the permission with the same index. */
  permissionSession: readonly string[];
  webhook: readonly string[];
  /** Deliveries of the first webhook. */
  delivery: readonly string[];
  subscription: readonly string[];
}

/** Fills in the ids of a run. */
export function withIds(text: string, ids: KnownIds): string {
  return text.replaceAll(/@(\w+):(\d+)@/g, (_, kind: keyof KnownIds, n: string) => {
    const known = ids[kind];
    return known[Number(n) % Math.max(1, known.length)] ?? '00000000-0000-4000-8000-000000000000';
  });
}

const known = (kind: keyof KnownIds): fc.Arbitrary<string> => fc.nat(999).map((n) => `@${kind}:${n}@`);
const someId = (kind: keyof KnownIds): fc.Arbitrary<string> =>
  fc.oneof({ weight: 6, arbitrary: known(kind) }, fc.uuid());

/** Values that mean something here: without them, most requests would stop at the first check. */
const HINTS: Hints = {
  session_id: someId('session'),
  resume_session_id: someId('session'),
  turn_id: someId('turn'),
  message_id: someId('turn'),
  up_to_message_id: someId('turn'),
  request_id: fc.oneof({ weight: 6, arbitrary: known('permission') }, oddText),
  webhook_id: someId('webhook'),
  delivery_id: known('delivery'),
  subscription_id: known('subscription'),
  endpoint: fc.constant('http://127.0.0.1:1/'),
  // Those of the example in RFC 8291.
  p256dh: fc.constant(
    'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  ),
  auth: fc.constant('BTBZMqHH6r4Tts7J_aSIgg'),
  url: fc.constant('http://127.0.0.1:1/'),
  // What is erased answers 404 from then on; most requests should meet a session.
  erase: fc.oneof({ weight: 14, arbitrary: fc.constant('false') }, fc.constant('true')),
  /** Of an MCP server: the one that the agent of these tests has. */
  name: fc.constant('box'),
  cwd: fc.oneof({ weight: 4, arbitrary: fc.constant('.') }, oddText),
  // Without a limited network most are refused, and a session needs to be made now and then.
  secrets: fc.oneof(
    { weight: 8, arbitrary: fc.constant({}) },
    fc.constantFrom(
      { A: { from: 'x' } },
      { A: { value: 'a long value', hosts: ['a.example'] } },
      { PATH: {} },
    ),
  ),
  additional_directories: fc.oneof({ weight: 4, arbitrary: fc.constant(['.']) }, fc.array(oddText)),
  model: fc.oneof(fc.constant('demo'), fc.string({ minLength: 1, maxLength: 20 })),
};

/** What a request is made of, before it goes directly or through `/invocations`. */
interface Parts extends FuzzRequest {
  template: string;
  params: Record<string, string>;
  query: unknown;
}

/** A request as the contract wants it, or with one thing wrong. */
const toRoute = (name: RouteName, spec: RouteSpec): fc.Arbitrary<Parts> => {
  const params = spec.params ? validParams(spec) : fc.constant({});
  const wrongParams = spec.params
    ? fc.dictionary(fc.constantFrom('session_id', 'turn_id'), oddText)
    : fc.constant({});
  const query = spec.query ? validFor(spec.query, HINTS) : fc.constant({});
  const wrongQuery = spec.query ? nearlyValidFor(spec.query, HINTS) : fc.dictionary(oddText, oddText);
  const body = spec.body ? validFor(spec.body, bodyHints) : fc.constant(undefined);
  const wrongBody = spec.body ? nearlyValidFor(spec.body, bodyHints) : anyJson;
  type Given = [unknown, unknown, unknown, Record<string, string>];
  const build = ([given, query, content, headers]: Given): Parts => {
    const body =
      typeof content === 'string' || content === undefined ? content : placeIds(JSON.stringify(content));
    const params = atHome(given as Record<string, string>, body);
    const path = pathOf(spec.path, params, query);
    return { route: name, method: spec.method, template: spec.path, params, query, path, headers, body };
  };
  return fc.oneof(
    { weight: 8, arbitrary: fc.tuple(params, query, body, someHeaders).map(build) },
    { weight: 1, arbitrary: fc.tuple(wrongParams, query, body, someHeaders).map(build) },
    { weight: 1, arbitrary: fc.tuple(params, wrongQuery, body, someHeaders).map(build) },
    { weight: 4, arbitrary: fc.tuple(params, query, wrongBody, someHeaders).map(build) },
    { weight: 1, arbitrary: fc.tuple(params, query, brokenBody, oddHeaders).map(build) },
  );
};

/** A body is checked against its schema, so an id in it is a UUID first and becomes one that exists after that. */
const bodyHints: Hints = {
  ...HINTS,
  resume_session_id: fc.uuid(),
  message_id: fc.uuid(),
  up_to_message_id: fc.uuid(),
};
const placeIds = (body: string): string =>
  body.replaceAll(
    /"(resume_session_id|message_id|up_to_message_id)":"([0-9a-f]{3})[0-9a-f-]+"/g,
    (whole, name: string, digits: string) => {
      const n = Number.parseInt(digits, 16);
      const kind = name === 'resume_session_id' ? 'session' : 'turn';
      return n % 8 === 0 ? whole : `"${name}":"@${kind}:${n}@"`;
    },
  );

/** Where a turn or a permission is named, its own session is meant, too. */
function atHome(params: Record<string, string>, body: string | undefined): Record<string, string> {
  // Only the first webhook is sent anything.
  if (params.delivery_id?.startsWith('@')) return { ...params, webhook_id: '@webhook:0@' };
  const [, kind, n] =
    /@(turn|permission):(\d+)@/.exec(`${params.turn_id} ${params.request_id} ${body}`) ?? [];
  return kind && params.session_id?.startsWith('@')
    ? { ...params, session_id: `@${kind}Session:${n}@` }
    : params;
}

function validParams(spec: RouteSpec): fc.Arbitrary<Record<string, string>> {
  const names = Object.keys(spec.params?.shape ?? {});
  return fc.record(
    Object.fromEntries(names.map((name) => [name, (HINTS[name] ?? fc.uuid()) as fc.Arbitrary<string>])),
  );
}

function pathOf(template: string, params: Record<string, string>, query: unknown): string {
  // A longer request line than 16 kB is not for us to answer: Node's parser ends it with a bare 431.
  const encode = (text: string): string =>
    isId(text) ? text : encodeURIComponent(text.slice(0, 200).toWellFormed());
  // An empty one would name the route before it: a slash at the end of a path means nothing.
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(params[name] || ' '));
  const search = Object.entries((query ?? {}) as Record<string, unknown>)
    .map(([name, value]) => `${encode(name)}=${encode(textOf(value))}`)
    .join('&');
  return search === '' ? path : `${path}?${search}`;
}
const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const isId = (text: string): boolean => /^@\w+:\d+@$/.test(text);

const brokenBody: fc.Arbitrary<string> = fc.oneof(
  oddText,
  fc.json().map((text) => text.slice(0, -1)),
  fc.json().map((text) => `${text},`),
  fc.nat(3_000).map((depth) => '['.repeat(depth)),
  fc.nat(3_000).map((depth) => `{"metadata":${'['.repeat(depth)}${']'.repeat(depth)}}`),
  fc.constantFrom('', ' ', '\0', '{"__proto__": {"x": 1}}', '{"message": "a", "message": 7}', '\ufeff{}'),
  fc.constant(`{"message":"${'x'.repeat(1024 * 1024)}"}`),
);

const oddValue: fc.Arbitrary<string> = oddText
  .map((text) =>
    text
      .replaceAll(/[^\x20-\x7e\x80-\xff]/g, '')
      .trim()
      .slice(0, 2_000),
  )
  .filter((text) => !/[\r\n\0]/.test(text));
const someHeaders: fc.Arbitrary<Record<string, string>> = fc.record(
  {
    accept: fc.constantFrom('application/json', 'text/event-stream', '*/*', 'text/html, application/json'),
    prefer: fc.constantFrom('respond-async', 'wait=1, respond-async', 'return=minimal'),
    'idempotency-key': fc.constantFrom('a', 'b', 'c'),
    'last-event-id': fc.constantFrom('0', '1', '5', '999999999'),
  },
  { requiredKeys: [] },
);
const oddHeaders: fc.Arbitrary<Record<string, string>> = fc.dictionary(
  fc.constantFrom(
    'accept',
    'prefer',
    'idempotency-key',
    'last-event-id',
    'content-type',
    'authorization',
    'x-api-key',
    'origin',
    'x-forwarded-for',
    'accept-encoding',
    'range',
    'if-none-match',
    'cookie',
  ),
  oddValue,
);

const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND', 'get');

/** Paths that are none, or that try to be another. */
const oddPath: fc.Arbitrary<string> = fc.oneof(
  fc.webPath().map((path) => path || '/'),
  oddText.map((text) => `/${encodeURIComponent(text.toWellFormed()).slice(0, 2_000)}`),
  fc
    .array(
      fc.constantFrom('sessions', '..', '.', '%2e%2e', '', '%00', 'docs', 'assets', 'v1', 'x', '@session:0@'),
    )
    .map((parts) => `/${parts.join('/')}`),
  fc.constantFrom(
    '/docs/assets/..%2f..%2fpackage.json',
    '/docs/assets/%2e%2e/package.json',
    '/docs/assets/__proto__',
    '/docs/assets/constructor',
    '/sessions/%',
    '/sessions/%zz/status',
    '/sessions/%ff%fe/status',
    '/v1/models/demo',
    '/v1/../sessions',
    '//sessions',
    '/SESSIONS',
    '/sessions/',
    '/sessions?limit=1&limit=2&__proto__=1',
  ),
);
const toNowhere: fc.Arbitrary<Parts> = fc.record({
  route: fc.constant(undefined),
  method,
  path: oddPath,
  template: oddPath,
  params: fc.dictionary(fc.constantFrom('session_id', '__proto__', 'x'), oddText),
  query: anyJson,
  headers: oddHeaders,
  body: fc.oneof(fc.constant(undefined), brokenBody),
});

/** Requests that must be frequent, or of which few can be served: a history needs a session, a cursor and a conversation; one request its session. */
const WEIGHTS: { [Name in RouteName]?: number } = {
  sendMessage: 6,
  createSession: 6,
  respondPermission: 6,
  listMessages: 3,
  getPermission: 3,
};

/** Any request: to a route, to none, and both again through `/invocations`. */
export function anyRequest(wanted: (name: RouteName) => boolean = () => true): fc.Arbitrary<FuzzRequest> {
  const each = ROUTES.filter(([name]) => wanted(name)).map(([name, spec]) => ({
    // Sessions are what the rest needs, and messages are where most happens.
    weight: WEIGHTS[name] ?? 1,
    arbitrary: toRoute(name, spec),
  }));
  const plain = fc.oneof({ weight: 12, arbitrary: fc.oneof(...each) }, { weight: 2, arbitrary: toNowhere });
  return fc.oneof(
    { weight: 4, arbitrary: plain },
    { weight: 1, arbitrary: fc.tuple(plain, fc.boolean()).map(asInvocation) },
  );
}

function asInvocation([parts, byTemplate]: [Parts, boolean]): FuzzRequest {
  const { route, method, path, template, params, query, headers, body } = parts;
  const payload = parse(body) ?? (byTemplate ? query : undefined);
  return {
    route,
    method: 'POST',
    path: '/invocations',
    headers,
    body: JSON.stringify({
      method,
      ...(byTemplate ? { path: template, path_params: params } : { path }),
      ...(payload !== undefined && { payload }),
    }),
  };
}

function parse(body: string | undefined): unknown {
  if (body === undefined) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
