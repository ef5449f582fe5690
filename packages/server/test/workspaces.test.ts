/** Folders that the server makes for sessions, with the real agent and the real git. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Session, SessionEvent, TurnResult } from 'claude-agent-protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
/** A repository inside the root. */
let origin: string;

const gitIn = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();

const makeOrigin = (name: string): string => {
  const folder = join(server.root, name);
  mkdirSync(folder);
  gitIn(folder, 'init', '-q', '-b', 'main');
  writeFileSync(join(folder, 'a.txt'), 'one\n');
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n');
  gitIn(folder, 'add', '-A');
  gitIn(folder, 'commit', '-q', '-m', 'first');
  gitIn(folder, 'branch', 'side');
  return folder;
};

const bash = (command: string): string =>
  script({ tools: [{ name: 'Bash', input: { command } }] }, { say: 'done' });

const create = async (more: Record<string, unknown> = {}) =>
  server.createSession({
    workspace: { git: `file://${origin}` },
    allowed_tools: ['Bash'],
    sleep_after_seconds: 1,
    ...more,
  });

const sessionOf = async (id: string): Promise<Session> =>
  (await server.call<Session>('GET', `/sessions/${id}`)).body;

const eventsOf = async (id: string): Promise<SessionEvent[]> =>
  (
    await server.call<{ events: SessionEvent[] }>('GET', `/sessions/${id}/events?limit=10000`, undefined, {
      headers: { accept: 'application/json' },
    })
  ).body.events;

/** Waits until the session sleeps, and its folder is saved. */
const asleep = async (id: string, before: string): Promise<void> => {
  await expect.poll(async () => (await sessionOf(id)).state).toBe('asleep');
  await expect.poll(async () => (await sessionOf(id)).workspace?.saved_at).not.toBe(before);
};

const savedAt = async (id: string): Promise<string> => (await sessionOf(id)).workspace?.saved_at ?? '';
const textOf = ({ messages }: TurnResult): string => JSON.stringify(messages);

beforeEach(async () => {
  server = await startTestServer();
  origin = makeOrigin('origin');
});
afterEach(() => cleanUp(server));

describe('a session with a workspace from git', () => {
  test('continues after its folder is gone, with commits, changes and history', async () => {
    const { session_id: id, cwd } = await create();
    expect([dirname(dirname(cwd)), readFileSync(join(cwd, 'a.txt'), 'utf8')]).toEqual([
      join(server.home, 'workspaces'),
      'one\n',
    ]);
    const first = await savedAt(id);
    await server.send(
      id,
      bash(
        'git config user.name agent; git config user.email a@example.com; echo two > b.txt && git add b.txt && git commit -qm second && echo changed > a.txt && echo new > c.txt && mkdir node_modules && echo x > node_modules/x',
      ),
    );
    const log = gitIn(cwd, 'log', '--format=%H %s');
    await asleep(id, first);
    expect(processesOf(id)).toEqual([]);
    rmSync(dirname(cwd), { recursive: true });

    const said = await server.send(
      id,
      bash('cat a.txt b.txt c.txt; git status --porcelain; git log --format=%s'),
    );
    expect(textOf(said)).toContain('done');
    expect(gitIn(cwd, 'log', '--format=%H %s')).toBe(log);
    expect(gitIn(cwd, 'status', '--porcelain')).toBe('M a.txt\n?? c.txt');
    expect(readFileSync(join(cwd, 'a.txt'), 'utf8')).toBe('changed\n');
    expect(readFileSync(join(cwd, 'b.txt'), 'utf8')).toBe('two\n');
    expect(existsSync(join(cwd, 'node_modules'))).toBe(false);
    expect(gitIn(cwd, 'remote', 'get-url', 'origin')).toBe(`file://${origin}`);
    const events = await eventsOf(id);
    expect(events.filter(({ type }) => type === 'session.workspace')).toMatchObject([
      { data: { action: 'restored', problem: null } },
    ]);
    // The old save is gone, the bundle that both need is there.
    const { workspace } = await sessionOf(id);
    expect(workspace).toMatchObject({ git: `file://${origin}`, ref: null, snapshot: null, problem: null });
  });

  test('keeps its folder on the same machine, and what git ignores in it', async () => {
    const { session_id: id, cwd } = await create();
    const first = await savedAt(id);
    await server.send(id, bash('mkdir node_modules; echo x > node_modules/x'));
    await asleep(id, first);
    await server.send(id, bash('echo y > node_modules/y'));
    expect(readdirSync(join(cwd, 'node_modules'))).toEqual(['x', 'y']);
    expect((await eventsOf(id)).filter(({ type }) => type === 'session.workspace')).toEqual([]);
  });
});
