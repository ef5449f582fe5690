import type { z } from 'zod';
import type { RouteAccess } from '../access.ts';
import type { Endpoint } from '../endpoints.ts';
import type { ProblemCode } from '../problems.ts';

/** One answer of a route that is not a failure. */
export interface ResponseSpec {
  description: string;
  /** The JSON body. */
  schema?: z.ZodType;
  /** The `data` of each frame, where the answer can be a stream of server-sent events. */
  frames?: z.ZodType;
  /** Media type of a body that is neither JSON nor a stream. */
  media?: string;
  /** Headers with a meaning of their own: name → description. */
  headers?: Readonly<Record<string, string>>;
}

/** A route as a value: the server mounts it, the client calls it, the documentation describes it. */
export interface RouteSpec extends Endpoint {
  summary: string;
  tag: 'sessions' | 'messages' | 'permissions' | 'events' | 'webhooks' | 'server' | 'gateway' | 'keys';
  params?: z.ZodObject;
  query?: z.ZodObject;
  headers?: z.ZodObject;
  body?: z.ZodType;
  /** False where an empty body stands for `{}`. */
  bodyRequired?: boolean;
  responses:
    | { 200: ResponseSpec; 202?: ResponseSpec; 302?: undefined }
    /** For browsers, which go on to another page. */
    | { 302: ResponseSpec; 200?: undefined; 202?: undefined };
  /** Failures of this route; `problemsOf` adds those of its kind. */
  problems?: readonly ProblemCode[];
  /** Failures come as Anthropic's envelope, with the statuses and types of `anthropic-errors.ts`. */
  anthropic?: boolean;
  /** Who may call it. */
  access: RouteAccess;
  /**
   * For a route of one session, when several nodes share the sessions: `store` is answered by any node, `live` by the
   * session's owner while it has one. Without it, the session's owner answers, and a session without one gets one.
   */
  reads?: 'store' | 'live';
  /** Whether requests stand in the audit log, where the method does not say it. */
  audited?: boolean;
  /** The handler may answer with a response of its own making: a stream, or a body that is not JSON. */
  raw?: boolean;
}

/** Keeps the literal types of a route. */
export const route = <const R extends RouteSpec>(spec: R): R => spec;

/** Checked of every request before its route is known; the body even where the route takes none. */
const ALWAYS: readonly ProblemCode[] = [
  'bad_target',
  'bad_host',
  'host_not_allowed',
  'origin_not_allowed',
  'method_not_allowed',
  'body_incomplete',
  'malformed_body',
  'body_too_large',
  'encoding_unknown',
  'internal_error',
];
const WITH_KEY: readonly ProblemCode[] = [
  'unauthorized',
  'forbidden',
  'role_insufficient',
  'token_of_one_session',
  'too_many_failures',
  'request_limit',
];
const WITH_CHANGE: readonly ProblemCode[] = ['agent_not_allowed', 'peer_gone'];
const OF_A_SESSION: readonly ProblemCode[] = ['owner_unreachable', 'folder_elsewhere'];
const WITH_BODY: readonly ProblemCode[] = ['malformed_json', 'too_deep'];

/** Every code that a route can answer with: its own, and those of its kind. */
export function problemsOf(spec: RouteSpec): ReadonlySet<ProblemCode> {
  const codes = new Set([...(spec.problems ?? []), ...ALWAYS]);
  const add = (more: readonly ProblemCode[]): void => more.forEach((code) => void codes.add(code));
  if (spec.access !== 'open') add(WITH_KEY);
  if (spec.access !== 'open' && spec.access.of === 'session') add(['session_not_found']);
  if (spec.method !== 'GET') add(WITH_CHANGE);
  if (spec.params) add(['not_found', 'session_moved']);
  if (needsOwner(spec)) add(OF_A_SESSION);
  if (spec.query ?? spec.body) add(['validation_failed']);
  if (spec.body) add(WITH_BODY);
  if (spec.body && (spec.bodyRequired ?? true)) add(['body_missing']);
  if (spec.tag !== 'server' || spec.params || spec.access !== 'open') add(['storage_failed']);
  return codes;
}

/** Whether a route is answered by the node that owns its session. */
export const needsOwner = ({ params, reads }: RouteSpec): boolean =>
  params !== undefined && 'session_id' in params.shape && reads !== 'store';

/**
 * Whether requests for a route stand in the audit log: all that change something. Model calls change nothing here; what they cost
 * is in the accounts.
 */
export const isAudited = ({ method, tag, audited }: RouteSpec): boolean =>
  audited ?? (method !== 'GET' && tag !== 'gateway');

/** What a caller gives for a route: only the parts that the route has. */
export type RouteInput<R extends RouteSpec> = (R extends { params: infer P extends z.ZodType }
  ? { params: z.input<P> }
  : unknown) &
  (R extends { query: infer Q extends z.ZodType } ? { query?: z.input<Q> | undefined } : unknown) &
  (R extends { headers: infer H extends z.ZodType } ? { headers?: z.input<H> | undefined } : unknown) &
  (R extends { body: infer B extends z.ZodType }
    ? R extends { bodyRequired: false }
      ? { body?: z.input<B> | undefined }
      : { body: z.input<B> }
    : unknown);

/** The JSON that a route answers with status `S` (200 unless told). */
export type RouteOutput<R extends RouteSpec, S extends number = 200> = R['responses'] extends {
  [K in S]: { schema: infer T extends z.ZodType };
}
  ? z.output<T>
  : undefined;
