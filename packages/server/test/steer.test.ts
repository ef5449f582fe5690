import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'claude-agent-client';
import {
  type HistoryMessage,
  type SessionEvent,
  type Turn,
  TurnAccepted,
  type TurnResult,
} from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, script } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// `when_busy: "steer"`: a message for the turn that runs.

let server: TestServer;
let api: Transport;
let calls: Calls;
beforeAll(async () => {
  server = await startTestServer();
  api = direct(server);
  calls = callsOver(api);
});
afterAll(() => cleanUp(server));

const MESSAGES = '/sessions/{session_id}/messages';
const ASYNC = { prefer: 'respond-async' };
const post = <T>(id: string, body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  api.call<T>('POST', MESSAGES, { ...at(id), body, headers });
const steer = (id: string, message: string, headers: Record<string, string> = {}) =>
  post<TurnAccepted>(id, { message, when_busy: 'steer' }, { ...ASYNC, ...headers });

const eventsOf = async (id: string): Promise<SessionEvent[]> => {
  const headers = { accept: 'application/json' };
  const { body } = await server.call<{ events: SessionEvent[] }>(
    'GET',
    `/sessions/${id}/events?limit=10000`,
    undefined,
    { headers },
  );
  return body.events;
};

/** A session whose turn waits for the permission of a call; an answer to it lets it go on. */
async function calling(): Promise<{ id: string; turn: string; goOn(): Promise<unknown> }> {
  const { session_id: id } = await calls.create();
  const tools = [{ name: 'Bash', input: { command: `echo ran | tee -a ${randomUUID()}.txt` } }];
  const { body } = await post<TurnAccepted>(id, { message: script({ tools }, { say: 'unsteered' }) }, ASYNC);
  const { pending_permission: request } = await calls.asked(id);
  return {
    id,
    turn: body.turn_id,
    goOn: () => calls.respond(id, { request_id: request?.request_id, allowed: true }),
  };
}

/** A session whose turn is in its last answer. */
async function answering(): Promise<{ id: string; turn: string; release(): void }> {
  const { session_id: id } = await calls.create();
  const gate = randomUUID();
  const { body } = await post<TurnAccepted>(id, { message: script({ hold: gate, say: 'first' }) }, ASYNC);
  await server.demo.model.gates.reached(gate);
  return { id, turn: body.turn_id, release: () => server.demo.model.gates.release(gate) };
}

const ended = async (id: string, turnId: string): Promise<Turn> => calls.ended(id, turnId);

test('a message that steers goes into the running turn: its event, the history, the answer, and no turn of its own', async () => {
  const { id, turn, goOn } = await calling();
  const key = { 'idempotency-key': randomUUID() };
  const accepted = await steer(id, 'say steered', key);
  expect(accepted.status).toBe(202);
  const { message_id: messageId } = TurnAccepted.parse(accepted.body);
  expect(accepted.body).toMatchObject({ turn_id: turn, state: 'running' });
  expect(accepted.headers.get('location')).toBe(`/sessions/${id}/turns/${turn}`);
  expect(await calls.turn(id, messageId ?? '')).toMatchObject({ state: 'queued', steers: turn });
  // The same key waits for the answer of the turn that the message went into.
  const waiting = post<TurnResult>(id, { message: 'say steered', when_busy: 'steer' }, key);
  await goOn();
  const answer = await waiting;
  expect(answer.body.turn_id).toBe(turn);
  expect(textOf(answer)).toBe('steered');
  expect(answer.headers.get('idempotent-replayed')).toBe('true');
  expect((await steer(id, 'say steered', key)).body).toMatchObject({
    turn_id: turn,
    message_id: messageId,
    state: 'completed',
  });

  const events = await eventsOf(id);
  const told = events.filter(({ type }) => /^turn\./.test(type));
  expect(told.map(({ type, turn_id }) => [type, turn_id])).toEqual(
    ['turn.queued', 'turn.started', 'turn.steering', 'turn.steered', 'turn.completed'].map((type) => [
      type,
      turn,
    ]),
  );
  expect(told[3]).toMatchObject({ data: { message_id: messageId, message: 'say steered' } });
  const { body: list } = await server.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
  expect(list.turns.map(({ turn_id }) => turn_id)).toEqual([turn]);
  expect(await calls.turn(id, messageId ?? '')).toMatchObject({ state: 'steered', steers: turn });
  const history = await server.call<{ messages: HistoryMessage[] }>('GET', `/sessions/${id}/messages`);
  const place = history.body.messages.findIndex(({ uuid }) => uuid === messageId);
  expect(history.body.messages[place]).toMatchObject({
    type: 'user',
    turn_id: turn,
    message: { content: 'say steered' },
  });
  // After the result of the call, before the answer to it.
  expect(place).toBe(history.body.messages.length - 2);
  const params = { session_id: id, turn_id: messageId ?? '' };
  const tooLate = await api.call('DELETE', '/sessions/{session_id}/turns/{turn_id}', { params });
  expect(expectProblem(tooLate, 409, 'turn_not_queued').detail).toContain('has taken this one into turn');
});

test('messages that the turn ends without become ordinary ones, once, and their streams and callers get their answer', async () => {
  const { id, turn, release } = await answering();
  const first = (await steer(id, 'say second')).body;
  const second = post<TurnResult>(id, { message: 'say third', when_busy: 'steer' });
  await expect
    .poll(async () => (await eventsOf(id)).filter(({ type }) => type === 'turn.steering'))
    .toHaveLength(2);
  release();
  const own = await ended(id, first.message_id ?? '');
  expect(own).toMatchObject({ state: 'completed', steers: null });
  // The agent takes what is left together.
  expect(own.result?.messages.map((item) => 'content' in item && item.content).join()).toContain('second');
  expect((await second).body.turn_id).toBe(first.message_id);
  expect((await ended(id, turn)).result?.messages).toEqual([{ type: 'text', content: 'first' }]);
  const told = (await eventsOf(id)).filter((event) => event.turn_id === first.message_id);
  expect(told[0]).toMatchObject({ type: 'turn.queued', data: { message: 'say second', steered: turn } });
  expect(told.filter(({ type }) => /^turn\.(started|steered|completed)$/.test(type))).toHaveLength(3);
  // Nothing is left over: the next message gets its own answer.
  expect(textOf(await calls.send(id, 'say next'))).toBe('next');
});

test('a message that steers can be taken back until the agent takes it', async () => {
  const { id, turn, goOn } = await calling();
  const { message_id } = (await steer(id, 'say steered')).body;
  const params = { session_id: id, turn_id: message_id ?? '' };
  const back = await api.call<Turn>('DELETE', '/sessions/{session_id}/turns/{turn_id}', { params });
  expect(back).toMatchObject({
    status: 200,
    body: { state: 'interrupted', result: { error: { code: 'cancelled' } } },
  });
  await goOn();
  expect((await ended(id, turn)).result?.messages.at(-1)).toEqual({ type: 'text', content: 'unsteered' });
});

test('a message that steers an idle session is an ordinary one, and one for a turn that starts reaches it', async () => {
  const { session_id: id } = await calls.create();
  const alone: Answer<TurnResult> = await post(id, { message: 'say alone', when_busy: 'steer' });
  expect(textOf(alone)).toBe('alone');
  expect(alone.body.turn_id).not.toBe('');
});

test('an interrupt leaves a message that steers, and "all" ends it', async () => {
  const { id, turn } = await calling();
  const { message_id } = (await steer(id, 'say after')).body;
  await api.call('POST', '/sessions/{session_id}/interrupt', { ...at(id), body: {} });
  expect((await ended(id, turn)).state).toBe('interrupted');
  expect((await ended(id, message_id ?? '')).result?.messages).toEqual([{ type: 'text', content: 'after' }]);

  const again = await calling();
  const dropped = (await steer(again.id, 'say never')).body.message_id ?? '';
  await api.call('POST', '/sessions/{session_id}/interrupt', { ...at(again.id), body: { scope: 'all' } });
  expect(await calls.turn(again.id, dropped)).toMatchObject({ result: { error: { code: 'cancelled' } } });
  expect(textOf(await calls.send(again.id, 'say next'))).toBe('next');
});

test('a message that the agent took in while a server that then died wrote nothing down is not sent again', async () => {
  const { session_id: id } = await calls.create({ allowed_tools: ['Bash'] });
  const [gate, file] = [randomUUID(), `${randomUUID()}.txt`];
  const echo = (word: string) => ({
    tools: [{ name: 'Bash', input: { command: `echo ${word} >> ${file}` } }],
  });
  const { body } = await post<TurnAccepted>(
    id,
    { message: script({ hold: gate, ...echo('first') }, { say: 'unsteered' }) },
    ASYNC,
  );
  await server.demo.model.gates.reached(gate);
  const key = { 'idempotency-key': randomUUID() };
  const message = script(echo('steered'), { hold: 'for ever', say: 'never' });
  const { message_id: messageId = '' } = (await steer(id, message, key)).body;
  await expect.poll(async () => (await eventsOf(id)).map(({ type }) => type)).toContain('turn.steering');
  // The server hears nothing from here on.
  process.kill(server.pid, 'SIGSTOP');
  server.demo.model.gates.release(gate);
  const lines = (): string => {
    const path = join(server.root, file);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  await expect.poll(lines).toBe('first\nsteered\n');
  // The agent writes its transcript up to 0.1 s late.
  await sleep(300);
  await server.kill();
  server = await startTestServer({ on: server });
  api = direct(server);
  calls = callsOver(api);
  expect(await calls.turn(id, messageId)).toMatchObject({ state: 'steered', steers: body.turn_id });
  expect(await calls.turn(id, body.turn_id)).toMatchObject({ state: 'interrupted' });
  const again = await post<TurnResult>(id, { message, when_busy: 'steer' }, key);
  expect(again.body).toMatchObject({ turn_id: body.turn_id, error: { code: 'server_restarted' } });
  expect(textOf(await calls.send(id, 'say next'))).toBe('next');
  expect(lines()).toBe('first\nsteered\n');
});

test('the client follows a message that steers to its answer: in the running turn, or in one of its own', async () => {
  const client = createClient({ baseUrl: server.url });
  const { id, turn, goOn } = await calling();
  const sent = client.session(id).send('say steered', { whenBusy: 'steer' });
  await expect.poll(async () => (await eventsOf(id)).map(({ type }) => type)).toContain('turn.steering');
  await goOn();
  expect(await sent).toMatchObject({ turn_id: turn, is_error: false });

  const late = await answering();
  const left = client.session(late.id).send('say left', { whenBusy: 'steer' });
  await expect.poll(async () => (await eventsOf(late.id)).map(({ type }) => type)).toContain('turn.steering');
  late.release();
  const result = await left;
  expect(result.turn_id).not.toBe(late.turn);
  expect(result.messages).toEqual([{ type: 'text', content: 'left' }]);
});
