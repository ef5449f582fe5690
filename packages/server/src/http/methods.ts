import { endpoints } from 'claude-agent-protocol/endpoints';
import type { Context, Hono } from 'hono';
import { problem } from '../errors.ts';
import type { HttpEnv } from './auth.ts';
import { problemResponse } from './problems.ts';

const METHODS = [...new Set(Object.values(endpoints).map(({ method }) => method))];

/** For unmatched requests: a known path with another method gets 405 and the allowed methods. */
export function answerUnrouted(app: Hono<HttpEnv>, c: Context<HttpEnv>): Response {
  const { method, path } = c.req;
  const mounted = METHODS.filter((each) => isMounted(app, each, path));
  if (mounted.length === 0) {
    return problemResponse(problem('route_not_found', { route: `${method} ${path}` }), path);
  }
  // The framework answers HEAD with the headers of GET.
  const allow = [...mounted.flatMap((each) => (each === 'GET' ? ['GET', 'HEAD'] : [each])), 'OPTIONS'].join(
    ', ',
  );
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow } });
  const response = problemResponse(problem('method_not_allowed', { method, path, allow }), path);
  response.headers.set('allow', allow);
  return response;
}

/** Handlers for all methods are middleware, not routes. */
const isMounted = (app: Hono<HttpEnv>, method: string, path: string): boolean =>
  app.router.match(method, path)[0].some(([[, route]]) => route.method !== 'ALL');
