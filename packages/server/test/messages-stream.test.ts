import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  type SessionEvent,
  SessionEvent as SessionEventSchema,
  Turn,
  TurnAccepted,
} from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, firstFrame, framesUntil, type SseFrame, script } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, UNKNOWN, write } from './support/calls.ts';
import { promptOf, recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// Messages, turns and events: what API.md's second part adds to the first.

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
const post = <T = Record<string, unknown>>(
  id: string,
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Answer<T>> => api.call<T>('POST', MESSAGES, { ...at(id), body, headers });
const async_ = (id: string, message: string, more: Record<string, unknown> = {}, headers = {}) =>
  post<TurnAccepted>(id, { message, ...more }, { prefer: 'respond-async', ...headers });
const turn = async (id: string, turn_id: string): Promise<Turn> =>
  (
    await api.call<Turn>('GET', '/sessions/{session_id}/turns/{turn_id}', {
      params: { session_id: id, turn_id },
    })
  ).body;
/** Waits until a turn has ended, whatever its end is. */
const ended = async (id: string, turn_id: string): Promise<Turn> => {
  await firstFrame(
    api.stream('GET', '/sessions/{session_id}/events', at(id)),
    (frame) =>
      ['turn.completed', 'turn.failed', 'turn.interrupted'].includes(frame.event) &&
      frame.data.turn_id === turn_id,
  );
  return turn(id, turn_id);
};
type Page = { events: SessionEvent[]; next_after: number; has_more: boolean };
const page = async (path: string, query: Record<string, number> = {}, session_id = shared): Promise<Page> =>
  (await api.call<Page>('GET', path, { ...at(session_id), query, headers: { accept: 'application/json' } }))
    .body;

describe('a message that is answered as a stream', () => {
  test('shows the turn from its beginning to its end, word by word, and then ends', async () => {
    const frames: SseFrame[] = [];
    for await (const frame of api.stream('POST', MESSAGES, {
      ...at(shared),
      body: { message: 'say one two three' },
    })) {
      frames.push(frame);
    }
    const durable = frames.filter((frame) => frame.id !== undefined);
    expect(durable.map((frame) => Number(frame.id))).toEqual(durable.map((frame) => frame.data.seq));
    expect(durable.map((frame) => frame.event)).toEqual(
      expect.arrayContaining(['turn.queued', 'turn.started', 'agent.message', 'turn.completed']),
    );
    expect(frames.at(-1)?.event).toBe('turn.completed');
    const text = frames
      .filter((frame) => frame.event === 'agent.delta')
      .map((frame) => frame.data.data.event?.delta?.text ?? '');
    expect(text.join('')).toBe('one two three');
    expect(text.filter(Boolean).length).toBeGreaterThan(1);
  });

  test('shows permissions too, and goes on when they are answered', async () => {
    const stream = api.stream('POST', MESSAGES, {
      ...at(shared),
      body: { message: write(join(server.root, `${randomUUID()}.txt`), 'done') },
    });
    const events: string[] = [];
    for await (const frame of stream) {
      events.push(frame.event);
      if (frame.event === 'permission.requested') {
        await calls.respond(shared, { request_id: frame.data.data.request_id, allowed: true });
      }
    }
    expect(events).toContain('permission.resolved');
    expect(events.at(-1)).toBe('turn.completed');
  });

  test('a reader that goes away changes nothing', async () => {
    const gate = randomUUID();
    const stream = api.stream('POST', MESSAGES, {
      ...at(shared),
      body: { message: script({ hold: gate, say: 'still here' }) },
    });
    const started = await firstFrame(stream, (frame) => frame.event === 'turn.started');
    await server.demo.model.gates.reached(gate);
    server.demo.model.gates.release(gate);
    const { state, result } = await ended(shared, started.data.turn_id);
    expect([state, result?.messages]).toEqual(['completed', [{ type: 'text', content: 'still here' }]]);
  });
});

describe('Prefer: respond-async', () => {
  test('answers 202 at once, and Location names the turn with its result', async () => {
    const gate = randomUUID();
    const answer = await async_(shared, script({ hold: gate, say: 'later' }));
    expect(answer.status).toBe(202);
    expect(answer.headers.get('preference-applied')).toBe('respond-async');
    const { turn_id, session_id } = TurnAccepted.parse(answer.body);
    expect(answer.headers.get('location')).toBe(`/sessions/${session_id}/turns/${turn_id}`);

    await server.demo.model.gates.reached(gate);
    const running = await server.call<Turn>('GET', answer.headers.get('location') ?? '');
    expect(Turn.parse(running.body)).toMatchObject({ state: 'running', ended_at: null, result: null });
    server.demo.model.gates.release(gate);
    const done = Turn.parse(await ended(shared, turn_id));
    expect(done).toMatchObject({
      state: 'completed',
      result: { turn_id, messages: [{ type: 'text', content: 'later' }], is_error: false },
    });
    expect(done.started_at).toMatch(/Z$/);
  });
});

describe('Idempotency-Key', () => {
  test('the same key and body are one turn, also at the same time, and its answer comes to all', async () => {
    const key = randomUUID();
    const words = randomUUID();
    const body = { message: `say ${words}` };
    const answers = await Promise.all(
      [1, 2, 3].map(() => post<{ turn_id: string }>(shared, body, { 'idempotency-key': key })),
    );
    const again = await post<{ turn_id: string }>(shared, body, { 'idempotency-key': key });
    expect(new Set([...answers, again].map((answer) => answer.body.turn_id)).size).toBe(1);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.body).toEqual(answers[0]?.body);
    expect(model.all.filter((call) => promptOf(call).includes(words))).toHaveLength(1);
    const { turns } = (
      await api.call<{ turns: Turn[] }>('GET', '/sessions/{session_id}/turns', {
        ...at(shared),
        query: { limit: 1000 },
      })
    ).body;
    expect(turns.filter((each) => each.message === body.message)).toHaveLength(1);
  });

  test('another body under the same key is a 409, and nothing runs', async () => {
    const key = randomUUID();
    await post(shared, { message: 'say one' }, { 'idempotency-key': key });
    const before = (await calls.status(shared)).message_count;
    const answer = await post(shared, { message: 'say two' }, { 'idempotency-key': key });
    expectProblem(answer, 409, 'idempotency_conflict');
    expect((await calls.status(shared)).message_count).toBe(before);
  });

  test('the same key means another turn in another session', async () => {
    const key = randomUUID();
    const { session_id } = await calls.create();
    const answers = await Promise.all(
      [shared, session_id].map((id) =>
        post<{ turn_id: string }>(id, { message: 'say hello' }, { 'idempotency-key': key }),
      ),
    );
    expect(new Set(answers.map((answer) => answer.body.turn_id)).size).toBe(2);
    await calls.close(session_id);
  });
});

describe('when_busy', () => {
  /** Holds a turn, and tells how to end it. */
  const busy = async (): Promise<{ turn_id: string; release(): void }> => {
    const gate = randomUUID();
    const { body } = await async_(shared, script({ hold: gate, say: 'first' }));
    await server.demo.model.gates.reached(gate);
    return { turn_id: body.turn_id, release: () => server.demo.model.gates.release(gate) };
  };

  test('queue, the default: messages wait for their turn, in order', async () => {
    const first = await busy();
    const accepted = [
      await async_(shared, 'say second'),
      await async_(shared, 'say third', { when_busy: 'queue' }),
    ];
    expect(accepted.map((answer) => answer.body.state)).toEqual(['queued', 'queued']);
    expect((await calls.status(shared)).queued_turns).toBe(2);
    first.release();
    const turns = await Promise.all(
      [first.turn_id, ...accepted.map((answer) => answer.body.turn_id)].map((id) => ended(shared, id)),
    );
    expect(turns.map(({ result }) => result?.messages)).toEqual(
      ['first', 'second', 'third'].map((content) => [{ type: 'text', content }]),
    );
    const times = turns.flatMap(({ started_at, ended_at }) => [started_at ?? '', ended_at ?? '']);
    expect(times).toEqual(times.toSorted());
  });

  test('reject: a 409, and nothing is kept', async () => {
    const first = await busy();
    const before = (await calls.status(shared)).message_count;
    expectProblem(await post(shared, { message: 'say no', when_busy: 'reject' }), 409, 'session_busy');
    expect((await calls.status(shared)).message_count).toBe(before);
    first.release();
    await ended(shared, first.turn_id);
    expect(textOf(await calls.send(shared, 'say free again'))).toBe('free again');
  });

  test('interrupt: the running turn ends, and the new message is next', async () => {
    const first = await busy();
    const answer = await post<{ messages: unknown[] }>(shared, {
      message: 'say now me',
      when_busy: 'interrupt',
    });
    expect(answer.body.messages).toEqual([{ type: 'text', content: 'now me' }]);
    expect((await turn(shared, first.turn_id)).state).toBe('interrupted');
  });

  test('an unknown wish is a 422', async () => {
    expectProblem(await post(shared, { message: 'say x', when_busy: 'shout' }), 422, 'validation_failed');
  });
});

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

  test('pages follow each other without a hole, and every event has the form of the contract', async () => {
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
      has_more: false,
    });
  });

  test('a stream goes on after Last-Event-ID, which counts more than ?after=', async () => {
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

  test('a reader with an id from elsewhere still sees what comes', async () => {
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
  test('tells of every session, from now on, without agent messages', async () => {
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

test('GET /permissions is the inbox of all sessions, oldest first; its cursor misses nothing', async () => {
  type Inbox = {
    permissions: { request_id: string; session_id: string; tool_input: unknown }[];
    cursor: number;
  };
  const inbox = async (): Promise<Inbox> => (await api.call<Inbox>('GET', '/permissions')).body;
  expect((await inbox()).permissions).toEqual([]);

  const other = (await calls.create()).session_id;
  const answers = [];
  for (const id of [shared, other]) {
    answers.push(calls.send(id, write(join(server.root, `${id}.txt`))));
    await calls.asked(id);
  }
  const { permissions, cursor } = await inbox();
  expect(permissions.map(({ session_id }) => session_id)).toEqual([shared, other]);

  const resolved = framesUntil(
    api.stream('GET', '/events', { query: { after: cursor } }),
    (frame) => frame.event === 'permission.resolved' && frame.data.session_id === other,
  );
  for (const { session_id, request_id } of permissions) {
    await calls.respond(session_id, { request_id, allowed: true });
  }
  const ids = (await resolved).filter((frame) => frame.event === 'permission.resolved');
  expect(ids.map((frame) => frame.data.data.request_id)).toEqual(permissions.map((each) => each.request_id));
  await Promise.all(answers);
  expect((await inbox()).permissions).toEqual([]);
  await calls.close(other);
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
