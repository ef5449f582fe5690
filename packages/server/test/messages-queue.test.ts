import { randomUUID } from 'node:crypto';
import { Turn, TurnAccepted } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, script } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf } from './support/calls.ts';
import { promptOf, recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// How a message is accepted: at once, once for each key, and beside a turn that runs.

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
    const done = Turn.parse(await calls.ended(shared, turn_id));
    expect(done).toMatchObject({
      state: 'completed',
      result: { turn_id, messages: [{ type: 'text', content: 'later' }], is_error: false },
    });
    expect(done.started_at).toMatch(/Z$/);
  });
});

describe('Idempotency-Key', () => {
  test('the same key and body are one turn, even concurrently, and all callers get its answer', async () => {
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

  test('the same key in another session is another turn', async () => {
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
      [first.turn_id, ...accepted.map((answer) => answer.body.turn_id)].map((id) => calls.ended(shared, id)),
    );
    expect(turns.map(({ result }) => result?.messages)).toEqual(
      ['first', 'second', 'third'].map((content) => [{ type: 'text', content }]),
    );
    const times = turns.flatMap(({ started_at, ended_at }) => [started_at ?? '', ended_at ?? '']);
    expect(times).toEqual(times.toSorted());
  });

  test('reject: a 409, and nothing is stored', async () => {
    const first = await busy();
    const before = (await calls.status(shared)).message_count;
    expectProblem(await post(shared, { message: 'say no', when_busy: 'reject' }), 409, 'session_busy');
    expect((await calls.status(shared)).message_count).toBe(before);
    first.release();
    await calls.ended(shared, first.turn_id);
    expect(textOf(await calls.send(shared, 'say free again'))).toBe('free again');
  });

  test('interrupt: the running turn ends, and the new message is next', async () => {
    const first = await busy();
    const answer = await post<{ messages: unknown[] }>(shared, {
      message: 'say now me',
      when_busy: 'interrupt',
    });
    expect(answer.body.messages).toEqual([{ type: 'text', content: 'now me' }]);
    expect((await calls.turn(shared, first.turn_id)).state).toBe('interrupted');
  });

  test('an unknown value is a 422', async () => {
    expectProblem(await post(shared, { message: 'say x', when_busy: 'shout' }), 422, 'validation_failed');
  });
});
