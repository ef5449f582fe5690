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
 * The body as it was before the upstream compressed it, which some do although they are asked not to. What is read
 * comes out as it arrives, so a stream stays one. An encoding that nobody knows is left as it is.
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
  // They were applied in the order of the header.
  return steps.reduceRight(decoded, body);
}

type Decoder = (first: Uint8Array) => Transform;

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['br', () => createBrotliDecompress()],
  ['zstd', () => createZstdDecompress()],
  // By the book with zlib's head, of which the low half of the first byte is always 8; many send it without.
  ['deflate', (first) => (((first[0] ?? 8) & 15) === 8 ? createInflate() : createInflateRaw())],
]);

function decoded(
  body: AsyncIterable<Uint8Array>,
  createDecoder: Decoder,
): AsyncIterableIterator<Uint8Array, undefined> {
  const pieces = body[Symbol.asyncIterator]();
  const output = decode(pieces, createDecoder);
  return {
    next: () => output.next(),
    async return() {
      // First the upstream: the generator would wait for a piece that is under way, and does nothing if it has not begun.
      await pieces.return?.();
      return output.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* decode(
  pieces: AsyncIterator<Uint8Array>,
  createDecoder: Decoder,
): AsyncGenerator<Uint8Array, undefined> {
  const first = await pieces.next();
  if (first.done) return;
  const decoder = createDecoder(first.value);
  // A failure on either side ends the iteration below, and leaving that gives up the upstream's body.
  pipeline(Readable.from(putBack(first, pieces), { objectMode: false }), decoder, () => {});
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof TransportError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new TransportError('broken', `the answer's compression is damaged: ${why}`);
  }
}
