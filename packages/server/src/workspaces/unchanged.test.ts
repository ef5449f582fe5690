/** What is not saved again, what is, and what a shutdown leaves for the next start. */
import { randomUUID } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sampleSession } from '../../test/support/samples.ts';
import {
  createWorkspaceWorld,
  eventsOf,
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
import type { SessionRecord } from '../store/store.ts';
import type { Workspaces } from './workspaces.ts';

let world: WorkspaceWorld;
let workspaces: Workspaces;
beforeAll(() => {
  world = createWorkspaceWorld();
  workspaces = world.start();
});
beforeEach(() => {
  world.before = () => {};
});
afterAll(() => world.close());

const workspaceOf = async ({ id }: SessionRecord) => (await world.store.getSession(id))?.workspace;

/** An agent works. @returns the version of the state that is saved then */
const versionAfter = async (session: SessionRecord, what: () => void): Promise<number | undefined> => {
  await work(workspaces, session, what);
  expect(await workspaces.saved(session.id)).toBe(true);
  return (await workspaceOf(session))?.saved.version;
};

describe('a workspace in which nothing changed', () => {
  test('is not saved again: after it was made, saved or restored', async () => {
    const session = await newSession(world, workspaces);
    const puts: string[] = [];
    world.before = (operation, key) => void (operation === 'put' && puts.push(key));
    expect(await versionAfter(session, () => {})).toBe(1);
    expect(await versionAfter(session, write(session, 'a.txt', 'two\n'))).toBe(2);
    expect(await versionAfter(session, () => {})).toBe(2);
    lose(session);
    expect(await versionAfter(session, () => {})).toBe(2);
    expect(puts).toHaveLength(1);
    expect(world.errors).toEqual([]);
  });

  test('is saved when what is saved of it is gone', async () => {
    const session = await newSession(world, workspaces);
    for (const key of await world.objects.list(`sessions/${session.id}/`)) await world.objects.remove(key);
    expect(await versionAfter(session, () => {})).toBe(2);
  });

  test('is not saved because git wrote its index again, or for a file that git ignores', async () => {
    const session = await newSession(world, workspaces);
    const before = statSync(join(session.cwd, '.git/index')).mtimeMs;
    await versionAfter(session, write(session, '.gitignore', 'ignored\n'));
    const version = await versionAfter(session, () => {
      write(session, 'ignored', 'x')();
      // The same content with another time: git finds out and notes that.
      utimesSync(join(session.cwd, 'a.txt'), 1, 1);
      git(session.cwd, 'status');
    });
    expect(statSync(join(session.cwd, '.git/index')).mtimeMs).toBeGreaterThan(before);
    expect(version).toBe(2);
  });
});

describe('a workspace with any change is saved', () => {
  const path = ({ cwd }: SessionRecord, name: string): string => join(cwd, name);
  let session: SessionRecord;
  let version = 1;
  beforeAll(async () => {
    session = await newSession(world, workspaces);
  });

  test.each<[string, () => void]>([
    ['another text', () => write(session, 'a.txt', 'abc\n')()],
    [
      'a text of the same length under the same time',
      () => {
        const { atime, mtime } = statSync(path(session, 'a.txt'));
        write(session, 'a.txt', 'xyz\n')();
        utimesSync(path(session, 'a.txt'), atime, mtime);
      },
    ],
    ['the mode of a file', () => chmodSync(path(session, 'a.txt'), 0o755)],
    ['a new file, empty', () => write(session, 'empty', '')()],
    ['a new name', () => renameSync(path(session, 'empty'), path(session, 'blank'))],
    ['a link', () => symlinkSync('a.txt', path(session, 'link'))],
    ['a repository in it', () => git(session.cwd, 'init', '-q', 'inner')],
    ['a file in that', () => writeFileSync(path(session, 'inner/file'), 'x')],
    ['what is staged', () => git(session.cwd, 'add', 'a.txt')],
    ['a flag in the index', () => git(session.cwd, 'update-index', '--assume-unchanged', 'a.txt')],
    ['a file behind that flag', () => write(session, 'a.txt', 'hidden\n')()],
    ['a commit', () => git(session.cwd, 'commit', '-q', '--allow-empty', '-m', 'more')],
    ['a branch', () => git(session.cwd, 'branch', 'other')],
    ['the configuration', () => git(session.cwd, 'config', 'a.b', 'c')],
    ['a file that is gone', () => rmSync(path(session, 'blank'))],
  ])('%s', async (_, change) => {
    version += 1;
    expect(await versionAfter(session, change)).toBe(version);
  });

  test('in a folder that is no repository too, and not without one', async () => {
    const folder = join(world.base, 'plain');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(folder, 'sub/file'), 'one');
    const { id: snapshot } = await workspaces.snapshot(sampleSession({ cwd: folder }));
    const id = randomUUID();
    const prepared = await workspaces.prepare(id, { snapshot }, 'default');
    const plain = sampleSession({ id, cwd: prepared.cwd, workspace: prepared.record });
    await world.store.write([{ kind: 'insert-session', session: plain }]);
    await prepared.place();
    const versions: (number | undefined)[] = [];
    for (const change of [
      () => {},
      () => appendFileSync(path(plain, 'sub/file'), 'two'),
      () => mkdirSync(path(plain, 'sub/empty')),
      () => chmodSync(path(plain, 'sub'), 0o700),
      () => {},
    ]) {
      versions.push(await versionAfter(plain, change));
    }
    expect(versions).toEqual([1, 2, 3, 4, 4]);
  });
});

