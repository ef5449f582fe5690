import { pipeline, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { AppError, problem } from '../errors.ts';

/** An event with an image is one line; nothing that a session holds is longer. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

const DECODERS: ReadonlyMap<string, () => NodeJS.ReadWriteStream> = new Map<
  string,
  () => NodeJS.ReadWriteStream
>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
  ['zstd', createZstdDecompress],
]);

/**
 * The lines of a body as they come, without empty ones: memory holds one of them, and what the connection has sent ahead.
 * @param limit the most bytes of the decompressed body
 * @throws AppError 400, 413, 415 or 422
 */
export async function* linesOf(request: Request, limit: number): AsyncGenerator<string, void, void> {
  let parts: Uint8Array[] = [];
  let [length, total, n] = [0, 0, 1];
  const take = (): string => {
    const line = Buffer.concat(parts).toString();
    [parts, length] = [[], 0];
    n++;
    return line;
  };
  const add = (part: Uint8Array): void => {
    parts.push(part);
    length += part.length;
    if (length <= MAX_LINE_BYTES) return;
    const message = `is longer than ${MAX_LINE_BYTES} bytes`;
    throw problem('validation_failed', { errors: [{ path: `body.line ${n}`, message }] });
  };
  const isPacked = request.headers.has('content-encoding');
  for await (const chunk of bytesOf(request)) {
    total += chunk.length;
    if (total > limit)
      throw problem('body_too_large', { limit, unpacked: isPacked, setting: 'import_limit_bytes' });
    let begin = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, begin)) {
      add(chunk.subarray(begin, end));
      begin = end + 1;
      const line = take();
      if (line.trim() !== '') yield line;
    }
    add(chunk.subarray(begin));
  }
  const last = take();
  if (last.trim() !== '') yield last;
}

async function* bytesOf({ body, headers }: Request): AsyncGenerator<Uint8Array, void, void> {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return yield* chunksOf(body);
  const decoder = DECODERS.get(encoding);
  if (!decoder) {
    const why = `The Content-Encoding "${encoding}" is not supported. Send one of ${[...DECODERS.keys()].join(', ')}, or none.`;
    throw problem('encoding_unknown', { why });
  }
  try {
    // The loop below gets the failure of either.
    const unpacked = pipeline(Readable.from(chunksOf(body)), decoder(), () => {});
    for await (const chunk of unpacked) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof AppError) throw error;
    const said = error instanceof Error ? error.message : String(error);
    throw problem('malformed_body', { why: `The body could not be decompressed as ${encoding}: ${said}.` });
  }
}

/** The rest stays in the body when the reader stops: unread.ts sees to it. */
async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void, void> {
  const reader = body?.getReader();
  try {
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) yield next.value;
  } catch {
    throw problem('body_incomplete');
  } finally {
    reader?.releaseLock();
  }
}
