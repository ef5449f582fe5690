import { pingText } from '../messages/sse.ts';
import { type Answer, isWhole } from '../pipeline/answer.ts';
import { clientGone } from '../transport/transport.ts';
import { type Received, readToEnd } from './received.ts';

/** Receives a web-standard request; `gone` aborts when its signal does, or when its answer is cancelled. */
export function fromRequest(request: Request): Received {
  const gone = new AbortController();
  if (request.signal.aborted) gone.abort();
  else request.signal.addEventListener('abort', () => gone.abort(), { once: true });
  const url = new URL(request.url);
  return {
    gone,
    incoming: {
      method: request.method,
      path: url.pathname,
      query: url.search,
      headers: Object.fromEntries(request.headers),
      signal: gone.signal,
      async body(limit) {
        const bytes = await request.bytes().catch((error: unknown) => {
          throw gone.signal.aborted ? clientGone() : error;
        });
        return bytes.byteLength > limit ? undefined : bytes;
      },
    },
  };
}

/** An answer as a web-standard response. */
export function toResponse(answer: Answer, gone: AbortController): Response {
  const { body } = answer;
  const init = { status: answer.status, headers: answer.headers };
  if (isWhole(body)) return new Response(body as BodyInit, init);
  const encoder = new TextEncoder();
  const chunks = body[Symbol.asyncIterator]();
  let timer: NodeJS.Timeout | undefined;
  let last = Date.now();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      const pingMs = answer.pingMs;
      if (!pingMs) return;
      timer = setInterval(() => {
        if (Date.now() - last < pingMs || (controller.desiredSize ?? 0) <= 0) return;
        controller.enqueue(encoder.encode(pingText));
        last = Date.now();
      }, pingMs / 2);
    },
    async pull(controller) {
      try {
        const next = await chunks.next();
        last = Date.now();
        if (!next.done) {
          controller.enqueue(typeof next.value === 'string' ? encoder.encode(next.value) : next.value);
          if (!answer.isComplete?.()) return;
          void readToEnd(chunks, gone);
        }
        clearInterval(timer);
        controller.close();
      } catch (error) {
        clearInterval(timer);
        controller.error(error);
      }
    },
    async cancel() {
      clearInterval(timer);
      gone.abort();
      await chunks.return?.(undefined);
    },
  });
  return new Response(stream, init);
}