test('a later state of a repository holds only what is new, committed, staged or neither', async () => {
  writeFileSync(join(world.origin, 'large'), noise(300_000));
  git(world.origin, 'add', '-A');
  git(world.origin, 'commit', '-q', '-m', 'large');
  const session = await newSession(world, workspaces);
  const sizes: number[] = [];
  for (const change of [
    () => write(session, 'a.txt', 'changed\n')(),
    () => git(session.cwd, 'add', 'a.txt'),
    () => git(session.cwd, 'commit', '-q', '-m', 'second'),
    () => git(session.cwd, 'rm', '-q', '--cached', 'large'),
    () => appendFileSync(join(session.cwd, 'large'), 'end'),
    () => git(session.cwd, 'add', 'large'),
  ]) {
    await versionAfter(session, change);
    sizes.push((await workspaceOf(session))?.saved.object.bytes ?? 0);
  }
  const [edited = 0, staged = 0, committed = 0, removed = 0] = sizes;
  expect(Math.max(edited, staged, committed)).toBeLessThan(20_000);
  // It is untracked then, so it is a file like others; staged again, it is a difference to the one before.
  expect(removed).toBeGreaterThan(300_000);
  expect(sizes.at(-1)).toBeLessThan(20_000);
  lose(session);
  await workspaces.ready(session);
  expect(git(session.cwd, 'status', '--short')).toBe('M  large\n');
  expect(statSync(join(session.cwd, 'large')).size).toBe(300_003);
  expect(git(session.cwd, 'fsck', '--full')).not.toMatch(/missing|error/);
});

describe('a shutdown', () => {
  /** The object store takes until it is given up. */
  const hang = () => {
    world.before = (operation, _, signal) =>
      operation === 'put'
        ? new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
        : undefined;
  };

  const stopInSave = async (name: string): Promise<SessionRecord> => {
    const one = world.start(name);
    const session = await newSession(world, one);
    hang();
    await work(one, session, write(session, 'a.txt', 'late\n'));
    const before = performance.now();
    one.stopWithin(0);
    expect(await one.saved(session.id)).toBe(false);
    await one.close();
    expect(performance.now() - before).toBeLessThan(10_000);
    world.before = () => {};
    return session;
  };

  test('gives up a save that takes too long; the next start finishes it', async () => {
    const session = await stopInSave('first');
    expect((await workspaceOf(session))?.problem).toMatchObject({
      code: 'workspace_not_saved',
      message: expect.stringContaining('goes on with it when it starts again'),
    });
    expect(await eventsOf(world, session, 'session.workspace')).toMatchObject([{ action: 'not_saved' }]);
    const again = world.start('first');
    await again.resumeSaves((id) => world.store.getSession(id));
    expect(await workspaceOf(session)).toMatchObject({ saved: { version: 2 }, problem: null });
    lose(session);
    await again.ready(session);
    expect(read(session, 'a.txt')).toBe('late\n');
  });

  test('keeps the session from a server that has only an older state, until the newest is saved', async () => {
    const session = await stopInSave('second');
    // On a file system that both share, the folder itself is the newest.
    await world.start('beside').ready(session);
    expect(read(session, 'a.txt')).toBe('late\n');
    const kept = join(world.base, 'kept');
    renameSync(dirname(session.cwd), kept);
    const elsewhere = world.start('elsewhere');
    expect(await failureOf(elsewhere.ready(session))).toMatch(
      /^409 workspace_unavailable: .*only in the folder of the server second.*Start that server again.*force/,
    );
    expect(existsSync(session.cwd)).toBe(false);
    renameSync(kept, dirname(session.cwd));
    await world.start('second').resumeSaves((id) => world.store.getSession(id));
    lose(session);
    await elsewhere.ready(session);
    expect(read(session, 'a.txt')).toBe('late\n');
  });

  test('lets a caller go on from the older state who says so', async () => {
    const session = await stopInSave('third');
    lose(session);
    const elsewhere = world.start('elsewhere');
    await elsewhere.settleForSaved(session.id);
    await elsewhere.ready(session);
    expect(read(session, 'a.txt')).toBe('one\n');
  });
});

test('a crash leaves changes that the next start saves, unless another server has gone on', async () => {
  const one = world.start('crashed');
  const [kept, moved] = [await newSession(world, one), await newSession(world, one)];
  for (const session of [kept, moved]) {
    await one.ready(session);
    await one.begin(session);
    write(session, 'a.txt', 'unsaved\n')();
  }
  const parked = join(world.base, 'parked');
  renameSync(dirname(moved.cwd), parked);
  const two = world.start('other');
  await work(two, moved, write(moved, 'a.txt', 'there\n'));
  expect(await two.saved(moved.id)).toBe(true);
  rmSync(dirname(moved.cwd), { recursive: true });
  renameSync(parked, dirname(moved.cwd));
  const again = world.start('crashed');
  await again.resumeSaves((id) => world.store.getSession(id));
  expect([await workspaceOf(kept), await workspaceOf(moved)]).toMatchObject([
    { saved: { version: 2 } },
    { saved: { version: 2 } },
  ]);
  for (const [session, text] of [
    [kept, 'unsaved\n'],
    [moved, 'there\n'],
  ] as const) {
    lose(session);
    await again.ready(session);
    expect(read(session, 'a.txt')).toBe(text);
  }
});
