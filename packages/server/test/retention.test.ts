import type { SessionCreated, SessionEvent } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sseFrames } from './support/api.ts';
import { createInProcess, type InProcess } from './support/in-process.ts';
import { AT } from './support/samples.ts';

let server: InProcess;
let id: string;
let lastSeq: number;

beforeAll(async () => {
  server = createInProcess();
  ({ session_id: id } = (await (await call('/sessions', 'POST', {})).json()) as SessionCreated);
  await call(`/sessions/${id}/messages`, 'POST', { message: 'hello' }, { 'idempotency-key': 'k' });
  await server.store.write([{ kind: 'trim-events', sessionId: id, below: 5 }]);
  lastSeq = (await server.store.getSession(id))?.lastSeq ?? 0;
});
afterAll(() => server.close());

const call = (path: string, method = 'GET', body?: unknown, headers = {}): Promise<Response> =>
  server.fetch(
    new Request(`http://127.0.0.1${path}`, {
      method,
      headers: { host: '127.0.0.1', 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
  );

const JSON_PAGE = { accept: 'application/json' };
const SSE = { accept: 'text/event-stream' };

test.each([
  ['a page', JSON_PAGE, '?after=2'],
  ['a page from the very beginning', JSON_PAGE, '?after=0'],
  ['a stream', SSE, '?after=2'],
  ['a stream that is resumed', { ...SSE, 'last-event-id': '2' }, ''],
])('%s before the cut is 410 and says where to start', async (_, headers, query) => {
  const response = await call(`/sessions/${id}/events${query}`, 'GET', undefined, headers);
  expect(response.status).toBe(410);
  expect(await response.json()).toMatchObject({
    code: 'events_compacted',
    params: { first_seq: 5 },
    detail: expect.stringContaining('?after=4'),
  });
});

test('readers at the cut, or without a position, get everything that is kept, under the same numbers', async () => {
  const kept = Array.from({ length: lastSeq - 4 }, (_, n) => n + 5);
  for (const query of ['', '?after=4']) {
    const response = await call(`/sessions/${id}/events${query}`, 'GET', undefined, JSON_PAGE);
    const { events } = (await response.json()) as { events: SessionEvent[] };
    expect(events.map(({ seq }) => seq)).toEqual(kept);
    const stream = await call(`/sessions/${id}/events${query}`, 'GET', undefined, SSE);
    const seen: number[] = [];
    for await (const frame of sseFrames(stream.body as ReadableStream<Uint8Array<ArrayBuffer>>)) {
      if (seen.push(Number(frame.id)) === kept.length) break;
    }
    expect(seen).toEqual(kept);
  }
});

test('a turn whose beginning is gone cannot be streamed again; its result is still there', async () => {
  const again = (headers: Record<string, string>) =>
    call(`/sessions/${id}/messages`, 'POST', { message: 'hello' }, { 'idempotency-key': 'k', ...headers });
  const streamed = await again(SSE);
  expect(streamed.status).toBe(410);
  expect(await streamed.json()).toMatchObject({ code: 'events_compacted' });
  expect((await again({})).status).toBe(200);
});

test('the history says that older messages are gone', async () => {
  expect(await (await call(`/sessions/${id}/messages`)).json()).toMatchObject({ truncated: true });
  const other = (await (await call('/sessions', 'POST', {})).json()) as SessionCreated;
  expect(await (await call(`/sessions/${other.session_id}/messages`)).json()).toMatchObject({
    truncated: false,
  });
});

test('the stream of all sessions: before the cut is 410 and says where to start, behind it nothing is missing', async () => {
  const { session_id: quiet } = (await (await call('/sessions', 'POST', {})).json()) as SessionCreated;
  const cut = await server.store.trimmedCursor();
  expect(cut).toBeGreaterThan(0);
  const cases = [
    [JSON_PAGE, `?after=${cut - 1}`],
    [JSON_PAGE, '?after=0'],
    [SSE, '?after=0'],
    [{ ...SSE, 'last-event-id': String(cut - 1) }, ''],
  ] as const;
  for (const [headers, query] of cases) {
    const response = await call(`/events${query}`, 'GET', undefined, headers);
    expect([response.status, await response.json()]).toMatchObject([
      410,
      { code: 'events_compacted', params: { after: cut }, detail: expect.stringContaining(`?after=${cut};`) },
    ]);
  }
  for (const query of ['', `?after=${cut}`]) {
    const page = await call(`/events${query}`, 'GET', undefined, JSON_PAGE);
    const { events } = (await page.json()) as { events: SessionEvent[] };
    expect(events.some(({ session_id }) => session_id === quiet)).toBe(true);
    expect(events.filter(({ session_id }) => session_id === id).map(({ seq }) => seq)).toContain(5);
  }
  const stream = await call(`/events?after=${cut}`, 'GET', undefined, SSE);
  for await (const frame of sseFrames(stream.body as ReadableStream<Uint8Array<ArrayBuffer>>)) {
    if (frame.event === 'session.created' && frame.data.session_id === quiet) break;
  }
});

test('a reader of all sessions that retention overtakes is broken off, not given a gap', async () => {
  const at = await server.store.lastCursor();
  const { session_id: busy } = (await (await call('/sessions', 'POST', {})).json()) as SessionCreated;
  const json = JSON.stringify({ tasks: [], pad: 'x'.repeat(500) });
  const fill = async (count: number) => {
    const event = { sessionId: busy, turnId: null, type: 'session.tasks', at: AT, json } as const;
    await server.store.write(Array.from({ length: count }, () => ({ kind: 'event' as const, event })));
  };
  await fill(2_000);
  const stream = await call(`/events?after=${at}`, 'GET', undefined, SSE);
  const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  await server.store.write([{ kind: 'trim-events', sessionId: busy, below: 1_900 }]);
  await expect(
    (async () => {
      while (!(await reader.read()).done);
    })(),
  ).rejects.toThrow(/were removed/);
});
