import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTerminal, PROGRAM, requireTmux } from './support/terminal.ts';

const run = promisify(execFile);
const SCRIPT = resolve(import.meta.dirname, '../../../scripts/chat.ts');
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
});

const isUp = (url: string): Promise<boolean> =>
  fetch(`${url}/health`).then(
    (response) => response.ok,
    () => false,
  );

test('npm run chat -- -p: starts a server, answers from the folder it was typed in, ends the server', async () => {
  const url = await freeAddress();
  const [node = '', ...flags] = COMMAND;
  const { stdout, stderr } = await run(node, [...flags, '--server', url, '-p', 'list files'], {
    env: environment(),
  });
  expect(stdout).toMatch(/^In the working directory:\nhere\.txt\n/);
  expect(stderr).toContain('NOT a real model');
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
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
});
