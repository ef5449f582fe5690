import { type RouteSpec, routes } from 'claude-agent-protocol';
import type { Context, Hono } from 'hono';
import { problem } from '../../errors.ts';
import { invoke, isPlain } from '../agentcore/invocation.ts';
import { callOf, SESSION_HEADER } from '../agentcore/sessions.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { linkHeaders } from '../observe.ts';

/** Headers for the target, without those that describe the outer body. */
const LEFT_BEHIND = new Set(['content-length', 'content-type', 'transfer-encoding', 'connection', 'expect']);

/** One route to all others: the request passes through the same application again, in this process. */
export function invocationRoutes(
  app: Hono<HttpEnv>,
  { agentcore, runtimeSessions }: Pick<AppDeps, 'agentcore' | 'runtimeSessions'>,
): void {
  mount(app, routes.invoke, ({ body }, c) => {
    const inherited = headersOf(c);
    const env = { platform: agentcore, address: c.get('address') };
    if (!body.path && isPlain(body)) {
      const call = callOf(app, env, inherited, new URL(c.req.url).origin);
      return invoke(runtimeSessions, {
        payload: body,
        runtimeId: c.req.header(SESSION_HEADER),
        streams: c.req.header('accept')?.includes('text/event-stream') ?? false,
        call: (...request) => {
          c.get('audited')?.elsewhere();
          return call(...request);
        },
        signal: c.req.raw.signal,
      });
    }
    const { path, path_params: given = {} } = body;
    // Null counts as absent, as everywhere: no route takes a null body.
    const payload = body.payload ?? undefined;
    if (!path) throw problem('path_missing');
    const method = body.method.toUpperCase();
    const url = targetUrl(path, given, c.req.url);
    if (isSelf(url)) throw problem('not_invocable');

    const headers = new Headers(inherited);
    const bodyless = method === 'GET' || method === 'HEAD';
    if (bodyless) addQuery(url, payload);
    else headers.set('content-type', 'application/json');
    let request: Request;
    try {
      request = new Request(url, {
        method,
        headers,
        signal: c.req.raw.signal,
        ...(!bodyless && payload !== undefined && { body: JSON.stringify(payload) }),
      });
    } catch {
      throw problem('method_invalid', { method: body.method });
    }
    c.get('audited')?.elsewhere();
    return app.fetch(request, env);
  });
}

/** The headers of a request for another route, with which that one is authenticated and traced. */
function headersOf(c: Context<HttpEnv>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(c.req.header())) {
    if (!LEFT_BEHIND.has(name)) headers.set(name, value);
  }
  for (const [name, value] of Object.entries(linkHeaders(c))) headers.set(name, value);
  return headers;
}

/** The target's address: a concrete path, or a template filled from `path_params`. */
function targetUrl(path: string, params: Record<string, string>, base: string): URL {
  const missing: string[] = [];
  const filled = path.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    // An empty one would match the parent route: /sessions/ is /sessions.
    if (value) return encodeURIComponent(value.toWellFormed());
    missing.push(name);
    return whole;
  });
  if (missing.length > 0) {
    throw problem('path_params_missing', { path, missing });
  }
  try {
    // The caller chooses only the path; the origin is always this server.
    return new URL(new URL(base).origin + (filled.startsWith('/') ? filled : `/${filled}`));
  } catch {
    throw problem('route_not_found', { route: path });
  }
}

function isSelf(url: URL): boolean {
  const self: RouteSpec = routes.invoke;
  try {
    return decodeURIComponent(url.pathname).replaceAll(/\/+/g, '/').replace(/\/$/, '') === self.path;
  } catch {
    return false;
  }
}

/** A GET has no body, so the members of its payload become query parameters. */
function addQuery(url: URL, payload: unknown): void {
  if (typeof payload !== 'object' || payload === null) return;
  for (const [name, value] of Object.entries(payload)) {
    if (value === null || value === undefined) continue;
    // An object may not convert to text (its toString can be anything); as JSON, the route can reject it.
    url.searchParams.set(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
}
