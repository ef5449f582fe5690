/** Processes as a cache, on the real agent: they sleep when idle, and there are never more than the limit. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionEvent, Turn, TurnResult } from 'claude-agent-protocol';
import { afterEach, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { childrenOf } from './support/processes.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer | undefined;
afterEach(async () => {
  await cleanUp(server);
  server = undefined;
});

const start = async (options: Parameters<typeof startTestServer>[0] = {}): Promise<TestServer> => {
  server = await startTestServer({ ...options, ...(server && { on: server }) });
  return server;
};

const textOf = ({ messages }: TurnResult): string =>
  messages.map((item) => (item.type === 'text' ? item.content : '')).join('');

const stateOf = async (on: TestServer, id: string): Promise<string> => (await on.status(id)).state;

const eventsOf = async (on: TestServer, id: string): Promise<SessionEvent[]> =>
  (
    await on.call<{ events: SessionEvent[] }>('GET', `/sessions/${id}/events?limit=10000`, undefined, {
      headers: { accept: 'application/json' },
    })
  ).body.events;

/** Sends without waiting for the end. */
const post = async (on: TestServer, id: string, message: string): Promise<string> => {
  const { body, status } = await on.call<{ turn_id: string }>(
    'POST',
    `/sessions/${id}/messages`,
    { message },
    { headers: { prefer: 'respond-async' } },
  );
  expect(status).toBe(202);
  return body.turn_id;
};

const ended = async (on: TestServer, id: string, turnId: string): Promise<Turn> => {
  let turn: Turn | undefined;
  await expect
    .poll(
      async () => {
        turn = (await on.call<Turn>('GET', `/sessions/${id}/turns/${turnId}`)).body;
        return turn.result;
      },
      { timeout: 20_000 },
    )
    .not.toBeNull();
  return turn as Turn;
};

const positions = (events: SessionEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === 'turn.waiting' ? [event.data.position] : []));

const isAgent = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('claude-agent-sdk');
  } catch {
    return false;
  }
};

describe('an idle session', () => {
  test('loses its process after sleep_after_seconds; the next message wakes it, with the context', async () => {
    const on = await start();
    const { session_id: id } = await on.createSession({ sleep_after_seconds: 1 });
    const first = await on.send(id, 'say periwinkle');
    expect(await stateOf(on, id)).toBe('idle');
    await expect.poll(() => stateOf(on, id), { timeout: 5_000 }).toBe('asleep');
    expect(processesOf(id)).toEqual([]);
    const second = await on.send(id, 'what did I say');
    expect(textOf(second)).toContain('periwinkle');
    const { body } = await on.call<{ cost_usd: number }>('GET', `/sessions/${id}/usage`);
    expect(body.cost_usd).toBeCloseTo(first.cost_usd + second.cost_usd);
    await expect.poll(() => stateOf(on, id), { timeout: 5_000 }).toBe('asleep');
    const { body: context, status } = await on.call('GET', `/sessions/${id}/context`);
    expect([status, context]).toMatchObject([200, {}]);
    expect(await stateOf(on, id)).toBe('idle');
  });

  test('keeps its process while something runs in the background', async () => {
    const on = await start({ config: { sleep_after_seconds: 1 } });
    const { session_id: id } = await on.createSession();
    const wait = { command: 'sleep 2', run_in_background: true };
    await on.send(id, script({ tools: [{ name: 'Bash', input: wait }] }, { say: 'It runs.' }), {
      wait_for: 'background',
    });
    const events = await eventsOf(on, id);
    const states = events.flatMap((event) => (event.type === 'session.state' ? [event.data.state] : []));
    expect(states.slice(0, states.indexOf('background') + 1)).not.toContain('asleep');
    expect(states).toContain('background');
    await expect.poll(() => stateOf(on, id), { timeout: 5_000 }).toBe('asleep');
  });

  test('that is created to start lazily has no process before its first message', async () => {
    const on = await start();
    const { session_id: id } = await on.createSession({ start: 'lazy', sleep_after_seconds: 0 });
    expect(await stateOf(on, id)).toBe('asleep');
    expect(processesOf(id)).toEqual([]);
    expect(textOf(await on.send(id, 'say hello'))).toBe('hello');
    expect(await stateOf(on, id)).toBe('idle');
  });
});

