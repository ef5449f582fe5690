import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions, zstdDecompress } from 'node:zlib';
import { hasZlibHeader } from './decode.ts';

type Inflate = (bytes: Uint8Array, options: ZlibOptions) => Promise<Buffer>;

const gzip = promisify(gunzip) as Inflate;
const zlib = promisify(inflate) as Inflate;
const rawDeflate = promisify(inflateRaw) as Inflate;

const decoders: ReadonlyMap<string, Inflate> = new Map<string, Inflate>([
  ['gzip', gzip],
  ['x-gzip', gzip],
  ['deflate', (bytes, options) => (hasZlibHeader(bytes) ? zlib : rawDeflate)(bytes, options)],
  ['br', promisify(brotliDecompress) as Inflate],
  ['zstd', promisify(zstdDecompress) as Inflate],
]);

/** For `Accept-Encoding`. */
export const REQUEST_ENCODINGS = 'gzip, deflate, br, zstd';

/** A decompressed request body, or why it could not be decompressed. */
type Decompressed = { bytes: Uint8Array } | { problem: 'unknown' | 'too-large' | 'damaged'; why: string };

/**
 * Decompresses a request body according to its `Content-Encoding`. The result is never larger than `limit` bytes, and
 * only one encoding is allowed, because each further one multiplies the size that a small body can grow to.
 */
export async function decompressRequest(
  bytes: Uint8Array,
  encoding: string | undefined,
  limit: number,
): Promise<Decompressed> {
  const name = (encoding ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity' || bytes.length === 0) return { bytes };
  const decode = decoders.get(name);
  if (!decode) {
    const why = `The Content-Encoding "${encoding}" is not supported. Send one of ${REQUEST_ENCODINGS}, or none.`;
    return { problem: 'unknown', why };
  }
  try {
    return { bytes: await decode(bytes, { maxOutputLength: limit }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      return { problem: 'too-large', why: `The decompressed body is larger than ${limit} bytes.` };
    }
    const said = error instanceof Error ? error.message : String(error);
    return { problem: 'damaged', why: `The body could not be decompressed as ${name}: ${said}.` };
  }
}
