import type { MiddlewareHandler } from 'hono';
import type { HttpEnv } from './auth.ts';

/** Node reads this much of a connection by itself. */
const HARMLESS_BYTES = 32 * 1024;
/** Enough for an honest client with a wrong path or key; a longer body is cut off. */
const PATIENCE_MS = 2_000;
const PATIENCE_BYTES = 64 * 1024 * 1024;

/**
 * A response sent before the request's body was read (an unknown path, a wrong key, a body over the limit) leaves the
 * connection in the middle of that body. Measured: the client's next request on it is cut off after half a second, and
 * a client that is still sending may never see the response. So the rest is read and discarded first; if it does not
 * end, the response says that the connection closes.
 */
export function skipUnreadBody(): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    await next();
    // The gateway reads its requests from the socket itself.
    if (c.env?.outgoing?.headersSent) return;
    const length = c.req.header('content-length');
    const isStream = c.req.header('transfer-encoding') !== undefined;
    const { body, bodyUsed } = c.req.raw;
    const isRead = bodyUsed && c.res.status !== 413 && !c.get('unread');
    if (isRead || (!bodyUsed && !isStream && Number(length ?? 0) <= HARMLESS_BYTES)) return;
    if (!body || body.locked || !(await skip(body))) c.header('connection', 'close');
  };
}

/** Reads to the end. False if the body is too long. */
async function skip(body: ReadableStream<Uint8Array>): Promise<boolean> {
  const reader = body.getReader();
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  const late = new Promise<undefined>((resolve) => {
    deadline.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  try {
    for (let bytes = 0; bytes <= PATIENCE_BYTES; ) {
      const chunk = await Promise.race([reader.read(), late]);
      if (chunk === undefined) return false;
      if (chunk.done) return true;
      bytes += chunk.value.length;
    }
    return false;
  } catch {
    // the client is gone
    return false;
  }
}
