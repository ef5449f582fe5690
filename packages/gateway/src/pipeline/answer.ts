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

/** Ends an answer that nobody will read, so that what it holds (upstream, concurrency slot) is given back. */
export async function discard({ body }: Answer): Promise<void> {
  if (!isWhole(body)) await body[Symbol.asyncIterator]().return?.(undefined);
}
