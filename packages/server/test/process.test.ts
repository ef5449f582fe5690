import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** Runs the program until it ends by itself. */
async function runToEnd(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, ['--conditions=claude-agent-source', MAIN, ...args], {
    env: { PATH: process.env.PATH ?? '', CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = await once(child, 'close');
  return { code, said };
}

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

  test('gets the agent credentials and what programs need, nothing else of the server', async () => {
    const { session_id } = await server.createSession();
    const [agent] = processesOf(session_id);
    expect(agent?.env).toMatchObject({ ANTHROPIC_API_KEY: 'test-key', HOME: server.userHome });
    expect(Object.values(agent?.env ?? {})).not.toContain('do-not-pass-on');
    expect(server.stderr()).not.toContain('test-key');
  });

  test('that dies between turns is replaced at the next message, and the context is there', async () => {
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

  test('that dies during a turn fails it with the reason; queued messages go on in a new process', async () => {
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

  test('is gone when its session is closed, with everything that it started', async () => {
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
    expect(processesOf(session_id).length).toBeGreaterThan(1);
    await server.call('DELETE', `/sessions/${session_id}`);
    expect(processesOf(session_id)).toEqual([]);
  });
});

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('ends a loaded server in order: exit code 0, nothing left behind, queued messages kept', async () => {
    const server = await startTestServer({ config: { shutdown_grace_seconds: 1 } });
    const { session_id } = await server.createSession();
    const running = server.call('POST', `/sessions/${session_id}/messages`, { message: held('stays') });
    await server.demo.model.gates.reached('stays');
    const queued = await server.call<{ turn_id: string }>(
      'POST',
      `/sessions/${session_id}/messages`,
      { message: script({ say: 'after the restart' }) },
      { headers: { prefer: 'respond-async' } },
    );
    const waiting = await server.createSession();
    const asked = firstFrame(
      server.stream(`/sessions/${waiting.session_id}/events`),
      (frame) => frame.event === 'permission.requested',
    );
    server.send(waiting.session_id, 'run touch x').catch(() => {});
    const permission = (await asked).data.data.request_id as string;
    const agents = [session_id, waiting.session_id].flatMap(processesOf);
    expect(agents.length).toBeGreaterThanOrEqual(2);

    const started = Date.now();
    expect(await server.stop(signal)).toBe(0);
    // 1 second of grace for running turns; a hang would be far beyond this.
    expect(Date.now() - started).toBeLessThan(15_000);
    expect(await running).toMatchObject({ status: 200, body: { error: { code: 'server_shutdown' } } });
    expect([session_id, waiting.session_id].flatMap(processesOf)).toEqual([]);

    const again = await startTestServer({ on: server });
    try {
      const end = await firstFrame(
        again.stream(`/sessions/${session_id}/events`),
        (frame) => frame.event === 'turn.completed' && frame.data.turn_id === queued.body.turn_id,
      );
      expect(end.data.data.result.messages).toEqual([{ type: 'text', content: 'after the restart' }]);
      const settled = await firstFrame(
        again.stream(`/sessions/${waiting.session_id}/events`),
        (frame) => frame.event === 'permission.resolved',
      );
      expect(settled.data.data).toMatchObject({ request_id: permission, reason: 'server_shutdown' });
    } finally {
      await cleanUp(again);
    }
  });
});

describe('a start that cannot go on', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => cleanUp(server));

  test('a second server on the same home folder is refused with a sentence', async () => {
    const { code, said } = await runToEnd(['--port', '0', '--home', server.home, '--root', server.root]);
    expect(code).toBe(2);
    expect(said).toContain(`Another server (process ${server.pid}) uses the home folder`);
  });

  test('a port in use is refused with a sentence', async () => {
    const { port } = new URL(server.url);
    const { code, said } = await runToEnd([
      '--port',
      port,
      '--home',
      join(server.home, 'x'),
      '--root',
      server.root,
    ]);
    expect(code).toBe(2);
    expect(said).toContain(`Port ${port} is in use`);
  });

  test('an address that others can reach needs a key', async () => {
    const { code, said } = await runToEnd(['--host', '0.0.0.0', '--home', join(server.home, 'y')]);
    expect(code).toBe(2);
    expect(said).toContain('an API key is needed');
  });

  test.each([
    [['--port', 'abc'], '--port takes a number'],
    [['--nonsense'], 'Usage:'],
    [['--root', '/does/not/exist'], 'does not exist'],
    [['--config', '/does/not/exist.json'], 'cannot be read'],
  ])('%j is refused with a sentence', async (args, sentence) => {
    const { code, said } = await runToEnd(args, { HOME: server.userHome });
    expect(code).toBe(2);
    expect(said).toContain(sentence);
  });
});
