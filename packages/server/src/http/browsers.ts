import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { BrowserConfig } from '../access/browser-config.ts';
import type { HttpEnv } from './auth.ts';

/** So long does a browser remember what a page may send. */
const REMEMBERED_SECONDS = 600;

/** Tells browsers that pages of the allowed origins may read the answers (CORS). Others get no such header. */
export function answerBrowsers({ origins, credentials }: BrowserConfig): MiddlewareHandler<HttpEnv> {
  const allow = cors({
    origin: [...origins],
    credentials,
    maxAge: REMEMBERED_SECONDS,
    allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    allowHeaders: [
      'authorization',
      'x-api-key',
      'content-type',
      'accept',
      'prefer',
      'idempotency-key',
      'last-event-id',
      'traceparent',
      'x-request-id',
    ],
    exposeHeaders: [
      'location',
      'message-id',
      'idempotent-replayed',
      'retry-after',
      'ratelimit',
      'ratelimit-policy',
      'x-request-id',
    ],
  });
  return (c, next) => (origins.includes(c.req.header('origin') ?? '') ? allow(c, next) : next());
}
