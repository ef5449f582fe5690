import type { Context, Hono } from 'hono';
import { problem } from '../errors.ts';
import type { HttpEnv } from './auth.ts';
import { problemResponse } from './problems.ts';

const METHODS = ['GET', 'POST', 'PATCH', 'DELETE'];

/** For what no route took: another method of a path that exists is told which methods there are. */
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

/** What is mounted for all methods is what every request passes through: no route. */
const isMounted = (app: Hono<HttpEnv>, method: string, path: string): boolean =>
  app.router.match(method, path)[0].some(([[, route]]) => route.method !== 'ALL');
