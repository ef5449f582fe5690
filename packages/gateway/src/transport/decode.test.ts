import {
  brotliCompressSync,
  createGzip,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeBody } from './decode.ts';
import { readAll, TransportError } from './transport.ts';

const text = JSON.stringify({ said: 'Grüße '.repeat(500) });

async function* cut(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const read = async (encoding: string, body: AsyncIterable<Uint8Array>) =>
  (await readAll(decodeBody({ 'content-encoding': encoding }, body))).toString();

test.each([
  ['gzip', gzipSync(text)],
  ['x-gzip', gzipSync(text)],
  ['GZIP', gzipSync(text)],
  ['br', brotliCompressSync(text)],
  ['zstd', zstdCompressSync(text)],
  ['deflate', deflateSync(text)],
  ['deflate', deflateRawSync(text)],
  ['identity', Buffer.from(text)],
  ['deflate, gzip', gzipSync(deflateSync(text))],
])('a body in %s is decompressed, however it is cut', async (encoding, bytes) => {
  expect(await read(encoding, cut(bytes))).toBe(text);
  expect(await read(encoding, cut(bytes, 1))).toBe(text);
  expect(await read(encoding, cut(bytes, bytes.length))).toBe(text);
});

test('a body that is not compressed, or in an unknown encoding, is returned unchanged', () => {
  const body = cut(Buffer.from(text));
  expect(decodeBody({}, body)).toBe(body);
  expect(decodeBody({ 'content-encoding': 'constructor' }, body)).toBe(body);
});

test('an empty body stays empty', async () => {
  expect(await read('gzip', cut(Buffer.alloc(0)))).toBe('');
});

test('a chunk that the upstream flushed is available before the next one arrives', async () => {
  const gzip = createGzip();
  const flushed = async (chunk: string) => {
    gzip.write(chunk);
    await new Promise<void>((resolve) => gzip.flush(() => resolve()));
    return gzip.read() as Buffer;
  };
  let left = false;
  async function* body() {
    yield await flushed('one');
    await new Promise(() => {});
  }
  const source = body();
  // A generator's own `return` waits for the chunk that never comes; the transport's does not.
  const endable = {
    next: () => source.next(),
    return: async () => {
      left = true;
      return { done: true as const, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  for await (const chunk of decodeBody({ 'content-encoding': 'gzip' }, endable)) {
    expect(Buffer.from(chunk).toString()).toBe('one');
    break;
  }
  await expect.poll(() => left).toBe(true);
});

test('a body that is never read is abandoned on return all the same', async () => {
  let left = false;
  const body = {
    next: () => new Promise<never>(() => {}),
    return: async () => {
      left = true;
      return { done: true as const, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  await decodeBody({ 'content-encoding': 'gzip' }, body)[Symbol.asyncIterator]().return?.();
  expect(left).toBe(true);
});

test.each([
  ['is cut off', gzipSync(text).subarray(0, 40)],
  ['is something else', Buffer.from(text)],
])('a body that %s is a broken answer', async (_, bytes) => {
  await expect(read('gzip', cut(bytes))).rejects.toMatchObject({ kind: 'broken' });
});

test('a failure of the upstream itself is passed on unchanged', async () => {
  const error = new TransportError('timeout', 'silent for 1 s');
  async function* body() {
    yield gzipSync(text).subarray(0, 40);
    throw error;
  }
  await expect(read('gzip', body())).rejects.toBe(error);
});
