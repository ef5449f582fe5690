/** Workspaces from their creation to their end. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sampleSession } from '../../test/support/samples.ts';
import {
  createWorkspaceWorld,
  failureOf,
  git,
  lose,
  newSession,
  noise,
  read,
  type WorkspaceWorld,
  work,
  write,
} from '../../test/support/workspaces.ts';

let world: WorkspaceWorld;
beforeEach(() => {
  world = createWorkspaceWorld();
});
afterEach(() => world.close());

describe('a new workspace', () => {
  test.each([
    [undefined, 'main', 'one\n'],
    ['side', 'side', 'side\n'],
    ['v1', '', 'one\n'],
  ])('checks out %s', async (ref, branch, text) => {
    git(world.origin, 'tag', 'v1');
    git(world.origin, 'checkout', '-q', '-b', 'side');
    writeFileSync(join(world.origin, 'a.txt'), 'side\n');
    git(world.origin, 'commit', '-qam', 'side');
    git(world.origin, 'checkout', '-q', 'main');
    const session = await newSession(world, world.start(), ref);
    expect(read(session, 'a.txt')).toBe(text);
    expect(git(session.cwd, 'branch', '--show-current').trim()).toBe(branch);
    expect(git(session.cwd, 'status', '--porcelain')).toBe('');
    expect(session.workspace?.source).toEqual({ git: `file://${world.origin}`, ref: ref ?? null });
  });

  test('checks out a commit that no branch has', async () => {
    writeFileSync(join(world.origin, 'a.txt'), 'dropped\n');
    git(world.origin, 'commit', '-qam', 'dropped');
    const dropped = git(world.origin, 'rev-parse', 'HEAD').trim();
    git(world.origin, 'reset', '-q', '--hard', 'HEAD~');
    git(world.origin, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    expect(read(await newSession(world, world.start(), dropped), 'a.txt')).toBe('dropped\n');
  });

  test('of an empty repository is empty', async () => {
    rmSync(world.origin, { recursive: true });
    mkdirSync(world.origin);
    git(world.origin, 'init', '-q', '-b', 'trunk');
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    await work(workspaces, session, write(session, 'new', 'x'));
    expect(await workspaces.saved(session.id)).toBe(true);
    lose(session);
    await workspaces.ready(session);
    expect(readdirSync(session.cwd).sort()).toEqual(['.git', 'new']);
  });

  test.each([
    [
      'a ref that is not there',
      { ref: 'nowhere' },
      /^409 workspace_unavailable: .*no branch, tag or commit "nowhere"/,
    ],
    [
      'a folder that is no repository',
      { git: 'file:///nonexistent' },
      /^409 workspace_unavailable: .*No session was created/,
    ],
    ['an address that is not allowed', { git: 'ssh://host/a' }, /^403 git_url_not_allowed/],
    ['another protocol', { git: 'ext::sh -c id' }, /^422 validation_failed/],
    ['an option as a ref', { ref: '--upload-pack=id' }, /^422 validation_failed/],
  ])('is refused for %s, and leaves nothing', async (_, asked, words) => {
    const workspaces = world.start();
    const source = { git: `file://${world.origin}`, ...asked };
    expect(await failureOf(workspaces.prepare(randomUUID(), source, 'default'))).toMatch(words);
    expect(readdirSync(join(world.base, 'workspaces')).filter((name) => !name.startsWith('.tmp'))).toEqual(
      [],
    );
    expect(await world.objects.list('')).toEqual([]);
  });

  test('that is too large is refused, and leaves nothing', async () => {
    const large = noise(200_000);
    writeFileSync(join(world.origin, 'large'), large);
    git(world.origin, 'add', '-A');
    git(world.origin, 'commit', '-q', '-m', 'large');
    const failure = await failureOf(
      world
        .start('one', { maxBytes: 100_000 })
        .prepare(randomUUID(), { git: `file://${world.origin}` }, 'default'),
    );
    expect(failure).toMatch(/^409 workspace_too_large: .*100000 bytes.*No session was created/);
    expect(await world.objects.list('')).toEqual([]);
  });

  test('that is made twice at once from one repository is two', async () => {
    const workspaces = world.start();
    const sessions = await Promise.all([
      newSession(world, workspaces),
      newSession(world, workspaces),
      newSession(world, workspaces),
    ]);
    expect(new Set(sessions.map(({ cwd }) => cwd)).size).toBe(3);
    for (const session of sessions) expect(read(session, 'a.txt')).toBe('one\n');
  });

  test('keeps no token: not in the folder, its objects, its record or the failure', async () => {
    const id = randomUUID();
    const failure = await failureOf(
      world.start().prepare(id, { git: 'https://user:s3cret-token@127.0.0.1:1/org/name.git' }, 'default'),
    );
    expect(failure).toMatch(/^409 workspace_unavailable: .*127\.0\.0\.1/);
    expect(failure).not.toContain('s3cret');
    expect(world.errors.join()).not.toContain('s3cret');
  });
});

test('a restore that broke off leaves what was there, and the next start removes the rest', async () => {
  const workspaces = world.start();
  const session = await newSession(world, workspaces);
  lose(session);
  const scratch = join(world.base, 'workspaces', '.tmp-one', 'half-restored');
  mkdirSync(scratch, { recursive: true });
  mkdirSync(join(world.base, 'workspaces', '.tmp-other', 'new'), { recursive: true });
  const again = world.start('one');
  await again.recover();
  expect(existsSync(scratch)).toBe(false);
  expect(existsSync(join(world.base, 'workspaces', '.tmp-other', 'new'))).toBe(true);
  await again.ready(session);
  expect(read(session, 'a.txt')).toBe('one\n');
});

test('what a crash left of a session that was being made is removed; what a written one needs is not', async () => {
  const workspaces = world.start();
  const [lost, written] = [randomUUID(), randomUUID()];
  await workspaces.prepare(lost, { git: `file://${world.origin}` }, 'default');
  const prepared = await workspaces.prepare(written, { git: `file://${world.origin}` }, 'default');
  const record = sampleSession({ id: written, cwd: prepared.cwd, workspace: prepared.record });
  await world.store.write([{ kind: 'insert-session', session: record }]);
  const again = world.start('one');
  await again.recover();
  expect(await world.objects.list('sessions/')).toEqual([prepared.record.saved.object.key]);
  await again.ready(record);
  expect(read(record, 'a.txt')).toBe('one\n');
});

test('an erased session leaves no folder and no object, also while it is being saved', async () => {
  const workspaces = world.start();
  const [session, other] = [await newSession(world, workspaces), await newSession(world, workspaces)];
  await work(workspaces, session, write(session, 'a.txt', 'two\n'));
  workspaces.abandon(session.id);
  await workspaces.erase(session.id);
  expect(existsSync(dirname(session.cwd))).toBe(false);
  expect(await world.objects.list('')).toEqual([other.workspace?.saved.object.key]);
  await workspaces.erase(randomUUID());
  await workspaces.erase(other.id);
  expect(await world.objects.list('')).toEqual([]);
});

describe('a snapshot', () => {
  test('of any folder makes new workspaces, as plain files and with what git ignores', async () => {
    const workspaces = world.start();
    writeFileSync(join(world.origin, '.gitignore'), 'ignored\n');
    writeFileSync(join(world.origin, 'ignored'), 'too\n');
    const { id, bytes } = await workspaces.snapshot(sampleSession({ cwd: world.origin }));
    expect(bytes).toBeGreaterThan(100);
    const sessionId = randomUUID();
    const prepared = await workspaces.prepare(sessionId, { snapshot: id }, 'default');
    const record = sampleSession({ id: sessionId, cwd: prepared.cwd, workspace: prepared.record });
    await world.store.write([{ kind: 'insert-session', session: record }]);
    await prepared.place();
    expect(record.workspace?.source).toEqual({ snapshot: id });
    expect(read(record, 'ignored')).toBe('too\n');
    await workspaces.removeSnapshot(id);
    expect(await failureOf(workspaces.prepare(randomUUID(), { snapshot: id }, 'default'))).toMatch(
      /^404 snapshot_not_found/,
    );
    expect(await failureOf(workspaces.removeSnapshot(id))).toMatch(/^404 snapshot_not_found/);
    await work(workspaces, record, write(record, 'ignored', 'changed\n'));
    expect(await workspaces.saved(record.id)).toBe(true);
    lose(record);
    await workspaces.ready(record);
    expect(read(record, 'ignored')).toBe('changed\n');
    expect(git(record.cwd, 'status', '--porcelain')).toBe('?? .gitignore\n');
  });

  test('that is too large is refused', async () => {
    const large = noise(100_000);
    writeFileSync(join(world.origin, 'large'), large);
    const failure = await failureOf(
      world.start('one', { maxBytes: 50_000 }).snapshot(sampleSession({ cwd: world.origin })),
    );
    expect(failure).toMatch(/^409 workspace_too_large/);
    expect(await world.objects.list('')).toEqual([]);
  });
});

test('a copy is a folder of its own, with the changes of the other', async () => {
  const workspaces = world.start();
  const session = await newSession(world, workspaces);
  writeFileSync(join(session.cwd, 'a.txt'), 'changed\n');
  const id = randomUUID();
  const prepared = await workspaces.copy(id, session);
  const copy = sampleSession({ id, cwd: prepared.cwd, workspace: prepared.record });
  await world.store.write([{ kind: 'insert-session', session: copy }]);
  await prepared.place();
  expect(copy.cwd).not.toBe(session.cwd);
  writeFileSync(join(session.cwd, 'a.txt'), 'again\n');
  expect(read(copy, 'a.txt')).toBe('changed\n');
  await workspaces.erase(session.id);
  lose(copy);
  await workspaces.ready(copy);
  expect(read(copy, 'a.txt')).toBe('changed\n');
});
