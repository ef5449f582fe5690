import type { MiddlewareHandler } from 'hono';
import type { Metrics } from '../observe/metrics.ts';
import type { HttpEnv } from './auth.ts';

/** Tells the metrics of every request of a caller; what a node passes on counts there, where it came from a caller. */
export function observeRequests(metrics: Pick<Metrics, 'onRequest'>): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const start = performance.now();
    await next();
    if (c.get('passedOn')) return;
    const sent = c.env?.outgoing;
    metrics.onRequest({
      method: c.req.method,
      route: c.get('route')?.path,
      // The gateway has answered by itself.
      status: sent?.headersSent ? sent.statusCode : c.res.status,
      seconds: (performance.now() - start) / 1000,
    });
  };
}
