/** Readers of events that stall, over real HTTP: what they cost, that they are cut off, and how they resume. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSoleOwnership } from '../src/cluster/ownership.ts';
import { createFeed, type Feed } from '../src/events/feed.ts';
import { createLog, type Log } from '../src/events/log.ts';
import { streamAll, streamSession, streamTurn } from '../src/events/stream.ts';
import { sseResponse } from '../src/http/sse.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import type { Store } from '../src/store/store.ts';
import { collectGarbage } from './support/gc.ts';
import { sampleEvent, sampleSession } from './support/samples.ts';

const READERS = 4;
const MEGABYTE = 1024 * 1024;

let store: Store;
let feed: Feed;
let log: Log;
let http: Server;
const sockets: Socket[] = [];

beforeEach(async () => {
  // The HTTP adapter prints each stream that fails.
  vi.spyOn(console, 'error').mockImplementation(() => {});
  store = openSqliteStore(':memory:');
  feed = createFeed();
  log = createLog({ ownership: createSoleOwnership(store), feed });
  const deps = { store, feed };
  http = createServer(
    getRequestListener(async ({ url, headers }) => {
      const [, kind, sessionId = '', turnId = ''] = new URL(url).pathname.split('/');
      const after = Number(headers.get('last-event-id') ?? 0);
      if (kind === 'all') return sseResponse(await streamAll(deps, { after }));
      if (kind === 'turn') return sseResponse(streamTurn(deps, { sessionId, turnId, start: 1 }));
      return sseResponse(streamSession(deps, { sessionId, after }));
    }),
  );
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  vi.restoreAllMocks();
  feed.end();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
  await store.close();
});

/** Asks for a stream and takes nothing more once it has begun. */
async function stall(path: string): Promise<Socket> {
  const { port } = http.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  await new Promise<void>((resolve) => socket.once('data', () => resolve()));
  socket.pause();
  return socket;
}

/** The numbers of the events that a connection still brings, and whether it ended in order. */
async function rest(socket: Socket): Promise<{ ids: number[]; complete: boolean }> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  return {
    ids: [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)),
    complete: text.endsWith('0\r\n\r\n'),
  };
}

/** The next events behind a number, up to another one. */
async function resume(path: string, after: number, until: number): Promise<number[]> {
  const { port } = http.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { 'last-event-id': String(after) },
  });
  const ids: number[] = [];
  let line = '';
  for await (const chunk of response.body ?? []) {
    const lines = (line + Buffer.from(chunk).toString()).split('\n');
    line = lines.pop() ?? '';
    for (const each of lines) if (each.startsWith('id: ')) ids.push(Number(each.slice(4)));
    if (ids.at(-1) === until) break;
  }
  return ids;
}

/** Bytes of the heap and of buffers that are in use. */
async function memory(): Promise<number> {
  await collectGarbage();
  await collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function newSession(): Promise<string> {
  const session = sampleSession();
  await store.write([{ kind: 'insert-session', session }]);
  return session.id;
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** Begins streams that stall, lets something happen, and says what each of them costs then. */
async function costOf(paths: readonly string[], happen: () => Promise<void>): Promise<number> {
  const before = await memory();
  const readers: Socket[] = [];
  for (const path of paths) readers.push(await stall(path));
  await happen();
  const cost = ((await memory()) - before) / paths.length;
  console.log(`a stalled reader of ${paths[0]?.slice(0, 5)} costs ${(cost / 1024).toFixed(0)} KB`);
  return cost;
}

test('a reader that stalls while old events are replayed costs less than 1 MB', async () => {
  const ids = await Promise.all(Array.from({ length: READERS }, newSession));
  const json = JSON.stringify({ text: 'x'.repeat(50_000) });
  for (const id of ids)
    await log.write(
      id,
      Array.from({ length: 200 }, () => sampleEvent(id, { json })),
    );
  const cost = await costOf(
    ids.map((id) => `/session/${id}`),
    // By then the pages that were read are given up.
    () => new Promise((resolve) => setTimeout(resolve, 1_500)),
  );
  expect(cost).toBeLessThan(MEGABYTE);
  // It goes on where it was, without a new connection.
  const [reader] = sockets;
  let last = 0;
  reader?.on('data', (chunk: Buffer) => {
    last = Number([...chunk.toString().matchAll(/^id: (\d+)$/gm)].at(-1)?.[1] ?? last);
  });
  reader?.resume();
  await expect.poll(() => last, { timeout: 10_000 }).toBe(200);
}, 30_000);

test('a reader that stalls while a big message is told in pieces costs less than 1 MB, and is cut off', async () => {
  const ids = await Promise.all(Array.from({ length: READERS }, newSession));
  const turn = 'turn';
  const delta = (text: string) => ({
    type: 'stream_event' as const,
    event: { type: 'content_block_delta', index: 0, delta: { text } },
    parent_tool_use_id: null,
  });
  for (const id of ids) await log.write(id, [sampleEvent(id, { type: 'turn.started', turnId: turn })]);
  const cost = await costOf(
    ids.map((id) => `/turn/${id}/${turn}`),
    async () => {
      // 16 MB for each reader: more than the sockets between them hold.
      for (let n = 0; n < 160; n++) {
        for (const id of ids) for (let k = 0; k < 10; k++) log.live(id, turn, delta('x'.repeat(10_000)));
        await new Promise(setImmediate);
      }
    },
  );
  expect(cost).toBeLessThan(MEGABYTE);
  const [id = ''] = ids;
  await log.write(id, [sampleEvent(id, { type: 'turn.completed', turnId: turn })]);
  const [reader] = sockets;
  expect(reader && (await rest(reader))).toMatchObject({ complete: false });
  expect(await resume(`/session/${id}`, 1, 2)).toEqual([2]);
}, 30_000);

test('a reader of all sessions that stalls costs less than 1 MB, is cut off, and gets every event once when it resumes', async () => {
  const id = await newSession();
  const json = JSON.stringify({ text: 'x'.repeat(20_000) });
  const count = 1_000;
  const cost = await costOf(
    Array.from({ length: READERS }, () => '/all'),
    async () => {
      for (let n = 0; n < count; n++) await log.write(id, [sampleEvent(id, { type: 'session.state', json })]);
    },
  );
  expect(cost).toBeLessThan(MEGABYTE);
  const [reader] = sockets;
  const got = reader ? await rest(reader) : undefined;
  expect(got?.complete).toBe(false);
  const first = got?.ids ?? [];
  expect(first.length).toBeLessThan(count);
  expect(first).toEqual(numbers(first[0] ?? 1, (first[0] ?? 1) + first.length - 1));
  const last = first.at(-1) ?? 0;
  const end = await store.lastCursor();
  expect(await resume('/all', last, end)).toEqual(numbers(last + 1, end));
}, 30_000);
