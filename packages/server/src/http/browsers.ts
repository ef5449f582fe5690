import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { BrowserConfig } from '../access/browser-config.ts';
import type { HttpEnv } from './auth.ts';

/** So long does a browser remember what a page may send. */
const REMEMBERED_SECONDS = 600;

/** Headers of answers that pages may read. `request-id` is the gateway's. */
const EXPOSED = [
  'location',
  'message-id',
  'idempotent-replayed',
  'request-id',
  'retry-after',
  'x-request-id',
];

/** Tells browsers that pages of the allowed origins may read the answers (CORS). Others get no such header. */
export function answerBrowsers({ origins, credentials }: BrowserConfig): MiddlewareHandler<HttpEnv> {
  const allow = cors({
    origin: [...origins],
    credentials,
    maxAge: REMEMBERED_SECONDS,
    allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    // Those that the page asks for: SDKs for the Messages API send a dozen of their own.
    exposeHeaders: EXPOSED,
  });
  return (c, next) => {
    const origin = c.req.header('origin') ?? '';
    if (!origins.includes(origin)) return next();
    // The gateway answers by itself.
    const response = c.req.path.startsWith('/v1/') ? c.env?.outgoing : undefined;
    response?.setHeader('access-control-allow-origin', origin);
    response?.setHeader('access-control-expose-headers', EXPOSED.join(','));
    response?.setHeader('vary', 'Origin');
    if (credentials) response?.setHeader('access-control-allow-credentials', 'true');
    return allow(c, next);
  };
}
