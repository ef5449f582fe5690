/** Permissions that outlive every process, on the real agent. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PermissionRequest, SessionDetail, TurnResult } from 'claude-agent-protocol';
import { describe, expect, type TestContext, test, vi } from 'vitest';
import { agentsOf, processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { ask, bash, eventsOf, pending, respond, sendAgain, servers, until } from './support/parking.ts';
import type { TestServer } from './support/server.ts';

const ran = (on: TestServer): string =>
  existsSync(join(on.root, 'ran.txt')) ? readFileSync(join(on.root, 'ran.txt'), 'utf8') : '';

/** The events are gap-free, and of the turn: it began once, ended once, and its request was settled once. */
async function checkLog(on: TestServer, id: string, ends = 'turn.completed'): Promise<string[]> {
  const events = await eventsOf(on, id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const types = events.map(({ type }) => type);
  for (const once of ['turn.started', ends, 'permission.requested', 'permission.resolved'])
    expect(
      types.filter((type) => type === once),
      once,
    ).toHaveLength(1);
  return types;
}

const ANSWERED = { allowed: true, updated_input: { command: 'echo answered | tee -a ran.txt' } };

// A test starts up to five servers and agents.
vi.setConfig({ testTimeout: 60_000 });

describe('a permission that is answered when', () => {
  test.concurrent('the server was killed: the call runs once, with the input of the answer', async (context) => {
    const start = servers(context);
    let on = await start();
    const { id, request, key } = await ask(on);
    expect(request).toMatchObject({ durable: true, state: 'pending' });
    await on.kill();
    on = await start();
    const detail = await on.status(id);
    expect(detail).toMatchObject({ state: 'waiting', current_turn_id: request.turn_id });
    expect(detail.pending_permissions).toEqual([request]);
    const { body: inbox } = await on.call<{ permissions: PermissionRequest[] }>('GET', '/permissions');
    expect(inbox.permissions).toEqual([{ ...request, session: expect.anything() }]);
    // Nothing runs for it.
    expect(processesOf(id)).toEqual([]);

    const ended = sendAgain(on, id, key);
    expect((await respond(on, id, { request_id: request.request_id, ...ANSWERED })).status).toBe(200);
    expect(await ended).toMatchObject({ turn_id: request.turn_id, is_error: false });
    expect(JSON.stringify(await ended)).toContain('It is done, says answered');
    expect(ran(on)).toBe('answered\n');
    const types = await checkLog(on, id);
    expect(types.filter((type) => /parked|resumed/.test(type))).toEqual(['turn.parked', 'turn.resumed']);
    expect((await respond(on, id, { request_id: request.request_id, allowed: true })).status).toBe(409);
    // The conversation goes on.
    expect(JSON.stringify(await on.send(id, 'say and on'))).toContain('and on');
  });

  test.concurrent('its agent was killed: the waiting request, the stream and the key see one turn', async (context) => {
    const start = servers(context);
    const on = await start();
    const { session_id: id } = await on.createSession();
    const key = crypto.randomUUID();
    const waiting = sendAgain(on, id, key);
    const request = await pending(on, id);
    const [agent] = processesOf(id);
    process.kill(agent?.pid ?? 0, 'SIGKILL');
    await until(async () => (await eventsOf(on, id)).at(-1)?.type === 'turn.parked');
    expect(await on.status(id)).toMatchObject({ state: 'waiting', pending_permissions: [request] });
    await respond(on, id, { request_id: request.request_id, ...ANSWERED });
    expect(await waiting).toMatchObject({ turn_id: request.turn_id, is_error: false });
    expect(await sendAgain(on, id, key)).toEqual(await waiting);
    expect(ran(on)).toBe('answered\n');
    await checkLog(on, id);
  });

  test.concurrent('the server was shut down and started again', async (context) => {
    const start = servers(context);
    let on = await start();
    const { id, request, key } = await ask(on);
    expect(await on.stop()).toBe(0);
    on = await start();
    expect((await on.status(id)).pending_permissions).toEqual([request]);
    await respond(on, id, { request_id: request.request_id, ...ANSWERED });
    expect(await sendAgain(on, id, key)).toMatchObject({ is_error: false });
    expect(ran(on)).toBe('answered\n');
    await checkLog(on, id);
  });

  test.concurrent('the process was let go because nobody answered for some time', async (context) => {
    const start = servers(context);
    const on = await start();
    const { id, request, key } = await ask(on, { park_after_seconds: 0.2 });
    await until(() => processesOf(id).length === 0);
    expect((await on.status(id)).pending_permissions).toEqual([request]);
    await respond(on, id, { request_id: request.request_id, ...ANSWERED });
    expect(await sendAgain(on, id, key)).toMatchObject({ is_error: false });
    expect(ran(on)).toBe('answered\n');
    await checkLog(on, id);
  });

  test.concurrent('the server was killed three times, and once more right after the answer', async (context) => {
    const start = servers(context);
    let on = await start();
    const { id, request, key } = await ask(on);
    for (let round = 0; round < 3; round += 1) {
      await on.kill();
      on = await start();
    }
    expect((await eventsOf(on, id)).filter(({ type }) => type === 'turn.parked')).toHaveLength(1);
    await respond(on, id, { request_id: request.request_id, ...ANSWERED });
    await on.kill();
    on = await start();
    const result = await sendAgain(on, id, key);
    // Either no process was told yet, and one is now; or one was, and then nobody knows whether the call has run.
    const lines = ran(on);
    if (result.is_error) expect(result.error?.code).toBe('server_restarted');
    else expect(lines).toBe('answered\n');
    expect(['', 'answered\n']).toContain(lines);
  });

  test.concurrent('another message waits behind it', async (context) => {
    const start = servers(context);
    let on = await start();
    const { id, request } = await ask(on);
    await on.call(
      'POST',
      `/sessions/${id}/messages`,
      { message: 'say the second' },
      {
        headers: { prefer: 'respond-async' },
      },
    );
    await on.kill();
    on = await start();
    expect(await on.status(id)).toMatchObject({ state: 'waiting', queued_turns: 1 });
    await respond(on, id, { request_id: request.request_id, ...ANSWERED });
    await until(async () => (await on.status(id)).queued_turns === 0);
    await until(async () => JSON.stringify(await eventsOf(on, id)).includes('the second'));
    expect(ran(on)).toBe('answered\n');
  });
});

describe('without a process', () => {
  const parked = async (context: TestContext, options: Record<string, unknown> = {}) => {
    const start = servers(context);
    const on = await start();
    const asked = await ask(on, { park_after_seconds: 0, ...options });
    await until(async () => (await eventsOf(on, asked.id)).at(-1)?.type === 'turn.parked');
    await until(() => processesOf(asked.id).length === 0);
    return { start, on, ...asked };
  };

  test.concurrent('a denial is told to the agent, which goes on', async (context) => {
    const { on, id, request, key } = await parked(context);
    await respond(on, id, { request_id: request.request_id, allowed: false, message: 'Not today.' });
    const result = await sendAgain(on, id, key);
    expect(JSON.stringify(result)).toContain('It is done, says Not today.');
    expect(ran(on)).toBe('');
    await checkLog(on, id);
  });

  test.concurrent.for([
    ['a denial that ends the turn', 'denied'],
    ['an interrupt', 'interrupted'],
    ['a close', 'session_closed'],
  ])('%s starts nothing', async ([, reason], context) => {
    const { on, id, request, key } = await parked(context);
    const answer = { request_id: request.request_id, allowed: false, interrupt: true };
    if (reason === 'denied') await respond(on, id, answer);
    else if (reason === 'interrupted') await on.call('POST', `/sessions/${id}/interrupt`, {});
    else await on.call('DELETE', `/sessions/${id}`);
    const { body } = await on.call<{ result: TurnResult }>('GET', `/sessions/${id}/turns/${request.turn_id}`);
    expect(body.result).toMatchObject({ is_error: true, error: { code: reason } });
    expect(processesOf(id)).toEqual([]);
    const types = await checkLog(on, id, 'turn.interrupted');
    expect(types).not.toContain('turn.resumed');
    if (reason === 'session_closed') return;
    expect(JSON.stringify(await on.send(id, 'what did I say'))).toContain('ran.txt');
    expect(await sendAgain(on, id, key)).toMatchObject({ is_error: true });
    expect(ran(on)).toBe('');
  });

  test.concurrent('a time-out is a denial, also after a restart', async (context) => {
    const { start, on, id, key } = await parked(context, { permission_timeout_seconds: 4 });
    await on.kill();
    const again = await start();
    const result = await sendAgain(again, id, key);
    expect(JSON.stringify(result)).toContain('Nobody answered the permission request in time');
    expect(ran(again)).toBe('');
    await checkLog(again, id);
  });

  test.concurrent('whoever asks the agent something wakes it, and the request waits on', async (context) => {
    const { on, id, request, key } = await parked(context, { park_after_seconds: 1 });
    const { status } = await on.call('GET', `/sessions/${id}/context`);
    expect(status).toBe(200);
    await until(async () => (await eventsOf(on, id)).some(({ type }) => type === 'turn.resumed'));
    expect((await on.status(id)).pending_permissions).toEqual([request]);
    await respond(on, id, { request_id: request.request_id, ...ANSWERED });
    expect(await sendAgain(on, id, key)).toMatchObject({ is_error: false });
    expect(ran(on)).toBe('answered\n');
  });

  test.concurrent('its cost is counted once', async (context) => {
    const { on, id, request, key } = await parked(context, { model: 'claude-sonnet-4-5' });
    await respond(on, id, { request_id: request.request_id, allowed: true });
    const { cost_usd } = await sendAgain(on, id, key);
    const { body: usage } = await on.call<{ cost_usd: number }>('GET', `/sessions/${id}/usage`);
    expect(usage.cost_usd).toBeCloseTo(cost_usd, 8);
    const plain = await on.createSession({ model: 'claude-sonnet-4-5' });
    const other = on.send(plain.session_id, bash('asked'));
    const { request_id } = await pending(on, plain.session_id);
    await respond(on, plain.session_id, { request_id, allowed: true });
    // The agent adds a few words of its own when it goes on.
    expect(cost_usd / (await other).cost_usd).toBeGreaterThan(0.9);
    expect(cost_usd / (await other).cost_usd).toBeLessThan(1.2);
  });
});

describe('what cannot be parked', () => {
  test.concurrent('calls side by side: their requests say so, and expire with the server', async (context) => {
    const start = servers(context);
    let on = await start();
    const tools = ['one', 'two'].map((word) => ({
      name: 'Bash',
      input: { command: `echo ${word} >> ran.txt` },
    }));
    const { id, request } = await ask(on, { park_after_seconds: 0 }, script({ tools }, { say: 'done' }));
    expect(request.durable).toBe(false);
    expect(agentsOf(id)).toHaveLength(1);
    await on.kill();
    on = await start();
    const detail: SessionDetail = await on.status(id);
    expect(detail.pending_permissions).toEqual([]);
    const resolved = (await eventsOf(on, id)).find(({ type }) => type === 'permission.resolved');
    expect(resolved?.data).toMatchObject({ state: 'expired', reason: 'server_restarted' });
  });

  test.concurrent('a session whose folder is gone: the turn ends with the reason, and its key tells it', async (context) => {
    const start = servers(context);
    let on = await start();
    const cwd = join(on.root, 'gone');
    mkdirSync(cwd);
    const { id, request, key } = await ask(on, { cwd });
    await on.kill();
    rmSync(cwd, { recursive: true });
    on = await start();
    await respond(on, id, { request_id: request.request_id, ...ANSWERED });
    const result = await sendAgain(on, id, key);
    expect(result).toMatchObject({ turn_id: request.turn_id, is_error: true });
    expect(result.error?.message).toContain(cwd);
    expect(await on.status(id)).toMatchObject({ state: 'asleep', pending_permissions: [] });
  });
});
