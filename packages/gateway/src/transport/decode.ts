import { pipeline, Readable, type Transform } from 'node:stream';
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';
import { putBack } from './chunks.ts';
import { TransportError } from './transport.ts';

/**
 * Decompresses a body, which some upstreams compress although they are asked not to. Each chunk is decompressed as it
 * arrives, so a stream remains a stream. A body in an unknown encoding is returned unchanged. (undici's own decompress
 * interceptor is experimental, prints a warning, and does not read `deflate` without zlib's header.)
 */
export function decodeBody(
  headers: Record<string, string>,
  body: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const names = String(headers['content-encoding'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  const steps = names.map((name) => decoders.get(name));
  if (!steps.every((step) => step !== undefined)) return body;
  // The header lists encodings in the order in which they were applied.
  return steps.reduceRight(decoded, body);
}

type Decoder = (first: Uint8Array) => Transform;

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['br', () => createBrotliDecompress()],
  ['zstd', () => createZstdDecompress()],
  ['deflate', (first) => (hasZlibHeader(first) ? createInflate() : createInflateRaw())],
]);

/** The standard asks for zlib's header, whose first byte ends in the bits of 8; many send `deflate` without it. */
export function hasZlibHeader(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 8) & 15) === 8;
}

function decoded(
  body: AsyncIterable<Uint8Array>,
  createDecoder: Decoder,
): AsyncIterableIterator<Uint8Array, undefined> {
  const chunks = body[Symbol.asyncIterator]();
  const output = decode(chunks, createDecoder);
  return {
    next: () => output.next(),
    async return() {
      // The upstream first: the generator's `return` would wait for a pending chunk, and does nothing before `next`.
      await chunks.return?.();
      return output.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* decode(
  chunks: AsyncIterator<Uint8Array>,
  createDecoder: Decoder,
): AsyncGenerator<Uint8Array, undefined> {
  const first = await chunks.next();
  if (first.done) return;
  const decoder = createDecoder(first.value);
  // A failure on either side ends the iteration below, which then abandons the upstream's body.
  pipeline(Readable.from(putBack(first, chunks), { objectMode: false }), decoder, () => {});
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof TransportError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new TransportError('broken', `the answer's compression is damaged: ${why}`);
  }
}
