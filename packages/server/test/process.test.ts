import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { takeHome } from '../src/lock.ts';
import { processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

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

const WAIT = { timeout: 20_000, interval: 20 };

/** A command that starts another which leaves group, terminal session, parent and environment behind. */
const escaping = (pidFile: string): string =>
  `(env -i /usr/bin/env setsid sh -c 'echo $$ > ${pidFile}; exec sleep 600' > /dev/null 2>&1 &)`;

async function pidIn(file: string): Promise<number> {
  return vi.waitFor(() => {
    const pid = Number(readFileSync(file, 'utf8'));
    expect(pid).toBeGreaterThan(1);
    return pid;
  }, WAIT);
}

/** Whether it runs; who is dead and not yet waited for does not. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

function makeDatabase(home: string, sql: string): void {
  const db = new DatabaseSync(join(home, 'server.db'));
  db.exec(sql);
  db.close();
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

  test('is left alone by a server that starts, and ends, on a copy of the home', async () => {
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
    const escaped = await pidIn(join(server.root, 'closed.pid'));
    expect(isAlive(escaped)).toBe(true);
    expect(processesOf(session_id).length).toBeGreaterThan(1);
    await server.call('DELETE', `/sessions/${session_id}`);
    expect(processesOf(session_id)).toEqual([]);
    expect(isAlive(escaped)).toBe(false);
  });
});

test('a server that is killed takes its agents and their commands along, with nobody to start it again', async () => {
  const server = await startTestServer();
  const { session_id } = await server.createSession({ allowed_tools: ['Bash'] });
  const beats = join(server.root, 'beats');
  const loop = `${escaping('killed.pid')}; while :; do echo beat >> beats; sleep 0.05; done`;
  const running = server.send(session_id, script({ tools: [{ name: 'Bash', input: { command: loop } }] }));
  await vi.waitFor(() => expect(statSync(beats).size).toBeGreaterThan(20), WAIT);
  const escaped = await pidIn(join(server.root, 'killed.pid'));
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

test('a log that nobody reads does not hold the server up, nor its end when the terminal closes', async () => {
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

test('npm start ends its server, whatever ends npm', async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-npm-')));
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
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

describe.concurrent('a start that cannot go on', () => {
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

  test.each<[string, (home: string) => void, string]>([
    [
      'a database that is none',
      (home) => writeFileSync(join(home, 'server.db'), 'no database'.repeat(99)),
      'cannot be used: file is not a database',
    ],
    [
      'the database of another program',
      (home) => makeDatabase(home, 'create table notes (text)'),
      'the database of another program',
    ],
    [
      'a database of a newer version',
      (home) =>
        makeDatabase(
          home,
          `create table migrations (version integer primary key, applied_at text); insert into migrations values (999, '')`,
        ),
      'schema version 999',
    ],
    [
      'what the system refuses',
      (home) => mkdirSync(join(home, 'server.url')),
      'The server cannot start: EISDIR: illegal operation on a directory',
    ],
    ['a lock that cannot be opened', (home) => mkdirSync(join(home, 'lock.db')), 'cannot be used: '],
  ])('%s is refused with a sentence', async (name, prepare, sentence) => {
    const home = join(server.home, name);
    mkdirSync(home);
    prepare(home);
    const { code, said } = await runToEnd(['--port', '0', '--home', home, '--root', server.root]);
    expect(said).toContain(sentence);
    expect(said).not.toMatch(/^ +at /m);
    expect(code).toBe(2);
  });

  test('a log level that there is not is refused with a sentence', async () => {
    const { code, said } = await runToEnd([], { AGENT_SERVER_LOG_LEVEL: 'verbose' });
    expect(said).toContain(
      'AGENT_SERVER_LOG_LEVEL must be one of silent, error, warn, info, debug, not "verbose"',
    );
    expect(code).toBe(2);
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
