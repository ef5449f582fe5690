import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackgroundTask, Turn, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstFrame, type SseFrame, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const text = (result: Pick<TurnResult, 'messages'>): string =>
  result.messages.flatMap((item) => (item.type === 'text' ? [item.content] : [])).join('\n');

/** Starts a subagent in the background that does what `steps` say. */
const subagent = (...steps: Record<string, unknown>[]): Record<string, unknown> => ({
  name: 'Agent',
  input: {
    description: 'research',
    subagent_type: 'general-purpose',
    run_in_background: true,
    prompt: script(...steps),
  },
});
const inBackground = (command: string): Record<string, unknown> => ({
  name: 'Bash',
  input: { command, description: 'in the background', run_in_background: true },
});

const newSession = async (more: Record<string, unknown> = {}): Promise<string> =>
  (await server.createSession({ allowed_tools: ['Bash'], ...more })).session_id;
/** Reads a session's events on and on, each once. */
function follow(id: string) {
  const stream = server.stream(`/sessions/${id}/events`);
  const until = async (fits: (frame: SseFrame) => boolean): Promise<SseFrame[]> => {
    const frames: SseFrame[] = [];
    for (;;) {
      const { value, done } = await stream.next();
      if (done) throw new Error(`the stream ended after ${frames.map(({ event }) => event).join(', ')}`);
      frames.push(value);
      if (fits(value)) return frames;
    }
  };
  const first = async (fits: (frame: SseFrame) => boolean): Promise<SseFrame> =>
    (await until(fits)).at(-1) as SseFrame;
  return { until, first };
}
const state = async (id: string): Promise<string> => (await server.status(id)).state;
const ping = async (): Promise<unknown> => (await server.call('GET', '/ping')).body.status;
const tasksOf = async (id: string): Promise<BackgroundTask[]> =>
  (await server.call<{ tasks: BackgroundTask[] }>('GET', `/sessions/${id}/tasks`)).body.tasks;
const isState =
  (wanted: string) =>
  ({ event, data }: SseFrame): boolean =>
    event === 'session.state' && data.data.state === wanted;
const isOwnTurn = ({ event, data }: SseFrame): boolean =>
  event === 'turn.started' && data.data.initiator === 'agent';

