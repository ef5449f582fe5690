/** When workspaces are saved and restored, and what failures leave. */
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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

let world: WorkspaceWorld;
beforeEach(() => {
  world = createWorkspaceWorld();
});
afterEach(() => world.close());

const workspaceOf = async ({ id }: SessionRecord) => (await world.store.getSession(id))?.workspace;

describe('a saved state', () => {
  test('brings the folder back when it is gone, or a link by now', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    await work(workspaces, session, write(session, 'a.txt', 'two\n'));
    expect(await workspaces.saved(session.id)).toBe(true);
    lose(session);
    await workspaces.ready(session);
    expect(read(session, 'a.txt')).toBe('two\n');
    renameSync(session.cwd, join(world.base, 'moved'));
    symlinkSync(join(world.base, 'moved'), session.cwd);
    await workspaces.ready(session);
    expect(realpathSync(session.cwd)).toBe(session.cwd);
    expect(await eventsOf(world, session, 'session.workspace')).toEqual([
      { action: 'restored', problem: null },
      { action: 'restored', problem: null },
    ]);
  });

  test('of another server is newer than the folder here', async () => {
    const [one, two] = [world.start('one'), world.start('two', { folder: join(world.base, 'elsewhere') })];
    const session = await newSession(world, one);
    await work(one, session, write(session, 'a.txt', 'here\n'));
    await one.saved(session.id);
    // The same path on another machine: there the folder does not exist.
    const parked = join(world.base, 'parked');
    renameSync(dirname(session.cwd), parked);
    const there = world.start('three');
    await work(there, session, write(session, 'a.txt', 'there\n'));
    expect(await there.saved(session.id)).toBe(true);
    rmSync(dirname(session.cwd), { recursive: true });
    renameSync(parked, dirname(session.cwd));
    expect(read(session, 'a.txt')).toBe('here\n');
    await one.ready(session);
    expect(read(session, 'a.txt')).toBe('there\n');
    expect(await failureOf(two.ready(session))).toMatch(/^409 workspace_unavailable: .*same --workspaces/);
  });

  test('does not touch a folder with changes that it does not have', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    await work(workspaces, session, write(session, 'a.txt', 'saved\n'));
    await workspaces.saved(session.id);
    // The server died before it could save.
    writeFileSync(join(session.cwd, 'a.txt'), 'not saved\n');
    await world.start('one').ready(session);
    expect(read(session, 'a.txt')).toBe('not saved\n');
    expect(await eventsOf(world, session, 'session.workspace')).toEqual([]);
  });

  test('replaces the one before, and keeps the bundle that it needs', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    const first = (await workspaceOf(session))?.saved.object;
    for (const text of ['two\n', 'three\n', 'four\n']) {
      await work(workspaces, session, () => {
        write(session, 'a.txt', text)();
        git(session.cwd, 'commit', '-qam', text);
      });
      await workspaces.saved(session.id);
    }
    const saved = (await workspaceOf(session))?.saved;
    expect(saved).toMatchObject({ version: 4, base: first });
    expect(await world.objects.list('')).toEqual([first?.key, saved?.object.key].sort());
    lose(session);
    await workspaces.ready(session);
    expect(git(session.cwd, 'log', '--format=%s')).toBe('four\nthree\ntwo\nfirst\n');
  });

  test('that cannot be had is 409, and had when that is over', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    lose(session);
    world.before = (operation) => {
      if (operation === 'read') throw new Error('the bucket is away');
    };
    expect(await failureOf(workspaces.ready(session))).toMatch(
      /^409 workspace_unavailable: .*the bucket is away\. Nothing was lost/,
    );
    expect(existsSync(session.cwd)).toBe(false);
    world.before = () => {};
    await Promise.all([workspaces.ready(session), workspaces.ready(session)]);
    expect(read(session, 'a.txt')).toBe('one\n');
    expect(await eventsOf(world, session, 'session.workspace')).toHaveLength(1);
  });

  test('that is damaged is 409, and nothing of it is unpacked', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    lose(session);
    const file = join(world.base, 'objects', session.workspace?.saved.object.key ?? '');
    const content = readFileSync(file);
    content[content.length - 20] = (content[content.length - 20] ?? 0) ^ 1;
    writeFileSync(file, content);
    expect(await failureOf(workspaces.ready(session))).toMatch(
      /^409 workspace_unavailable: .*not as it was saved/,
    );
    expect(existsSync(session.cwd)).toBe(false);
    expect(readdirSync(join(world.base, 'workspaces', '.tmp-one'))).toEqual(['new']);
  });
});

