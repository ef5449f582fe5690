import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collectGarbage } from './support/gc.ts';
import { createInProcess, IMPORT_LIMIT_BYTES, type InProcess } from './support/in-process.ts';
import { AT } from './support/samples.ts';

let server: InProcess;
beforeAll(() => {
  server = createInProcess();
});
afterAll(() => server.close());

const request = (path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Response> =>
  server.fetch(new Request(`http://127.0.0.1${path}`, { ...init, headers: { host: '127.0.0.1' } }));

const session = (id: string, last_seq: number) => ({
  kind: 'session',
  format: 1,
  session_id: id,
  created_at: AT,
  last_activity: AT,
  title: null,
  metadata: {},
  cwd: server.root,
  model: null,
  permission_mode: 'default',
  options: {},
  message_count: 0,
  conversation_id: id,
  has_transcript: false,
  transcript_seen: null,
  forked_from: null,
  last_seq,
});
const conversation = (id: string) => ({
  kind: 'conversation',
  conversation_id: id,
  after_seq: 0,
  from_disk: false,
});
const event = (seq: number, pad = '') => ({
  kind: 'event',
  seq,
  at: AT,
  turn_id: null,
  type: 'agent.message',
  data: { type: 'assistant', pad },
});
const turn = (id: string, key: string | null = null) => ({
  kind: 'turn',
  turn_id: id,
  state: 'completed',
  initiator: 'user',
  message: 'hello',
  idempotency_key: key,
  input_hash: 'hash',
  wait_for: 'turn',
  created_at: AT,
  started_at: AT,
  ended_at: AT,
  settled_at: null,
  steers: null,
  continued_as: null,
  result: null,
});
const file = (id: string, part: number, path = `${id}/notes.txt`) => ({
  kind: 'file',
  conversation_id: id,
  path,
  part,
  text: `part ${part}`,
});

/** Bytes that are in use, without garbage. */
const held = async (): Promise<number> => {
  await collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** A body that is made while it is read; `until` holds it back. */
function bodyOf(
  lines: Iterable<unknown> | AsyncIterable<unknown>,
  until: Promise<void> = Promise.resolve(),
): ReadableStream<Uint8Array> {
  const each = Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await each.next();
      if (!done) return controller.enqueue(Buffer.from(`${JSON.stringify(value)}\n`));
      await until;
      controller.close();
    },
  });
}
const post = (lines: Parameters<typeof bodyOf>[0], until?: Promise<void>): Promise<Response> =>
  request('/sessions/import', { method: 'POST', body: bodyOf(lines, until), duplex: 'half' });

const nothingIsLeftOf = async (id: string): Promise<void> => {
  expect((await request(`/sessions/${id}`)).status).toBe(404);
  expect(await server.store.hiddenSessions()).toEqual([]);
  expect(await server.store.readEvents(id, 0, 1)).toEqual([]);
  expect(existsSync(join(`${server.root}-import`, id))).toBe(false);
};

test('a large import needs little memory, and lets others be served', async () => {
  const [id, count] = [randomUUID(), 6_000];
  const pad = 'x'.repeat(5_000);
  let most = 0;
  const served: number[] = [];
  async function* lines() {
    yield session(id, count);
    yield conversation(id);
    for (let seq = 1; seq <= count; seq++) {
      if (seq % 1_000 === 0) most = Math.max(most, await held());
      if (seq === 1_000) void request(`/sessions/${id}`).then(({ status }) => served.push(status));
      yield event(seq, pad);
    }
  }
  const before = await held();
  const imported = await post(lines());
  expect(await imported.json()).toMatchObject({ session_id: id, events: count });
  expect(most - before).toBeLessThan(5 * 1024 * 1024);
  // Answered in the middle of it.
  expect(served).toEqual([404]);
  expect(count * pad.length).toBeLessThan(IMPORT_LIMIT_BYTES);

  const exported = await request(`/sessions/${id}/export`);
  let [bytes, newlines] = [0, 0];
  for await (const chunk of exported.body as ReadableStream<Uint8Array>) {
    bytes += chunk.length;
    newlines += Buffer.from(chunk).toString().split('\n').length - 1;
    expect(chunk.length).toBeLessThan(128 * 1024);
  }
  expect(bytes).toBeGreaterThan(count * pad.length);
  expect(newlines).toBe(count + 2);
  await request(`/sessions/${id}?erase=true`, { method: 'DELETE' });
});

