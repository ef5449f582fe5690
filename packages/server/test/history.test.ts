import { randomUUID } from 'node:crypto';
import { type SessionEvent, SessionEvent as SessionEventSchema, Turn } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstFrame, framesUntil, type SseFrame } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, UNKNOWN } from './support/calls.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

let server: TestServer;
let api: Transport;
let calls: Calls;
/** For tests that leave it idle. */
let shared: string;
const model = recordModelCalls();
beforeAll(async () => {
  server = await startTestServer({ model: model.options });
  api = direct(server);
  calls = callsOver(api);
  shared = (await calls.create()).session_id;
});
afterAll(() => cleanUp(server));

const MESSAGES = '/sessions/{session_id}/messages';
type Page = { events: SessionEvent[]; next_after: number; has_more: boolean };
const page = async (path: string, query: Record<string, number> = {}, session_id = shared): Promise<Page> =>
  (await api.call<Page>('GET', path, { ...at(session_id), query, headers: { accept: 'application/json' } }))
    .body;

describe('GET /sessions/{id}/turns', () => {
  type Turns = { turns: Turn[] };
  const list = async (query: Record<string, string | number>): Promise<Turn[]> =>
    (await api.call<Turns>('GET', '/sessions/{session_id}/turns', { ...at(shared), query })).body.turns;

  test('lists turns oldest first, page by page and by state', async () => {
    await calls.send(shared, 'say a turn');
    await calls.send(shared, 'fail');
    const all = await list({ limit: 1000 });
    expect(all.map((each) => Turn.parse(each).created_at)).toEqual(
      all.map((each) => each.created_at).toSorted(),
    );
    expect(all.at(-1)).toMatchObject({ state: 'failed', message: 'fail' });
    expect(await list({ limit: 1, after: all.at(-2)?.turn_id ?? '' })).toEqual([all.at(-1)]);
    expect((await list({ state: 'failed' })).every((each) => each.state === 'failed')).toBe(true);
    expect(await list({ state: 'running' })).toEqual([]);
  });

  test('an unknown turn is a 404', async () => {
    const answer = await api.call('GET', '/sessions/{session_id}/turns/{turn_id}', {
      params: { session_id: shared, turn_id: UNKNOWN },
    });
    expectProblem(answer, 404, 'turn_not_found');
  });
});

describe('GET /sessions/{id}/events', () => {
  const PATH = '/sessions/{session_id}/events';

  test('pages follow each other without a gap, and every event matches the contract', async () => {
    await calls.send(shared, 'say something');
    const all = (await page(PATH, { limit: 10_000 })).events;
    expect(all.map((event) => SessionEventSchema.parse(event).seq)).toEqual(all.map((_, index) => index + 1));
    expect(all.length).toBe((await calls.status(shared)).last_seq);
    const pieces: SessionEvent[] = [];
    for (let after = 0, more = true; more; ) {
      const next = await page(PATH, { after, limit: 7 });
      expect(next.events.length).toBeLessThanOrEqual(7);
      pieces.push(...next.events);
      after = next.next_after;
      more = next.has_more;
    }
    expect(pieces).toEqual(all);
    expect(await page(PATH, { after: 1_000_000 })).toEqual({
      events: [],
      next_after: 1_000_000,
      next_cursor: null,
      has_more: false,
    });
  });

  test('a stream continues after Last-Event-ID, which overrides ?after=', async () => {
    await calls.send(shared, 'say more');
    const last = (await calls.status(shared)).last_seq;
    const from = (headers: Record<string, string>, query: Record<string, number> = {}) =>
      framesUntil(
        api.stream('GET', PATH, { ...at(shared), headers, query }),
        (frame) => Number(frame.id) === last,
      );
    const frames = await from({ 'last-event-id': String(last - 3) }, { after: 1 });
    expect(frames.map((frame) => Number(frame.id))).toEqual([last - 2, last - 1, last]);
    expect((await from({}, { after: last - 1 })).map((frame) => Number(frame.id))).toEqual([last]);
    expect((await from({})).map((frame) => Number(frame.id))[0]).toBe(1);
  });

  test('a subscriber with an id from elsewhere still sees new events', async () => {
    const stream = await server.openStream(`/sessions/${shared}/events`, {
      headers: { 'last-event-id': '999999999' },
    });
    const next = firstFrame(stream, (frame) => frame.event === 'turn.completed');
    await calls.send(shared, 'say hello late reader');
    expect((await next).data.data.result.messages[0].content).toBe('hello late reader');
  });

  test('the events of a closed session can still be read', async () => {
    const { session_id } = await calls.create();
    await calls.close(session_id);
    expect((await page(PATH, {}, session_id)).events.at(-1)?.type).toBe('session.closed');
  });
});

describe('GET /events', () => {
  test('shows the events of every session from now on, without agent messages', async () => {
    const stream = await server.openStream('/events');
    const seen: SseFrame[] = [];
    const reading = (async () => {
      for await (const frame of stream) {
        seen.push(frame);
        if (frame.event === 'session.closed') return;
      }
    })();
    const words = randomUUID();
    const { session_id } = await calls.create({ title: words });
    await calls.send(session_id, 'say hello');
    await calls.send(shared, 'say hello too');
    await calls.close(session_id);
    await reading;
    const sessions = new Set(seen.map((frame) => frame.data.session_id));
    expect(sessions).toEqual(new Set([session_id, shared]));
    expect(seen.map((frame) => frame.event)).not.toContain('agent.message');
    const ids = seen.map((frame) => Number(frame.id));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
  });

  test('its cursor continues without a gap, on a stream and in pages', async () => {
    await calls.send(shared, 'say hello');
    const all: SessionEvent[] = [];
    let last = 0;
    for (let after = 0, more = true; more; last = after) {
      const next = await page('/events', { after, limit: 50 });
      all.push(...next.events);
      after = next.next_after;
      more = next.has_more;
    }
    const middle = await page('/events', { after: 0, limit: Math.floor(all.length / 2) });
    const frames = await framesUntil(
      api.stream('GET', '/events', { headers: { 'last-event-id': String(middle.next_after) } }),
      (frame) => Number(frame.id) === last,
    );
    expect([...middle.events, ...frames.map((frame) => frame.data)]).toEqual(all);
  });
});

test('GET /sessions/{id}/messages is the conversation, oldest first, with the ids of the turns', async () => {
  const { session_id } = await calls.create();
  type History = { messages: { uuid: string; type: string; message: unknown }[] };
  const history = async (query: Record<string, number> = {}): Promise<History['messages']> =>
    (await api.call<History>('GET', MESSAGES, { ...at(session_id), query })).body.messages;
  expect(await history()).toEqual([]);

  const first = (await calls.send(session_id, 'say yes')).body.turn_id;
  const second = (await calls.send(session_id, 'say no')).body.turn_id;
  const all = await history();
  expect(all.filter(({ type }) => type === 'user').map(({ uuid }) => uuid)).toEqual([first, second]);
  expect(JSON.stringify(all)).toMatch(/say yes.*"yes".*say no.*"no"/);
  expect(await history({ limit: 1 })).toEqual(all.slice(0, 1));
  expect(await history({ limit: 2, offset: 1 })).toEqual(all.slice(1, 3));
  await calls.close(session_id);
  expect(await history()).toEqual(all);
});
