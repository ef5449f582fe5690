import { randomUUID } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import type { AnsweredRequest } from '../observe/observation.ts';
import type { Origin } from '../observe/origins.ts';
import type { Tracing } from '../observe/trace/tracing.ts';
import type { HttpEnv } from './auth.ts';

/** The header that names a request, in both directions. */
const REQUEST_ID = 'x-request-id';

/** Names that fit into a log line and a header; any other is replaced. */
const USABLE_ID = /^[\w.:+/=-]{1,128}$/;

/** Probes come every few seconds and say nothing. */
const UNTRACED: ReadonlySet<string> = new Set(['/health', '/ping', '/ready', '/metrics']);

/** Names each request, and tells how it was answered. */
export function observeRequests(onRequest: (request: AnsweredRequest) => void): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const start = performance.now();
    const given = c.req.header(REQUEST_ID);
    const id = given !== undefined && USABLE_ID.test(given) ? given : randomUUID();
    c.set('requestId', id);
    // The gateway answers by itself.
    c.env?.outgoing?.setHeader(REQUEST_ID, id);
    await next();
    const { route, status } = answered(c);
    if (!c.env?.outgoing?.headersSent) c.header(REQUEST_ID, id);
    onRequest({
      id,
      method: c.req.method,
      path: c.req.path,
      route,
      status,
      seconds: (performance.now() - start) / 1000,
      passedOn: c.get('passedOn') ?? false,
    });
  };
}

/** A span for each request whose caller is known. */
export function traceRequests(tracing: Tracing): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const { method, path } = c.req;
    if (UNTRACED.has(path)) return next();
    const principal = c.get('principal');
    const agent = principal.kind === 'session' ? principal.sessionId : undefined;
    const request = { method, path, requestId: c.get('requestId'), headers: c.req.header() };
    const span = await tracing.startRequest(request, agent);
    c.set('span', span);
    // The gateway reads it from the request.
    if (agent !== undefined && c.env?.incoming) Object.assign(c.env.incoming.headers, span.headers());
    await next();
    const { route, status } = answered(c);
    span.end(route, status);
  };
}

/** What a message of this request comes from. */
export const originOf = (c: Context<HttpEnv>): Origin => ({
  requestId: c.get('requestId'),
  context: c.get('span')?.context,
});

/** The headers with which a request of this one's is recognised as its own. */
export const linkHeaders = (c: Context<HttpEnv>): Record<string, string> => ({
  [REQUEST_ID]: c.get('requestId'),
  ...c.get('span')?.headers(),
});

const answered = (c: Context<HttpEnv>) => {
  const sent = c.env?.outgoing;
  return { route: c.get('route')?.path, status: sent?.headersSent ? sent.statusCode : c.res.status };
};