test('nobody finds a session before it is whole, and a second import of it waits for the first', async () => {
  const id = randomUUID();
  const end = Promise.withResolvers<void>();
  const lines = [session(id, 300), conversation(id), ...Array.from({ length: 300 }, (_, n) => event(n + 1))];
  const first = post(lines, end.promise);
  while ((await server.store.readEvents(id, 0, 1)).length === 0) await nextTurn();
  expect((await request(`/sessions/${id}`)).status).toBe(404);
  expect((await (await request('/sessions?status=all')).json()).sessions).toEqual([]);
  const second = post(lines);
  end.resolve();
  expect((await first).status).toBe(200);
  expect(await (await second).json()).toMatchObject({ status: 409, code: 'import_taken' });
  expect((await request(`/sessions/${id}`)).status).toBe(200);
  await request(`/sessions/${id}?erase=true`, { method: 'DELETE' });
});

test('of a session that does not come whole nothing is kept', async () => {
  const [id, other, key] = [randomUUID(), randomUUID(), randomUUID()];
  const many = Array.from({ length: 150 }, (_, n) => event(n + 1));
  const start = [session(id, 150), conversation(id), ...many];
  const cases: [unknown[], string, string][] = [
    [start.slice(0, -1), 'body.line 1.last_seq', 'is a part missing?'],
    [[...start, event(152)], 'body.line 153.seq', 'must be 151'],
    [[...start, turn(key), turn(key)], 'body.line 154', 'twice'],
    [[...start, turn(key, 'k'), turn(randomUUID(), 'k')], 'body.line 154', 'twice'],
    [[...start, conversation(id)], 'body.line 153.conversation_id', 'twice'],
    [[...start, file(id, 0), file(id, 2)], 'body.line 154.part', 'must follow'],
    [[...start, file(id, 0), file(id, 0)], 'body.line 154.path', 'twice'],
    [[...start, file(other, 0)], 'body.line 1.conversation_id', 'belongs to no conversation'],
    [[...start, { kind: 'event' }], 'body.line 153', 'Invalid'],
    [[...start, session(id, 0)], 'body.line 153.kind', 'only the first line'],
  ];
  for (const [lines, path, message] of cases) {
    const refused = await post(lines);
    expect(await refused.json(), message).toMatchObject({
      status: 422,
      errors: [{ path: expect.stringContaining(path), message: expect.stringContaining(message) }],
    });
    await nothingIsLeftOf(id);
  }
  const broken = bodyOf(start);
  const reader = broken.getReader();
  const cut = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.error(new Error('gone'));
      else controller.enqueue(value);
    },
  });
  const lost = await request('/sessions/import', { method: 'POST', body: cut, duplex: 'half' });
  expect(await lost.json()).toMatchObject({ code: 'body_incomplete' });
  await nothingIsLeftOf(id);
});

test('what a dead server has imported in part is removed by the next import of it, or the next start', async () => {
  const [again, never] = [randomUUID(), randomUUID()];
  for (const id of [again, never]) {
    const part = createInProcess({ store: () => server.store });
    // As if killed: nothing is cleaned up.
    void part.fetch(
      new Request('http://127.0.0.1/sessions/import', {
        method: 'POST',
        headers: { host: '127.0.0.1' },
        body: bodyOf(
          [
            { ...session(id, 400), cwd: part.root },
            conversation(id),
            ...Array.from({ length: 300 }, (_, n) => event(n + 1)),
          ],
          new Promise(() => {}),
        ),
        duplex: 'half',
      } as RequestInit),
    );
    while ((await server.store.readEvents(id, 0, 1)).length === 0) await nextTurn();
  }
  const lines = [session(again, 1), conversation(again), event(1)];
  expect((await post(lines)).status).toBe(200);
  expect((await server.store.readEvents(again, 0, 9)).length).toBe(1);
  server.sessions.resumeQueued();
  await expect.poll(() => server.store.hiddenSessions()).toEqual([]);
  expect(await server.store.readEvents(never, 0, 1)).toEqual([]);
});
