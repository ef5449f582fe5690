import type { IncomingMessage, ServerResponse } from 'node:http';
import { pingText } from '../messages/sse.ts';
import { clientGone, isAborted } from '../transport/transport.ts';

/** A request, whichever server it came through. */
export interface Incoming {
  method: string;
  path: string;
  /** With its `?`, or empty. */
  query: string;
  headers: Record<string, string>;
  body(limit: number): Promise<Uint8Array | undefined>;
  signal: AbortSignal;
}

/** A request, and the way to stop what is done for it. */
export interface Received {
  incoming: Incoming;
  gone: AbortController;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** A stream consists of whole SSE events, so that a ping may be written between any two pieces. */
  body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
  /** Whether the piece that was given last ends the stream for the client; more may come that nobody needs. */
  isComplete?: () => boolean;
  /** A `ping` event is written after so long a silence. */
  pingMs?: number;
}

export function streamHeaders(): Record<string, string> {
  return {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  };
}

export const isWhole = (body: Answer['body']): body is string | Uint8Array =>
  typeof body === 'string' || body instanceof Uint8Array;

/** The request that node:http received; `gone` aborts when the client goes away before the answer is complete. */
export function fromNode(request: IncomingMessage, response: ServerResponse): Received {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const incoming: Incoming = {
    method: request.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? '' : url.slice(mark),
    headers: request.headers as Record<string, string>,
    signal: gone.signal,
    body: (limit) =>
      new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        let size = 0;
        request.on('data', (chunk: Buffer) => {
          size += chunk.length;
          // The rest is read and thrown away: a client that is still sending would not see the answer.
          if (size <= limit) chunks.push(chunk);
        });
        request.on('end', () =>
          resolve(size > limit ? undefined : chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)),
        );
        // An upload that breaks off is an error here ("aborted") before it is a close.
        request.on('error', (error) => reject(request.complete ? error : clientGone()));
        request.on('close', () => {
          if (!request.complete) reject(clientGone());
        });
      }),
  };
  return { incoming, gone };
}

/**
 * Writes an answer through node:http, minding how fast the client reads. Throws before anything is written when node
 * refuses a header.
 */
export async function toNode(answer: Answer, response: ServerResponse, gone: AbortController): Promise<void> {
  const { body, pingMs, isComplete } = answer;
  if (isWhole(body)) {
    response.writeHead(answer.status, {
      ...answer.headers,
      'content-length': String(Buffer.byteLength(body)),
    });
    response.end(body);
    return;
  }
  response.writeHead(answer.status, answer.headers);
  let last = Date.now();
  const timer = pingMs
    ? setInterval(() => {
        if (Date.now() - last < pingMs || response.writableNeedDrain) return;
        response.write(pingText);
        last = Date.now();
      }, pingMs / 2)
    : undefined;
  try {
    const pieces = body[Symbol.asyncIterator]();
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
      if (response.destroyed) {
        await pieces.return?.();
        return;
      }
      if (isComplete?.()) {
        // One write for the piece and the end.
        response.end(next.value);
        clearInterval(timer);
        return await readToEnd(pieces, gone);
      }
      last = Date.now();
      if (!response.write(next.value)) await drained(response);
    }
    response.end();
  } catch (error) {
    // The head has gone out: all that is left is to break off.
    response.destroy();
    if (!isAborted(error) && !gone.signal.aborted) throw error;
  } finally {
    clearInterval(timer);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

/** The same for a web-standard server. */
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

export function toResponse(answer: Answer, gone: AbortController): Response {
  const { body } = answer;
  const init = { status: answer.status, headers: answer.headers };
  if (isWhole(body)) return new Response(body as BodyInit, init);
  const encoder = new TextEncoder();
  const pieces = body[Symbol.asyncIterator]();
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
        const next = await pieces.next();
        last = Date.now();
        if (!next.done) {
          controller.enqueue(typeof next.value === 'string' ? encoder.encode(next.value) : next.value);
          if (!answer.isComplete?.()) return;
          void readToEnd(pieces, gone);
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
      await pieces.return?.(undefined);
    },
  });
  return new Response(stream, init);
}

/**
 * How long an upstream may take to close an answer that the client has whole already. Its connection is kept for the
 * next request only if it does.
 */
const closingMs = 1_000;

async function readToEnd(pieces: AsyncIterator<unknown>, gone: AbortController): Promise<void> {
  const timer = setTimeout(() => gone.abort(), closingMs);
  try {
    while (!(await pieces.next()).done);
  } catch {
    // The client has all it asked for.
  } finally {
    clearTimeout(timer);
  }
}

/** Ends an answer that nobody will read, so that what it holds (upstream, concurrency slot) is given back. */
export async function discard({ body }: Answer): Promise<void> {
  if (!isWhole(body)) await body[Symbol.asyncIterator]().return?.(undefined);
}
