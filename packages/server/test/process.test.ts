import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { escaping, isAlive, pidIn } from './support/processes.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const held = (gate: string): string => script({ hold: gate, say: 'released' });

describe('an agent process', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({
      env: {
        SOME_SECRET: 'do-not-pass-on',
        DATABASE_URL: 'do-not-pass-on',
        AWS_SECRET_ACCESS_KEY: 'do-not-pass-on',
        AGENT_SERVER_LOG_LEVEL: 'debug',
      },
    });
  });
  afterAll(() => cleanUp(server));

  test('gets the agent credentials and basic variables, nothing else of the server', async () => {
    const { session_id } = await server.createSession();
    const [agent] = processesOf(session_id);
    expect(agent?.env).toMatchObject({ ANTHROPIC_API_KEY: 'test-key', HOME: server.userHome });
    expect(Object.values(agent?.env ?? {})).not.toContain('do-not-pass-on');
    expect(server.stderr()).not.toContain('test-key');
  });

  test('that dies between turns is replaced at the next message, with the context', async () => {
    const { session_id } = await server.createSession();
    await server.send(session_id, 'say the colour is green');
    const asleep = firstFrame(
      server.stream(`/sessions/${session_id}/events`),
      (frame) => frame.event === 'session.state' && frame.data.data.state === 'asleep',
    );
    for (const { pid } of processesOf(session_id)) process.kill(pid, 'SIGKILL');
    await asleep;
    expect((await server.status(session_id)).state).toBe('asleep');
    const { messages } = await server.send(session_id, 'what did I say');
    expect(JSON.stringify(messages)).toContain('the colour is green');
  });

  test('that dies during a turn fails it with the reason; queued messages run in a new process', async () => {
    const { session_id } = await server.createSession();
    const first = server.send(session_id, held('killed'));
    const second = server.send(session_id, script({ say: 'the second' }));
    await server.demo.model.gates.reached('killed');
    for (const { pid } of processesOf(session_id)) process.kill(pid, 'SIGKILL');
    expect(await first).toMatchObject({
      is_error: true,
      error: { code: 'agent_died', message: expect.stringContaining('SIGKILL') },
    });
    expect(await second).toMatchObject({
      is_error: false,
      messages: [{ type: 'text', content: 'the second' }],
    });
  });

  test('whose folder is gone is not started: a 409 that says so, and nothing ran', async () => {
    const cwd = join(server.root, 'goes-away');
    mkdirSync(cwd);
    const { session_id } = await server.createSession({ cwd });
    const asleep = firstFrame(
      server.stream(`/sessions/${session_id}/events`),
      (frame) => frame.event === 'session.state' && frame.data.data.state === 'asleep',
    );
    rmSync(cwd, { recursive: true });
    for (const { pid } of processesOf(session_id)) process.kill(pid, 'SIGKILL');
    await asleep;
    const answer = await server.call('POST', `/sessions/${session_id}/messages`, { message: 'hello' });
    expect(answer).toMatchObject({ status: 409, body: { code: 'cwd_gone' } });
    expect(String(answer.body.detail)).toContain(cwd);
    expect((await server.status(session_id)).message_count).toBe(0);
  });

  test('that cannot start because of the limit of open files is a 502 that says so; later it starts', async () => {
    const { session_id } = await server.createSession();
    const asleep = firstFrame(
      server.stream(`/sessions/${session_id}/events`),
      (frame) => frame.event === 'session.state' && frame.data.data.state === 'asleep',
    );
    for (const { pid } of processesOf(session_id)) process.kill(pid, 'SIGKILL');
    await asleep;
    const limit = (files: number): void => {
      execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${files}:`]);
    };
    // The least of some looks: what the last call or the agent's end still holds would leave room for a start.
    let open = Number.POSITIVE_INFINITY;
    for (let look = 0; look < 10; look++) {
      open = Math.min(open, readdirSync(`/proc/${server.pid}/fd`).length);
      await sleep(50);
    }
    limit(open + 4);
    const send = () =>
      server.call<TurnResult & { code?: string; detail?: string }>(
        'POST',
        `/sessions/${session_id}/messages`,
        { message: 'say hello' },
        { headers: { 'idempotency-key': 'one' } },
      );
    const answer = await send();
    limit(4096);
    expect(answer).toMatchObject({ status: 502, body: { code: 'agent_start_failed' } });
    expect(String(answer.body.detail)).toContain('as many files open as it may');
    // Nothing ran, so the key is not used up: the same request runs now, and is then known.
    const again = await send();
    expect(again).toMatchObject({ status: 200, body: { is_error: false } });
    expect((await send()).body.turn_id).toBe(again.body.turn_id);
  });

  test('is left alone by a server on a copy of the home', async () => {
    const { session_id } = await server.createSession();
    await server.send(session_id, 'say I am here');
    const agents = processesOf(session_id).map(({ pid }) => pid);
    expect(agents.length).toBeGreaterThan(0);
    const home = `${server.home}-copy`;
    cpSync(server.home, home, { recursive: true });
    const copy = await startTestServer({ on: { ...server, home } });
    expect(await copy.stop()).toBe(0);
    expect(processesOf(session_id).map(({ pid }) => pid)).toEqual(agents);
    expect(await server.send(session_id, 'say still here')).toMatchObject({ is_error: false });
  });

  test('is gone when its session is closed, with everything it started', async () => {
    const { session_id } = await server.createSession({
      permission_mode: 'acceptEdits',
      allowed_tools: ['Bash'],
    });
    await server.send(
      session_id,
      script({
        tools: [
          { name: 'Bash', input: { command: 'sleep 600', description: 'stays', run_in_background: true } },
        ],
      }),
    );
    // One that leaves the group, the terminal session, its parent, and drops every variable.
    await server.send(
      session_id,
      script({
        tools: [
          {
            name: 'Bash',
            input: { command: `${escaping('closed.pid')}; sleep 0.1`, description: 'escapes' },
          },
        ],
      }),
    );
    const escaped = await pidIn(join(server.root, 'closed.pid'), session_id);
    expect(isAlive(escaped)).toBe(true);
    expect(processesOf(session_id).length).toBeGreaterThan(1);
    await server.call('DELETE', `/sessions/${session_id}`);
    expect(processesOf(session_id)).toEqual([]);
    expect(isAlive(escaped)).toBe(false);
  });
});
