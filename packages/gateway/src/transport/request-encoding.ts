import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions, zstdDecompress } from 'node:zlib';

type Inflate = (bytes: Uint8Array, options: ZlibOptions) => Promise<Buffer>;

const gzip = promisify(gunzip) as Inflate;
const zlibs = promisify(inflate) as Inflate;
const raw = promisify(inflateRaw) as Inflate;

const decoders: ReadonlyMap<string, Inflate> = new Map<string, Inflate>([
  ['gzip', gzip],
  ['x-gzip', gzip],
  // By the book with zlib's head, of which the low half of the first byte is always 8; many send it without.
  ['deflate', (bytes, options) => (((bytes[0] ?? 8) & 15) === 8 ? zlibs : raw)(bytes, options)],
  ['br', promisify(brotliDecompress) as Inflate],
  ['zstd', promisify(zstdDecompress) as Inflate],
]);

/** For `Accept-Encoding`. */
export const REQUEST_ENCODINGS = 'gzip, deflate, br, zstd';

/** A request's body as it was before its client compressed it, or why it cannot be had. */
export type Unpacked = { bytes: Uint8Array } | { problem: 'unknown' | 'too-large' | 'damaged'; why: string };

/**
 * Undoes a `Content-Encoding`. Never makes more than `limit` bytes, however little came in; one encoding only,
 * because each further one multiplies what a small body may become.
 */
export async function unpackRequest(
  bytes: Uint8Array,
  encoding: string | undefined,
  limit: number,
): Promise<Unpacked> {
  const name = (encoding ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity' || bytes.length === 0) return { bytes };
  const decode = decoders.get(name);
  if (!decode) {
    const why = `The Content-Encoding "${encoding}" is not understood here. Send one of ${REQUEST_ENCODINGS}, or none.`;
    return { problem: 'unknown', why };
  }
  try {
    return { bytes: await decode(bytes, { maxOutputLength: limit }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      return { problem: 'too-large', why: `The body is larger than ${limit} bytes once it is decompressed.` };
    }
    const said = error instanceof Error ? error.message : String(error);
    return { problem: 'damaged', why: `The body is not what its Content-Encoding says (${name}): ${said}.` };
  }
}