describe('work in the background', () => {
  test('shows in state, ping, tasks and events, and gets its own turn for the report', async () => {
    const id = await newSession();
    const all = await server.openStream('/events');
    const log = follow(id);
    const first = await server.send(
      id,
      script({ tools: [subagent({ hold: 'known', say: 'found it' })] }, { say: 'it runs' }),
    );
    expect(text(first)).toBe('it runs');

    await log.first(isState('background'));
    const [task] = await tasksOf(id);
    expect(task).toMatchObject({
      type: 'local_agent',
      description: 'research',
      subagent_type: 'general-purpose',
      turn_id: first.turn_id,
      ambient: false,
    });
    const detail = await server.status(id);
    expect(detail).toMatchObject({ state: 'background', current_turn_id: null, tasks: [task] });
    expect(await ping()).toBe('HealthyBusy');
    const shown = await firstFrame(
      all,
      ({ event, data }) => event === 'session.tasks' && data.session_id === id,
    );
    expect(shown.data.data.tasks).toEqual([task]);

    server.demo.model.gates.release('known');
    const frames = await log.until(isState('idle'));
    const own = frames.find(isOwnTurn);
    expect(own?.data.data.message).toBe('Background task "research": completed.');
    const { body } = await server.call<Turn>('GET', `/sessions/${id}/turns/${own?.data.turn_id}`);
    expect(body).toMatchObject({ initiator: 'agent', state: 'completed', started_at: expect.any(String) });
    expect(text(body.result as TurnResult)).toContain('found it');
    // It is in the log under its own id, and in the account of the session.
    const end = frames.find(({ event, data }) => event === 'turn.completed' && data.turn_id === body.turn_id);
    expect(end?.data.data.result).toEqual(body.result);
    expect((await server.call('GET', `/sessions/${id}/usage`)).body.turns).toBe(2);
    expect(frames.filter(({ event }) => event === 'session.tasks').at(-1)?.data.data).toEqual({ tasks: [] });
    expect(await tasksOf(id)).toEqual([]);
    expect(await ping()).toBe('Healthy');
  });

  test('is included in the answer and the stream of a message with wait_for: background', async () => {
    const id = await newSession();
    const work = script({ tools: [subagent({ say: 'one' }), subagent({ say: 'two' })] }, { say: 'they run' });
    const answer = await server.send(id, work, { wait_for: 'background' });
    expect(answer).toMatchObject({ is_error: false });
    expect(text(answer)).toMatch(/they run[\s\S]*(one|two)/);
    const { body } = await server.call<Turn>('GET', `/sessions/${id}/turns/${answer.turn_id}`);
    expect(body).toMatchObject({ wait_for: 'background', settled_at: expect.any(String), result: answer });
    expect(await state(id)).toMatch(/idle|background/);

    const stream = await server.openStream(`/sessions/${id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        message: script({ tools: [inBackground('sleep 0.3; echo bg')] }, { say: 'started' }),
        wait_for: 'background',
      }),
    });
    const frames: SseFrame[] = [];
    for await (const frame of stream) frames.push(frame);
    expect(frames.at(-1)?.event).toBe('turn.settled');
    expect(frames.filter(isOwnTurn)).toHaveLength(1);
    expect(text(frames.at(-1)?.data.data.result)).toMatch(/started[\s\S]*completed/);
  });

  test('wait_for: background without background work is answered at once', async () => {
    const id = await newSession();
    const answer = await server.send(id, script({ say: 'done' }), { wait_for: 'background' });
    expect(text(answer)).toBe('done');
  });

  test('an own turn of the agent counts as busy, asks under its own id, and can be interrupted alone', async () => {
    const id = await newSession();
    const log = follow(id);
    const { gates } = server.demo.model;
    // What the subagent reports is a script: it is what the agent does in its own turn.
    const report = script(
      { tools: [{ name: 'Write', input: { file_path: join(server.root, `${id}.txt`), content: 'x' } }] },
      { say: 'never' },
    );
    const work = [subagent({ hold: 'own', say: report }), subagent({ hold: 'other', say: 'later' })];
    const first = await server.send(id, script({ tools: work }, { say: 'they run' }));
    gates.release('own');
    const own = await log.first(isOwnTurn);
    const asked = await log.first(({ event }) => event === 'permission.requested');
    expect(asked.data).toMatchObject({ turn_id: own.data.turn_id, data: { turn_id: own.data.turn_id } });
    expect(await server.status(id)).toMatchObject({ state: 'waiting', current_turn_id: own.data.turn_id });

    const path = `/sessions/${id}/messages`;
    const refused = await server.call('POST', path, { message: 'say no', when_busy: 'reject' });
    expect(refused).toMatchObject({ status: 409, body: { code: 'session_busy' } });
    const queued = server.send(id, script({ say: 'after it' }));
    await expect.poll(async () => (await server.status(id)).queued_turns).toBe(1);

    expect((await server.call('POST', `/sessions/${id}/interrupt`)).status).toBe(200);
    const ended = await server.call<Turn>('GET', `/sessions/${id}/turns/${own.data.turn_id}`);
    expect(ended.body).toMatchObject({ state: 'interrupted', result: { error: { code: 'interrupted' } } });
    expect(existsSync(join(server.root, `${id}.txt`))).toBe(false);
    expect(text(await queued)).toBe('after it');
    // The other subagent was begun by the same message and goes on.
    expect(await tasksOf(id)).toMatchObject([{ turn_id: first.turn_id }]);
    gates.release('other');
    await log.first(isOwnTurn);
    await log.first(isState('idle'));
  });

  test('continues when a turn is interrupted, and so do its questions', async () => {
    const id = await newSession({ allowed_tools: [] });
    const log = follow(id);
    const file = join(server.root, `${id}.txt`);
    const write = { tools: [{ name: 'Write', input: { file_path: file, content: 'written' } }] };
    const first = await server.send(
      id,
      script({ tools: [subagent(write, { say: 'wrote' })] }, { say: 'it runs' }),
    );
    const asked = await log.first(({ event }) => event === 'permission.requested');
    expect(asked.data.turn_id).toBe(first.turn_id);
    const held = server.send(id, script({ hold: 'foreground', say: 'never' }));
    await server.demo.model.gates.reached('foreground');
    await server.call('POST', `/sessions/${id}/interrupt`);
    expect(await held).toMatchObject({ error: { code: 'interrupted' } });

    expect(await server.status(id)).toMatchObject({ state: 'waiting', tasks: [{ description: 'research' }] });
    const answer = { request_id: asked.data.data.request_id, allowed: true };
    expect((await server.call('POST', `/sessions/${id}/permissions/respond`, answer)).status).toBe(200);
    await log.first(isOwnTurn);
    expect(existsSync(file)).toBe(true);
  });

  test('can be stopped task by task', async () => {
    const id = await newSession();
    const log = follow(id);
    const tools = [inBackground('sleep 61'), inBackground('sleep 62')];
    await server.send(id, script({ tools }, { say: 'they run' }));
    const tasks = await tasksOf(id);
    expect(tasks.map(({ type }) => type)).toEqual(['local_bash', 'local_bash']);
    const stop = (taskId: string) => server.call('POST', `/sessions/${id}/tasks/${taskId}/stop`);
    expect(await stop(tasks[0]?.task_id ?? '')).toMatchObject({ status: 200, body: { status: 'stopped' } });
    expect(await tasksOf(id)).toEqual([tasks[1]]);
    expect(await stop(tasks[0]?.task_id ?? '')).toMatchObject({
      status: 404,
      body: { code: 'task_not_found' },
    });
    await stop(tasks[1]?.task_id ?? '');
    await log.first(isState('idle'));
  });

  test('scope "all" ends the turn, the queue and all background work', async () => {
    const id = await newSession();
    const log = follow(id);
    const tools = [inBackground('sleep 63'), subagent({ hold: 'for ever', say: 'never' })];
    const before = server.send(id, script({ tools }, { say: 'they run' }), { wait_for: 'background' });
    await log.first(isState('background'));
    const held = server.send(id, script({ hold: 'all', say: 'never' }));
    await server.demo.model.gates.reached('all');
    const queued = server.send(id, 'say never');
    await expect.poll(async () => (await server.status(id)).queued_turns).toBe(1);

    const stopped = await server.call('POST', `/sessions/${id}/interrupt`, { scope: 'all' });
    expect(stopped).toMatchObject({ status: 200, body: { status: 'interrupted' } });
    expect(await server.status(id)).toMatchObject({ tasks: [], queued_turns: 0, current_turn_id: null });
    expect(await held).toMatchObject({ error: { code: 'interrupted' } });
    expect(await queued).toMatchObject({ error: { code: 'cancelled' } });
    const answer = await before;
    expect(answer).toMatchObject({ is_error: true, error: { code: 'interrupted' } });
    expect(text(answer)).toBe('they run');
    await log.first(isState('idle'));
    expect(text(await server.send(id, script({ say: 'fine' })))).toBe('fine');
    // Nothing was reported of what was stopped.
    const { body } = await server.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
    expect(body.turns.filter(({ initiator }) => initiator === 'agent')).toEqual([]);
  });

  test('ends with the session, and its waiters are told', async () => {
    const id = await newSession();
    const log = follow(id);
    const tools = [inBackground('sleep 64')];
    const waiting = server.send(id, script({ tools }, { say: 'it runs' }), { wait_for: 'background' });
    await log.first(isState('background'));
    await server.call('DELETE', `/sessions/${id}`);
    const answer = await waiting;
    expect(answer).toMatchObject({ is_error: true, error: { code: 'session_closed' } });
    expect(text(answer)).toBe('it runs');
    expect(await tasksOf(id)).toEqual([]);
  });
});

describe('a message', () => {
  test('with when_busy: interrupt goes ahead of the queue', async () => {
    const id = await newSession();
    const held = server.send(id, script({ hold: 'busy', say: 'never' }));
    await server.demo.model.gates.reached('busy');
    const order: string[] = [];
    const send = async (say: string, more = {}): Promise<void> => {
      order.push(text(await server.send(id, script({ say }), more)));
    };
    const b = send('B');
    await expect.poll(async () => (await server.status(id)).queued_turns).toBe(1);
    const c = send('C');
    await expect.poll(async () => (await server.status(id)).queued_turns).toBe(2);
    const urgent = send('urgent', { when_busy: 'interrupt' });
    expect(await held).toMatchObject({ error: { code: 'interrupted' } });
    await Promise.all([b, c, urgent]);
    expect(order).toEqual(['urgent', 'B', 'C']);
  });

  test('that is queued can be cancelled, and its waiters get an end', async () => {
    const id = await newSession();
    const held = server.send(id, script({ hold: 'queue', say: 'held' }));
    await server.demo.model.gates.reached('queue');
    const gone = server.send(id, 'say gone');
    const kept = server.send(id, script({ say: 'kept' }));
    await expect.poll(async () => (await server.status(id)).queued_turns).toBe(2);
    const { body } = await server.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
    const [running, queued] = body.turns;
    const take = (turn: Turn | undefined) => server.call('DELETE', `/sessions/${id}/turns/${turn?.turn_id}`);
    expect(await take(queued)).toMatchObject({ status: 200, body: { state: 'interrupted' } });
    expect(await gone).toMatchObject({ is_error: true, error: { code: 'cancelled' } });
    expect(await take(running)).toMatchObject({ status: 409, body: { code: 'turn_not_queued' } });
    server.demo.model.gates.release('queue');
    expect(text(await held)).toBe('held');
    expect(text(await kept)).toBe('kept');
    expect(await take(running)).toMatchObject({ status: 409 });
    expect((await server.call('DELETE', `/sessions/${id}/turns/${crypto.randomUUID()}`)).status).toBe(404);
  });

  test('ends as denied, with the reason, if a denial ends its turn', async () => {
    const id = await newSession();
    const log = follow(id);
    const write = { name: 'Write', input: { file_path: join(server.root, 'denied.txt'), content: 'x' } };
    const sent = server.send(id, script({ tools: [write] }, { say: 'never' }));
    const asked = await log.first(({ event }) => event === 'permission.requested');
    await server.call('POST', `/sessions/${id}/permissions/respond`, {
      request_id: asked.data.data.request_id,
      allowed: false,
      interrupt: true,
      message: 'not in this folder',
    });
    expect(await sent).toMatchObject({
      is_error: true,
      error: { code: 'denied', message: expect.stringContaining('not in this folder') },
    });
    const end = await log.first(({ event }) => event === 'turn.interrupted');
    expect(end.data.data.reason).toBe('denied');
    expect(text(await server.send(id, script({ say: 'on' })))).toBe('on');
  });

  test('that a hook blocks fails with the hook’s reason', async () => {
    mkdirSync(join(server.userHome, '.claude'), { recursive: true });
    const settings = join(server.userHome, '.claude', 'settings.json');
    const command = `grep -q forbidden && { echo 'we do not say that' >&2; exit 2; } || true`;
    const hooks = { UserPromptSubmit: [{ hooks: [{ type: 'command', command }] }] };
    writeFileSync(settings, JSON.stringify({ hooks }));
    try {
      const id = await newSession();
      const blocked = await server.send(id, 'say forbidden');
      expect(blocked).toMatchObject({
        is_error: true,
        messages: [],
        error: { code: 'blocked', message: expect.stringContaining('we do not say that') },
      });
      expect(text(await server.send(id, script({ say: 'fine' })))).toBe('fine');
    } finally {
      rmSync(settings);
    }
  });
});

test('after a crash nothing is left in the background, who waited is told, and what was urgent still goes first', async () => {
  const id = await newSession();
  const log = follow(id);
  const later = { headers: { prefer: 'respond-async' } };
  const submit = async (message: string, more = {}): Promise<string> =>
    (await server.call<Turn>('POST', `/sessions/${id}/messages`, { message, ...more }, later)).body.turn_id;
  const waited = await submit(script({ tools: [inBackground('sleep 65')] }, { say: 'it runs' }), {
    wait_for: 'background',
  });
  await log.first(isState('background'));
  // Nothing runs after the restart but what is queued: an agent that does not obey keeps the queue waiting.
  await submit(script({ hold: 'crash', say: 'never' }));
  await server.demo.model.gates.reached('crash');
  const plain = await submit(script({ say: 'plain' }));
  const urgent = new Promise<string>((resolve) => {
    void submit(script({ say: 'urgent' }), { when_busy: 'interrupt' }).then(resolve, () => undefined);
  });
  await log.first(({ event, data }) => event === 'turn.queued' && JSON.stringify(data).includes('urgent'));
  const urgentId = await urgent;
  await server.kill();
  server = await startTestServer({ on: server });

  expect(await tasksOf(id)).toEqual([]);
  const { body } = await server.call<Turn>('GET', `/sessions/${id}/turns/${waited}`);
  expect(body).toMatchObject({
    state: 'completed',
    settled_at: expect.any(String),
    result: { is_error: true, error: { code: 'server_restarted' } },
  });
  const frames = await follow(id).until(
    ({ data }) => data.type === 'turn.completed' && data.turn_id === plain,
  );
  expect(frames.filter(({ event }) => event === 'session.tasks').at(-1)?.data.data).toEqual({ tasks: [] });
  const begun = frames.filter(({ event }) => event === 'turn.started').map(({ data }) => data.turn_id);
  expect(begun.indexOf(urgentId)).toBeLessThan(begun.indexOf(plain));
});