describe('a save', () => {
  test('that fails is told once, keeps the folder, and the next one succeeds', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    world.before = (operation) => {
      if (operation === 'put') throw new Error('the bucket is away');
    };
    for (const text of ['two\n', 'three\n']) {
      await work(workspaces, session, write(session, 'a.txt', text));
      expect(await workspaces.saved(session.id)).toBe(false);
    }
    expect((await workspaceOf(session))?.problem).toMatchObject({
      code: 'workspace_not_saved',
      message: expect.stringMatching(/the bucket is away.*still in the folder/),
    });
    expect(await eventsOf(world, session, 'session.workspace')).toMatchObject([
      { action: 'not_saved', problem: { code: 'workspace_not_saved' } },
    ]);
    await workspaces.ready(session);
    expect(read(session, 'a.txt')).toBe('three\n');
    world.before = () => {};
    await work(workspaces, session, () => {});
    expect(await workspaces.saved(session.id)).toBe(true);
    expect((await workspaceOf(session))?.problem).toBeNull();
    lose(session);
    await workspaces.ready(session);
    expect(read(session, 'a.txt')).toBe('three\n');
  });

  test('of a folder that is too large keeps the state before, and the folder', async () => {
    const workspaces = world.start('one', { maxBytes: 50_000 });
    const session = await newSession(world, workspaces);
    const large = noise(100_000);
    await work(workspaces, session, () => writeFileSync(join(session.cwd, 'large'), large));
    expect(await workspaces.saved(session.id)).toBe(false);
    expect(await workspaceOf(session)).toMatchObject({
      saved: { version: 1 },
      problem: { code: 'workspace_too_large', message: expect.stringContaining('remove what is not needed') },
    });
    await workspaces.ready(session);
    expect(existsSync(join(session.cwd, 'large'))).toBe(true);
    await work(workspaces, session, () => rmSync(join(session.cwd, 'large')));
    expect(await workspaces.saved(session.id)).toBe(true);
    expect((await workspaceOf(session))?.problem).toBeNull();
  });

  test.each(['before it was noted', 'after it was noted'])(
    'whose server died right %s leaves a folder that counts as current',
    async (when) => {
      const workspaces = world.start();
      const session = await newSession(world, workspaces);
      const state = join(dirname(session.cwd), '.state.json');
      const first = readFileSync(state, 'utf8');
      await work(workspaces, session, write(session, 'a.txt', 'two\n'));
      await workspaces.saved(session.id);
      const saved = await workspaceOf(session);
      const { key, base: bundle } = JSON.parse(first);
      // What stands beside the folder between the two: the old state, and the one that may be the newest.
      writeFileSync(state, JSON.stringify({ key, base: bundle, next: saved?.saved.object.key }));
      if (when === 'before it was noted') {
        await world.store.write([
          { kind: 'update-session', id: session.id, set: { workspace: session.workspace } },
        ]);
      }
      writeFileSync(join(session.cwd, 'a.txt'), 'three\n');
      const again = world.start('one');
      await again.recover();
      await again.ready(session);
      expect(read(session, 'a.txt')).toBe('three\n');
      await work(again, session, () => {});
      expect(await again.saved(session.id)).toBe(true);
      lose(session);
      await again.ready(session);
      expect(read(session, 'a.txt')).toBe('three\n');
    },
  );

  test('holds up an agent only while it reads the folder', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    const stored = Promise.withResolvers<void>();
    const storing = Promise.withResolvers<void>();
    world.before = (operation) => {
      if (operation !== 'put') return;
      storing.resolve();
      return stored.promise;
    };
    await work(workspaces, session, write(session, 'a.txt', 'two\n'));
    await storing.promise;
    // It is being stored, and an agent works again.
    await work(workspaces, session, write(session, 'a.txt', 'three\n'));
    stored.resolve();
    expect(await workspaces.saved(session.id)).toBe(true);
    expect((await workspaceOf(session))?.saved.version).toBe(3);
    lose(session);
    await workspaces.ready(session);
    expect(read(session, 'a.txt')).toBe('three\n');
  });

  test('is waited for at the end, and a clone is given up', async () => {
    const workspaces = world.start();
    const session = await newSession(world, workspaces);
    await work(workspaces, session, write(session, 'a.txt', 'two\n'));
    await workspaces.close();
    expect((await workspaceOf(session))?.saved.version).toBe(2);
    expect(
      await failureOf(workspaces.prepare(randomUUID(), { git: `file://${world.origin}` }, 'default')),
    ).toMatch(/^503 server_stopping/);
  });
});
