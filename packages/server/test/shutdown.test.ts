import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { takeHome } from '../src/lock.ts';
import { processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { childrenOf, escaping, isAlive, pidIn, WAIT } from './support/processes.ts';
import { cleanUp, startTestServer } from './support/server.ts';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

const held = (gate: string): string => script({ hold: gate, say: 'released' });

test('a killed server takes its agents and their commands along, without a restart', async () => {
  const server = await startTestServer();
  const { session_id } = await server.createSession({ allowed_tools: ['Bash'] });
  const beats = join(server.root, 'beats');
  const loop = `${escaping('killed.pid')}; while :; do echo beat >> beats; sleep 0.05; done`;
  const running = server.send(session_id, script({ tools: [{ name: 'Bash', input: { command: loop } }] }));
  await vi.waitFor(() => expect(statSync(beats).size).toBeGreaterThan(20), WAIT);
  const escaped = await pidIn(join(server.root, 'killed.pid'), session_id);
  const agents = processesOf(session_id);
  expect(agents.length).toBeGreaterThan(1);
  const children = childrenOf(server.pid);
  expect(children.length).toBeGreaterThan(1);

  const cut = expect(running).rejects.toThrow();
  await server.kill();
  await cut;
  await vi.waitFor(() => {
    expect(processesOf(session_id)).toEqual([]);
    // Also the one that nothing can recognise by its environment, and what watched over them.
    expect([escaped, ...children].filter(isAlive)).toEqual([]);
  }, WAIT);
  const { size } = statSync(beats);
  await sleep(300);
  expect(statSync(beats).size).toBe(size);
  await server.demo.close();
  rmSync(join(server.home, '..'), { recursive: true });
});

test('a log that nobody reads blocks neither the server nor its exit when the terminal closes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'agent-server-log-'));
  const pipe = join(folder, 'log');
  execFileSync('mkfifo', [pipe]);
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  expect(() => {
    for (;;) writeSync(reader, 'x'.repeat(4096));
  }).toThrow('EAGAIN');
  const log = openSync(pipe, constants.O_WRONLY);
  const server = await startTestServer({ log, env: { AGENT_SERVER_LOG_LEVEL: 'debug' } });
  try {
    expect((await server.call('GET', '/health')).status).toBe(200);
    expect(await server.stop('SIGHUP')).toBe(0);
  } finally {
    await cleanUp(server);
    for (const fd of [reader, log]) closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('shuts down a loaded server in order: exit code 0, nothing left behind, queued messages kept', async () => {
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
    const children = childrenOf(server.pid);

    const started = Date.now();
    expect(await server.stop(signal)).toBe(0);
    // 1 second of grace for running turns; a hang would be far beyond this.
    expect(Date.now() - started).toBeLessThan(15_000);
    expect(await running).toMatchObject({ status: 200, body: { error: { code: 'server_shutdown' } } });
    expect([session_id, waiting.session_id].flatMap(processesOf)).toEqual([]);
    expect(children.filter(isAlive)).toEqual([]);

    const again = await startTestServer({ on: server });
    try {
      const end = await firstFrame(
        again.stream(`/sessions/${session_id}/events`),
        (frame) => frame.event === 'turn.completed' && frame.data.turn_id === queued.body.turn_id,
      );
      expect(end.data.data.result.messages).toEqual([{ type: 'text', content: 'after the restart' }]);
      // A permission that can wait without its process waits on.
      expect((await again.status(waiting.session_id)).pending_permissions).toMatchObject([
        { request_id: permission, durable: true, state: 'pending' },
      ]);
    } finally {
      await cleanUp(again);
    }
  }, 60_000);
});

test('a message that the agent begins by itself during the shutdown is a turn, and is answered once', async () => {
  const server = await startTestServer();
  const { session_id: id } = await server.createSession();
  const headers = { prefer: 'respond-async' };
  const post = (body: Record<string, unknown>) =>
    server.call('POST', `/sessions/${id}/messages`, body, { headers });
  await post({ message: held('last words') });
  await server.demo.model.gates.reached('last words');
  const given = await post({ message: script({ hold: 'given', say: 'taken' }), when_busy: 'steer' });
  expect(given.status).toBe(202);

  const stopped = server.stop();
  await vi.waitFor(async () => expect((await server.call('GET', '/ready')).status).toBe(503), WAIT);
  server.demo.model.gates.release('last words');
  await server.demo.model.gates.reached('given');
  server.demo.model.gates.release('given');
  expect(await stopped).toBe(0);

  const again = await startTestServer({ on: server });
  try {
    const turn = await again.call('GET', `/sessions/${id}/turns/${given.body.message_id}`);
    expect(turn.body).toMatchObject({ state: 'completed', result: { messages: [{ content: 'taken' }] } });
    expect(JSON.stringify(await again.send(id, 'say and on'))).toContain('and on');
  } finally {
    await cleanUp(again);
  }
}, 60_000);

test('npm start ends its server, whatever ends npm', async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-npm-')));
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
  };
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const args = ['start', '--', '--demo', '--port', '0', '--home', folder, '--root', folder];
    const npm = spawn('npm', args, { cwd: REPOSITORY, env, stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    for await (const chunk of npm.stdout) {
      said += String(chunk);
      if (said.includes('listening on')) break;
    }
    const server = await pidIn(join(folder, 'server.pid'));
    expect(isAlive(server)).toBe(true);
    npm.kill(signal);
    await vi.waitFor(() => expect(isAlive(server)).toBe(false), WAIT);
  }
  (await takeHome(folder)).release();
  rmSync(folder, { recursive: true, maxRetries: 5 });
}, 60_000);
