/** A request, from node:http or a web-standard server. */
export interface Incoming {
  method: string;
  path: string;
  /** With the leading `?`; may be empty. */
  query: string;
  headers: Record<string, string>;
  body(limit: number): Promise<Uint8Array | undefined>;
  signal: AbortSignal;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** The chunks of a stream are whole SSE events, so that a ping may be written between any two. */
  body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
  /** Whether the last chunk completed the message for the client; anything after it can be dropped. */
  isComplete?: () => boolean;
  /** A `ping` event is written after this much silence. */
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

/** Abandons an answer that will not be read, which releases its upstream and permit. */
export async function discard({ body }: Answer): Promise<void> {
  if (!isWhole(body)) await body[Symbol.asyncIterator]().return?.(undefined);
}
