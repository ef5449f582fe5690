import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTerminal, PROGRAM, requireTmux } from './support/terminal.ts';

const run = promisify(execFile);
const REPOSITORY = resolve(import.meta.dirname, '../../..');
const SCRIPT = join(REPOSITORY, 'scripts/chat.ts');
/** The same Node and flags as the program itself, with another file. */
const COMMAND = [...PROGRAM.slice(0, -1), SCRIPT];

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'claude-agent-chat-')));
  writeFileSync(join(folder, 'here.txt'), '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const freeAddress = (): Promise<string> =>
  new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(`http://127.0.0.1:${port}`));
    });
  });

const environment = (): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  HOME: folder,
  INIT_CWD: folder,
  AGENT_SERVER_HOME: join(folder, 'home'),
  IS_SANDBOX: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
});

const isUp = (url: string): Promise<boolean> =>
  fetch(`${url}/health`).then(
    (response) => response.ok,
    () => false,
  );

test('npm run chat -- --help starts no server', async () => {
  const [node = '', ...flags] = COMMAND;
  const { stdout, stderr } = await run(node, [...flags, '--server', await freeAddress(), '--help'], {
    env: environment(),
  });
  expect(stdout).toContain(`Usage: npm --prefix ${REPOSITORY} run chat -- [command] [flags]`);
  expect(stderr).toBe('');
});

test('npm run chat -- -p: starts a server, answers from the folder it was typed in, ends the server', async () => {
  const url = await freeAddress();
  const [node = '', ...flags] = COMMAND;
  const { stdout, stderr } = await run(node, [...flags, '--server', url, '-p', 'list files'], {
    env: environment(),
  });
  expect(stdout).toMatch(/^In the working directory:\nhere\.txt\n/);
  expect(stderr).toContain('NOT a real model');
  expect(stderr).toContain(`Console: ${url}/console/`);
  expect(await isUp(url)).toBe(false);
  expect(readFileSync(join(folder, 'home/server.log'), 'utf8')).toContain('shutting down');
});

test('npm run chat in a terminal: the server lives as long as the chat, Ctrl-C is for the turn', async () => {
  requireTmux();
  const url = await freeAddress();
  const terminal = await openTerminal({
    command: COMMAND,
    args: ['--server', url, '--new'],
    cwd: folder,
    env: environment(),
  });
  try {
    await terminal.shows('Type a message', 20_000);
    await terminal.enter('count to 500 slowly');
    await terminal.shows('● 1 2 3');
    await terminal.press('C-c');
    await terminal.shows('■ Interrupted');
    expect(await isUp(url)).toBe(true);
    await terminal.enter('exit');
    expect(await terminal.exitCode()).toBe(0);
    expect(await isUp(url)).toBe(false);
  } finally {
    await terminal.close();
  }
});

test('a second npm run chat on one home joins the first, and keeps the server when the first leaves', async () => {
  requireTmux();
  const url = await freeAddress();
  const open = () =>
    openTerminal({
      command: COMMAND,
      args: ['--server', url, '--new'],
      cwd: folder,
      // As npm sets it.
      env: { ...environment(), npm_package_name: 'claude-agent-server-repository' },
    });
  const first = await open();
  try {
    await first.shows('Type a message', 20_000);
    const second = await open();
    try {
      await second.shows('demo · ', 20_000);
      await first.enter('exit');
      await first.shows('The server goes on: another npm run chat uses it.');
      expect(await first.exitCode()).toBe(0);
      // A server of `npm start` looks twice a second whether its npm is there, and ends with it.
      await pause(1_200);
      await second.enter('say still here');
      await second.shows('● still here');
      await second.enter('exit');
      expect(await second.exitCode()).toBe(0);
      expect(await isUp(url)).toBe(false);
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
  }
});

test.each([
  ['in the repository', ['npm', 'run', 'chat'], () => REPOSITORY],
  ['in another folder', ['npm', '--prefix', REPOSITORY, 'run', 'chat'], () => folder],
])('the line "Go on with" works as it is printed, %s', async (_, npm, where) => {
  requireTmux();
  const address = await freeAddress();
  // Both what was asked for by a flag and what was found in the environment is there again.
  const cwd = where();
  const isNamed = cwd === folder;
  const env = { ...environment(), ...(!isNamed && { CLAUDE_AGENT_SERVER: address }) };
  const first = await openTerminal({
    command: npm,
    args: ['--', ...(isNamed ? ['--server', address] : []), '--new', '--demo'],
    cwd,
    env,
    columns: 200,
  });
  let line = '';
  try {
    await first.shows('Type a message', 30_000);
    await first.enter('say good as printed');
    await first.shows('● good as printed');
    await first.enter('exit');
    line = /^Go on with: (.+)$/m.exec(await first.shows(/^Go on with: .+$/m))?.[1] ?? '';
    expect(await first.exitCode()).toBe(0);
  } finally {
    await first.close();
  }
  const second = await openTerminal({ command: ['sh', '-c', line], args: [], cwd, env, columns: 200 });
  try {
    await second.shows(/> say good as printed\n\n● good as printed/, 30_000);
    await second.enter('what did I say');
    await second.shows(/what did I say\n\n●[\s\S]*say good as printed/);
    await second.enter('exit');
    expect(await second.exitCode()).toBe(0);
  } finally {
    await second.close();
  }
});

test('a server that is there is used, and left running', async () => {
  const url = await freeAddress();
  const [node = '', ...flags] = COMMAND;
  const server = join(SCRIPT, '../../packages/server/src/main.ts');
  const { port } = new URL(url);
  const child = execFile(
    node,
    [
      ...flags.slice(0, -1),
      server,
      '--port',
      port,
      '--home',
      join(folder, 'other'),
      '--root',
      folder,
      '--demo',
    ],
    {
      env: environment(),
    },
  );
  const ended = new Promise((done) => child.once('exit', done));
  try {
    await new Promise<void>((ready) => {
      child.stdout?.on('data', (text: string) => {
        if (text.includes('listening on')) ready();
      });
    });
    const { stdout, stderr } = await run(node, [...flags, '--server', url, '-p', 'say shared'], {
      env: environment(),
    });
    expect({ stdout, stderr }).toEqual({ stdout: 'shared\n', stderr: '' });
    expect(await isUp(url)).toBe(true);

    // Beside the same server without knowing its port: its home says where it is.
    const besides = { ...environment(), AGENT_SERVER_HOME: join(folder, 'other') };
    const joined = await run(node, [...flags, '-p', 'say joined'], { env: besides });
    expect(joined).toEqual({ stdout: 'joined\n', stderr: `Using the server that runs at ${url}\n` });
    const elsewhere = run(node, [...flags, '--server', await freeAddress(), '-p', 'say never'], {
      env: besides,
    });
    await expect(elsewhere).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /none can be started there: the one at http.*Talk to that one with --server/,
      ),
    });
    expect(await isUp(url)).toBe(true);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
});