describe('with max_live_agents', () => {
  const TOUCH = { name: 'Bash', input: { command: 'touch touched' } };
  const busy = script({ hold: 'busy' }, { say: 'done' });

  test('an idle session sleeps for the next; when all are busy, turns wait in order', async () => {
    const on = await start({ args: ['--max-live-agents', '1'] });
    const { session_id: a } = await on.createSession();
    const { session_id: b } = await on.createSession();
    expect([await stateOf(on, a), await stateOf(on, b)]).toEqual(['asleep', 'idle']);
    const turn = await post(on, a, script({ hold: 'busy', say: 'done' }));
    await expect.poll(() => stateOf(on, b)).toBe('asleep');
    const { session_id: c } = await on.createSession();
    expect(await stateOf(on, c)).toBe('asleep');
    const waiting = [await post(on, b, 'say one'), await post(on, c, 'say two')] as const;
    await expect.poll(async () => positions(await eventsOf(on, c))).toEqual([2]);
    expect([await stateOf(on, b), await stateOf(on, c)]).toEqual(['running', 'running']);
    const refused = await on.call('GET', `/sessions/${c}/context`);
    expect([refused.status, refused.body.code]).toEqual([503, 'agents_busy']);
    expect(refused.headers.get('retry-after')).toBeTruthy();
    on.demo.model.gates.release('busy');
    expect((await ended(on, a, turn)).state).toBe('completed');
    expect((await ended(on, b, waiting[0])).result).toMatchObject({ messages: [{ content: 'one' }] });
    expect((await ended(on, c, waiting[1])).result).toMatchObject({ messages: [{ content: 'two' }] });
    expect(positions(await eventsOf(on, b))).toEqual([1, 0]);
    expect(positions(await eventsOf(on, c))).toEqual([2, 1, 0]);
  });

  test('a spare gives way to a session', async () => {
    const on = await start({ args: ['--max-live-agents', '2', '--spares', '1'] });
    const agents = (): number => childrenOf(on.pid).filter(isAgent).length;
    const { session_id: a } = await on.createSession();
    await expect.poll(agents, { timeout: 10_000 }).toBe(2);
    expect(processesOf(a).length).toBeGreaterThan(0);
    const { session_id: b } = await on.createSession({ effort: 'low' });
    expect(textOf(await on.send(b, 'say hello'))).toBe('hello');
    await expect.poll(agents, { timeout: 10_000 }).toBe(2);
    expect([await stateOf(on, a), await stateOf(on, b)]).toEqual(['idle', 'idle']);
  });

  test('a parked turn needs no process while it waits for its answer, and waits for one after that', async () => {
    const on = await start({ config: { max_live_agents: 1, park_after_seconds: 0 } });
    const { session_id: a } = await on.createSession();
    const { session_id: b } = await on.createSession({ start: 'lazy' });
    const turn = await post(on, a, script({ tools: [TOUCH] }, { say: 'done' }));
    await expect
      .poll(async () => (await eventsOf(on, a)).at(-1)?.type, { timeout: 10_000 })
      .toBe('turn.parked');
    const other = await post(on, b, script({ hold: 'busy', say: 'other' }));
    await on.demo.model.gates.reached('busy');
    expect(processesOf(a)).toEqual([]);
    const [request] = (await on.status(a)).pending_permissions;
    await on.call('POST', `/sessions/${a}/permissions/respond`, {
      request_id: request?.request_id,
      allowed: true,
    });
    await expect.poll(async () => positions(await eventsOf(on, a))).toEqual([1]);
    on.demo.model.gates.release('busy');
    expect((await ended(on, b, other)).state).toBe('completed');
    expect((await ended(on, a, turn)).state).toBe('completed');
    expect(existsSync(join(on.root, 'touched'))).toBe(true);
  });

  test('a turn that waits can be interrupted, and survives kill -9: it had not begun', async () => {
    let on = await start({ config: { max_live_agents: 1, max_queued_turns: 2 } });
    const { session_id: a } = await on.createSession();
    const { session_id: b } = await on.createSession({ start: 'lazy' });
    await post(on, a, busy);
    const first = await post(on, b, 'say one');
    const second = await post(on, b, 'say two');
    const full = await on.call('POST', `/sessions/${a}/messages`, { message: 'say three' });
    expect([full.status, full.body.code]).toEqual([503, 'queue_full']);
    expect(full.headers.get('retry-after')).toBeTruthy();
    await on.call('POST', `/sessions/${b}/interrupt`);
    expect((await ended(on, b, first)).state).toBe('interrupted');
    await expect.poll(async () => positions(await eventsOf(on, b))).toEqual([1, 1]);
    await on.kill();
    on.demo.model.gates.release('busy');
    on = await start({ config: { max_live_agents: 1 } });
    expect(await ended(on, b, second)).toMatchObject({ state: 'completed' });
  });

  test('messages that come at once are taken up to the limit, to the last one', async () => {
    const on = await start({ config: { max_live_agents: 1, max_queued_turns: 12 } });
    const { session_id: a } = await on.createSession();
    const others = await Promise.all(
      Array.from({ length: 10 }, async () => (await on.createSession({ start: 'lazy' })).session_id),
    );
    await post(on, a, busy);
    const send = (id: string, text: string) =>
      on.call<Turn>(
        'POST',
        `/sessions/${id}/messages`,
        { message: `say ${text}` },
        {
          headers: { prefer: 'respond-async' },
        },
      );
    const answers = await Promise.all([
      ...others.flatMap((id) => [send(id, 'one'), send(id, 'two')]),
      ...Array.from({ length: 10 }, (_, n) => send(a, String(n))),
    ]);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(12);
    expect(answers.filter(({ body }) => (body as { code?: string }).code === 'queue_full')).toHaveLength(18);
    await Promise.all(others.map((id) => on.call('POST', `/sessions/${id}/interrupt`, { scope: 'all' })));
    await on.call('POST', `/sessions/${a}/interrupt`, { scope: 'all' });
    // Room for as many again.
    expect((await send(a, 'again')).status).toBe(202);
  });

  test('a session with 50 queued turns gets no more than one of them before each other session that waits', async () => {
    const on = await start({ config: { max_live_agents: 1 } });
    const { session_id: greedy } = await on.createSession();
    const modest = await Promise.all(
      [1, 2].map(async () => (await on.createSession({ start: 'lazy' })).session_id),
    );
    await post(on, greedy, busy);
    for (let n = 0; n < 50; n++) await post(on, greedy, `say ${n}`);
    const turns = await Promise.all(
      modest.map(async (id) => [id, await post(on, id, 'say please')] as const),
    );
    on.demo.model.gates.release('busy');
    for (const [id, turn] of turns) expect((await ended(on, id, turn)).state).toBe('completed');
    const { queued_turns } = await on.status(greedy);
    expect(queued_turns).toBeGreaterThan(40);
    await on.call('DELETE', `/sessions/${greedy}`);
  });

  test('a turn that waits when the server stops runs after its next start', async () => {
    let on = await start({ config: { max_live_agents: 1, shutdown_grace_seconds: 0.2 } });
    const { session_id: a } = await on.createSession();
    const { session_id: b } = await on.createSession({ start: 'lazy' });
    const cut = await post(on, a, busy);
    const turn = await post(on, b, 'say one');
    await expect.poll(async () => positions(await eventsOf(on, b))).toEqual([1]);
    await on.stop();
    on.demo.model.gates.release('busy');
    on = await start({ config: { max_live_agents: 1 } });
    expect((await ended(on, a, cut)).state).toBe('interrupted');
    expect(await ended(on, b, turn)).toMatchObject({ state: 'completed' });
  });
});
