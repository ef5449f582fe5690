export interface UpstreamRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array | undefined;
  signal: AbortSignal;
  /** Until the response headers arrive. */
  timeoutMs?: number;
  /** Between two chunks of the body. */
  idleTimeoutMs?: number;
}

export interface UpstreamResponse {
  status: number;
  headers: Record<string, string>;
  body: AsyncIterable<Uint8Array>;
}

/** The one way out: everything the gateway sends goes through it, so that it can be recorded, replayed and tested. */
export type Transport = (request: UpstreamRequest) => Promise<UpstreamResponse>;

/** No usable answer from upstream: refused, reset, silent or cut off. */
export class TransportError extends Error {
  readonly kind: 'connect' | 'timeout' | 'broken' | 'aborted';
  constructor(kind: TransportError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export const clientGone = () => new TransportError('aborted', 'The client went away.');

export const isAborted = (error: unknown): boolean =>
  error instanceof TransportError && error.kind === 'aborted';

export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] ? asBuffer(chunks[0]) : Buffer.concat(chunks);
}

/** A Buffer over the same memory, without copying it. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
