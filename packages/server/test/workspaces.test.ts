/** Folders that the server makes for sessions, with the real agent and the real git. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Session, SessionEvent } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { type GitHttp, startGitHttp } from './support/git-http.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const TOKEN = 's3cret-token';

let server: TestServer;
let remote: GitHttp;
/** A repository inside the root. */
let origin: string;

const gitIn = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();

const bash = (command: string): string =>
  script({ tools: [{ name: 'Bash', input: { command } }] }, { say: 'done' });

const create = (more: Record<string, unknown> = {}) =>
  server.createSession({
    workspace: { git: `file://${origin}` },
    allowed_tools: ['Bash'],
    ...more,
  });

const sessionOf = async (id: string): Promise<Session> =>
  (await server.call<Session>('GET', `/sessions/${id}`)).body;

const eventsOf = async (id: string, on = server): Promise<SessionEvent[]> =>
  (
    await on.call<{ events: SessionEvent[] }>('GET', `/sessions/${id}/events?limit=10000`, undefined, {
      headers: { accept: 'application/json' },
    })
  ).body.events;

const savedAt = async (id: string): Promise<string | undefined> => (await sessionOf(id)).workspace?.saved_at;
const close = async (id: string): Promise<void> => void (await server.call('DELETE', `/sessions/${id}`));
const lose = (cwd: string): void => rmSync(dirname(cwd), { recursive: true });
const objects = (): string => join(server.home, 'objects');

beforeAll(async () => {
  server = await startTestServer();
  origin = join(server.root, 'origin');
  mkdirSync(origin);
  gitIn(origin, 'init', '-q', '-b', 'main');
  writeFileSync(join(origin, 'a.txt'), 'one\n');
  writeFileSync(join(origin, '.gitignore'), 'node_modules\n');
  gitIn(origin, 'add', '-A');
  gitIn(origin, 'commit', '-q', '-m', 'first');
  remote = await startGitHttp(server.root, 'user', TOKEN);
});
afterAll(async () => {
  await remote?.close();
  await cleanUp(server);
});

describe('a session with a workspace from git', () => {
  test('continues after it slept and its folder is gone, with commits, changes and history', async () => {
    const { session_id: id, cwd } = await create({ sleep_after_seconds: 1 });
    expect(dirname(dirname(cwd))).toBe(join(server.home, 'workspaces'));
    const first = await savedAt(id);
    await server.send(
      id,
      bash(
        [
          'git config user.name agent; git config user.email a@example.com',
          'echo two > b.txt; git add b.txt; git commit -qm second',
          'echo changed > a.txt; echo new > c.txt; mkdir node_modules; echo x > node_modules/x',
        ].join('; '),
      ),
    );
    const log = gitIn(cwd, 'log', '--format=%H %s');
    await expect.poll(async () => (await sessionOf(id)).state).toBe('asleep');
    await expect.poll(() => savedAt(id)).not.toBe(first);
    expect(processesOf(id)).toEqual([]);
    lose(cwd);

    await server.send(id, bash('cat a.txt b.txt c.txt > seen.txt; git log --format=%s >> seen.txt'));
    expect(readFileSync(join(cwd, 'seen.txt'), 'utf8')).toBe('changed\ntwo\nnew\nsecond\nfirst\n');
    expect(gitIn(cwd, 'log', '--format=%H %s')).toBe(log);
    expect(gitIn(cwd, 'status', '--porcelain')).toBe('M a.txt\n?? c.txt\n?? seen.txt');
    expect(existsSync(join(cwd, 'node_modules'))).toBe(false);
    expect(gitIn(cwd, 'remote', 'get-url', 'origin')).toBe(`file://${origin}`);
    expect((await eventsOf(id)).filter(({ type }) => type === 'session.workspace')).toMatchObject([
      { data: { action: 'restored', problem: null } },
    ]);
    expect((await sessionOf(id)).workspace).toMatchObject({
      git: `file://${origin}`,
      ref: null,
      snapshot: null,
      problem: null,
    });
  });

  test('that was closed is resumed in its folder as it was, on the same machine with what git ignores', async () => {
    const { session_id: id, cwd } = await create();
    await server.send(id, bash('echo changed > a.txt; mkdir node_modules; echo x > node_modules/x'));
    await close(id);
    await server.createSession({ resume_session_id: id });
    await server.send(id, bash('cat a.txt node_modules/x > seen.txt'));
    expect(readFileSync(join(cwd, 'seen.txt'), 'utf8')).toBe('changed\nx\n');
    await close(id);
    lose(cwd);
    await server.createSession({ resume_session_id: id });
    expect(readFileSync(join(cwd, 'seen.txt'), 'utf8')).toBe('changed\nx\n');
    expect(existsSync(join(cwd, 'node_modules'))).toBe(false);
  });

  test('whose folder cannot be had is 409 for a message and a resume, and goes on when it can', async () => {
    const { session_id: id, cwd } = await create({ start: 'lazy' });
    lose(cwd);
    renameSync(objects(), `${objects()}-away`);
    for (const [path, body] of [
      [`/sessions/${id}/messages`, { message: 'say hello' }],
      ['/sessions', { resume_session_id: id }],
    ] as const) {
      const { status, body: problem } = await server.call<{ code: string; detail: string }>(
        'POST',
        path,
        body,
      );
      expect([status, problem.code]).toEqual([409, 'workspace_unavailable']);
      expect(problem.detail).toMatch(/no object .*Nothing was lost/);
    }
    renameSync(`${objects()}-away`, objects());
    await server.send(id, 'say hello');
    expect(readFileSync(join(cwd, 'a.txt'), 'utf8')).toBe('one\n');
  });

  test('is forked into a folder of its own, where the conversation goes on', async () => {
    const { session_id: id, cwd } = await create();
    await server.send(id, bash('echo changed > a.txt'));
    const { body: fork } = await server.call<{ session_id: string; cwd: string }>(
      'POST',
      `/sessions/${id}/fork`,
      {},
    );
    expect(dirname(dirname(fork.cwd))).toBe(join(server.home, 'workspaces'));
    await server.send(id, bash('echo again > a.txt'));
    await server.send(fork.session_id, bash('cat a.txt > seen.txt; pwd >> seen.txt'));
    expect(readFileSync(join(fork.cwd, 'seen.txt'), 'utf8')).toBe(`changed\n${fork.cwd}\n`);
    expect(readFileSync(join(cwd, 'a.txt'), 'utf8')).toBe('again\n');
    const { body } = await server.call<{ messages: unknown[] }>(
      'GET',
      `/sessions/${fork.session_id}/messages`,
    );
    expect(JSON.stringify(body.messages)).toContain('echo changed');
  });

  test('leaves nothing when it is erased', async () => {
    const { session_id: id, cwd } = await create({ start: 'lazy' });
    expect(readdirSync(join(objects(), 'sessions', id))).toHaveLength(1);
    await server.call('DELETE', `/sessions/${id}?erase=true`);
    expect(existsSync(dirname(cwd))).toBe(false);
    expect(existsSync(join(objects(), 'sessions', id))).toBe(false);
  });
});

