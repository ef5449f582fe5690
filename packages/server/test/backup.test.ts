import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { conversationsOn } from './support/conversations.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
let server: TestServer;
let base: string;

beforeAll(async () => {
  server = await startTestServer();
  base = join(server.home, '..');
});
afterAll(() => cleanUp(server));

/** Runs `backup` or `restore`, with this folder as the user's. */
function run(userHome: string, ...args: string[]): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=claude-agent-source', MAIN, ...args],
    {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: userHome,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
      },
      encoding: 'utf8',
    },
  );
  return { code: status, said: stdout + stderr };
}

const folder = (name: string): string => {
  const path = join(base, name);
  mkdirSync(path, { recursive: true });
  return path;
};

test('a backup of a running server, restored elsewhere, continues its sessions', {
  timeout: 60_000,
}, async () => {
  const { id, conversation } = await conversationsOn(() => server).cleared();
  const { session_id: other } = await server.createSession();
  // The copy is made while this turn runs.
  const running = server.send(other, 'say damson').catch(() => undefined);
  const file = join(base, 'saved.backup');
  expect(run(server.userHome, 'backup', file, '--home', server.home)).toMatchObject({ code: 0 });
  await running;
  await server.send(id, 'say cherry');

  const [home, userHome] = [join(base, 'restored'), folder('user-2')];
  expect(run(userHome, 'restore', file, '--home', home)).toMatchObject({ code: 0 });
  const restored = await startTestServer({ on: { ...server, home, userHome } });
  try {
    const { recall, eventsOf } = conversationsOn(() => restored);
    expect(await restored.status(id)).toMatchObject({ conversation_id: conversation, status: 'connected' });
    const said = await recall(id);
    expect(said).toMatch(/banana/);
    // Said after the backup, and before /clear.
    expect(said).not.toMatch(/cherry|apple/);
    expect((await eventsOf(id)).some(({ type }) => type === 'session.conversation')).toBe(true);
    expect(await eventsOf(id)).not.toContainEqual(
      expect.objectContaining({ data: expect.objectContaining({ trigger: 'transcript_lost' }) }),
    );
  } finally {
    await restored.stop();
  }
  const again = run(userHome, 'restore', file, '--home', home);
  expect(again).toMatchObject({ code: 2, said: expect.stringMatching(/is not empty/) });
});

test('a home in use, a file that is no backup, and one of a newer version are refused and change nothing', () => {
  const file = join(base, 'other.backup');
  const userHome = folder('user-3');
  expect(run(server.userHome, 'backup', file, '--home', server.home)).toMatchObject({ code: 0 });
  const refused = (args: string[], words: RegExp): void =>
    expect(run(userHome, ...args)).toMatchObject({ code: 2, said: expect.stringMatching(words) });
  refused(['backup', file, '--home', server.home], /exists already/);
  refused(['backup', join(base, 'none'), '--home', folder('no-home')], /no database in/);
  refused(['restore', file, '--home', server.home], /Another server .* uses the home/);
  refused(['restore', join(base, 'missing')], /There is no file/);

  const home = folder('empty');
  const noBackup = join(base, 'text');
  writeFileSync(noBackup, 'not a database');
  refused(['restore', noBackup, '--home', home], /cannot be restored/);
  refused(['restore', join(server.home, 'server.db'), '--home', home], /not a backup/);
  const db = new DatabaseSync(file);
  db.exec("insert into migrations values (999, '')");
  db.close();
  refused(['restore', file, '--home', home], /Start a newer claude-agent-server/);
  expect(readdirSync(home)).toEqual([]);
});
