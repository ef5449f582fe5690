import type { SessionCreated, SessionEvent } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sseFrames } from './support/api.ts';
import { createInProcess, type InProcess } from './support/in-process.ts';

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
