import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** Runs the program until it ends by itself. */
async function runToEnd(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, ['--conditions=claude-agent-source', MAIN, ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = await once(child, 'close');
  return { code, said };
}

function makeDatabase(home: string, sql: string): void {
  const db = new DatabaseSync(join(home, 'server.db'));
  db.exec(sql);
  db.close();
}

describe.concurrent('a start that fails', () => {
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
      'a file that is not a database',
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
      'an operation that the system refuses',
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

  test('an unknown log level is refused with a sentence', async () => {
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
