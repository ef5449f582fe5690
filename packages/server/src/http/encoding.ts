import { decompressRequest, REQUEST_ENCODINGS } from 'claude-agent-gateway';
import type { MiddlewareHandler } from 'hono';
import { problem } from '../errors.ts';
import type { HttpEnv } from './auth.ts';
import { problemResponse } from './problems.ts';

/** Accepts compressed bodies. The size limit applies to the decompressed body. */
export function unpackBody(limit: number): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const encoding = c.req.header('content-encoding');
    if (encoding === undefined) return next();
    // Not through `c.req`, which would cache the compressed bytes as the body.
    const { raw } = c.req;
    const unpacked = await decompressRequest(new Uint8Array(await raw.arrayBuffer()), encoding, limit);
    if ('problem' in unpacked) {
      if (unpacked.problem === 'too-large') throw problem('body_too_large', { limit, unpacked: true });
      if (unpacked.problem === 'damaged') throw problem('malformed_body', { why: unpacked.why });
      const refused = problemResponse(problem('encoding_unknown', { why: unpacked.why }), c.req.path);
      refused.headers.set('accept-encoding', REQUEST_ENCODINGS);
      return refused;
    }
    const headers = new Headers(raw.headers);
    for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name);
    const { method, signal, url } = raw;
    const hasBody = method !== 'GET' && method !== 'HEAD' && unpacked.bytes.length > 0;
    const body = hasBody ? { body: unpacked.bytes as Uint8Array<ArrayBuffer> } : {};
    c.req.raw = new Request(url, { method, signal, headers, ...body });
    return next();
  };
}