test('a token in the address opens the repository, and is nowhere to be seen', async () => {
  const other = await startTestServer({
    on: server,
    args: ['--home', join(server.home, '..', 'other-home')],
    env: { AGENT_SERVER_LOG_LEVEL: 'debug' },
    config: { workspaces: { git_urls: [`${remote.url}/origin`] } },
  });
  try {
    const address = (path: string): string => remote.url.replace('http://', `http://user:${TOKEN}@`) + path;
    const workspace = { git: address('/origin') };
    const { session_id: id, cwd } = await other.createSession({ workspace, start: 'lazy' });
    expect(readFileSync(join(cwd, 'a.txt'), 'utf8')).toBe('one\n');
    const { body: session } = await other.call<Session>('GET', `/sessions/${id}`);
    expect(session.workspace?.git).toBe(`${remote.url}/origin`);
    const refused = [
      await other.call('POST', '/sessions', { workspace: { git: address('/other') } }),
      await other.call('POST', '/sessions', { workspace: { git: address('/origin/none') } }),
      await other.call('POST', '/sessions', { workspace, cwd: other.root }),
      await other.call('POST', '/sessions', { workspace: { git: `${address('/origin')}?x=1` } }),
    ];
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual([
      [403, 'git_url_not_allowed'],
      [409, 'workspace_unavailable'],
      [422, 'validation_failed'],
      [422, 'validation_failed'],
    ]);
    expect(JSON.stringify([session, refused, await eventsOf(id, other)])).not.toContain(TOKEN);
    expect(remote.commandLines.join('\n')).toContain('git-remote-http');
    expect(remote.commandLines.join('\n')).not.toContain(TOKEN);
    const home = join(server.home, '..', 'other-home');
    expect(spawnSync('grep', ['-rlaF', '-e', TOKEN, home], { encoding: 'utf8' })).toMatchObject({
      status: 1,
      stdout: '',
    });
  } finally {
    await other.stop();
  }
  expect(other.stderr()).not.toContain(TOKEN);
});

test('a snapshot of a session makes others, and a working session gives none', async () => {
  const folder = join(server.root, 'plain');
  mkdirSync(folder);
  const { session_id: id } = await server.createSession({ cwd: folder, allowed_tools: ['Bash'] });
  await server.send(id, bash('echo made > file.txt'));
  const { body: snapshot } = await server.call<{ snapshot_id: string; bytes: number }>(
    'POST',
    `/sessions/${id}/snapshot`,
  );
  const { cwd, session_id: copy } = await create({
    workspace: { snapshot: snapshot.snapshot_id },
    start: 'lazy',
  });
  expect(readFileSync(join(cwd, 'file.txt'), 'utf8')).toBe('made\n');
  expect((await sessionOf(copy)).workspace).toMatchObject({ git: null, snapshot: snapshot.snapshot_id });
  const turn = server.send(id, script({ hold: 'busy' }, { say: 'done' }));
  await expect.poll(async () => (await sessionOf(id)).state).toBe('running');
  const busy = await server.call('POST', `/sessions/${id}/snapshot`);
  expect([busy.status, busy.body.code]).toEqual([409, 'snapshot_busy']);
  server.demo.model.gates.release('busy');
  await turn;
  const remove = () => server.call('DELETE', `/snapshots/${snapshot.snapshot_id}`);
  expect([(await remove()).status, (await remove()).status]).toEqual([200, 404]);
});

test('a server that is stopped saves what its agents have done', async () => {
  const { session_id: id, cwd } = await create();
  await server.send(id, bash('echo changed > a.txt'));
  await server.stop();
  lose(cwd);
  server = await startTestServer({ on: server });
  await server.send(id, bash('cat a.txt > seen.txt'));
  expect(readFileSync(join(cwd, 'seen.txt'), 'utf8')).toBe('changed\n');
});
