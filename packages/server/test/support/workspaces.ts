/** Workspaces without agents: the real git and store, and an object store that fails when it is told to. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { EventType } from 'claude-agent-protocol';
import { createSoleOwnership } from '../../src/cluster/ownership.ts';
import { createFeed } from '../../src/events/feed.ts';
import { createLog } from '../../src/events/log.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { SessionRecord, Store } from '../../src/store/store.ts';
import { createPlaces } from '../../src/workspaces/local.ts';
import { createDirectoryObjects, type ObjectStore } from '../../src/workspaces/objects.ts';
import { createWorkspaces, type Workspaces } from '../../src/workspaces/workspaces.ts';
import { sampleSession } from './samples.ts';

export interface WorkspaceWorld {
  base: string;
  /** A repository with one commit. */
  origin: string;
  store: Store;
  objects: ObjectStore;
  /** What the object store does before it does what it is asked. */
  before: (operation: keyof ObjectStore, key: string, signal?: AbortSignal) => Promise<void> | void;
  errors: string[];
  /** The workspaces of a server; another name is another server. */
  start(name?: string, more?: { maxBytes?: number; folder?: string }): Workspaces;
  close(): Promise<void>;
}

export const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

export function createWorkspaceWorld(): WorkspaceWorld {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'workspaces-test-')));
  const origin = join(base, 'origin');
  mkdirSync(origin);
  git(origin, 'init', '-q', '-b', 'main');
  writeFileSync(join(origin, 'a.txt'), 'one\n');
  git(origin, 'add', '-A');
  git(origin, 'commit', '-q', '-m', 'first');
  const store = openSqliteStore(':memory:');
  const real = createDirectoryObjects(join(base, 'objects'));
  const running: Workspaces[] = [];
  const world: WorkspaceWorld = {
    base,
    origin,
    store,
    before: () => {},
    errors: [],
    objects: {
      async put(object, file, signal) {
        await world.before('put', object.key, signal);
        await real.put(object, file, signal);
      },
      async read(key) {
        await world.before('read', key);
        return real.read(key);
      },
      async remove(key) {
        await world.before('remove', key);
        await real.remove(key);
      },
      list: (prefix) => real.list(prefix),
    },
    start(name = 'one', { maxBytes = 1024 ** 2, folder = join(base, 'workspaces') } = {}) {
      mkdirSync(folder, { recursive: true });
      const workspaces = createWorkspaces({
        store,
        log: createLog({ ownership: createSoleOwnership(store), feed: createFeed() }),
        objects: world.objects,
        places: createPlaces(folder, name),
        env: { PATH: process.env.PATH, HOME: '/nonexistent' },
        maxBytes,
        timeoutSeconds: 30,
        gitUrls: ['file://', 'https://'],
        checkFolder: async (path) => path,
        onError: (error, what) => world.errors.push(`${what}: ${error}`),
      });
      running.push(workspaces);
      return workspaces;
    },
    async close() {
      await Promise.all(running.map((each) => each.close()));
      await store.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
  return world;
}

/** A session with a workspace from the world's repository. */
export async function newSession(
  { store, origin }: WorkspaceWorld,
  workspaces: Workspaces,
  ref?: string,
): Promise<SessionRecord> {
  const id = randomUUID();
  const prepared = await workspaces.prepare(id, { git: `file://${origin}`, ...(ref && { ref }) }, 'default');
  const record = sampleSession({ id, cwd: prepared.cwd, workspace: prepared.record });
  await store.write([{ kind: 'insert-session', session: record }]);
  await prepared.place();
  return record;
}

/** An agent works in the folder. */
export async function work(workspaces: Workspaces, session: SessionRecord, what: () => void): Promise<void> {
  await workspaces.ready(session);
  const end = await workspaces.begin(session);
  what();
  end({ changed: true });
}

export const write =
  ({ cwd }: SessionRecord, name: string, text: string) =>
  (): void =>
    writeFileSync(join(cwd, name), text);

export const read = ({ cwd }: SessionRecord, name: string): string => readFileSync(join(cwd, name), 'utf8');

/** The folder and what stands beside it are gone. */
export const lose = ({ cwd }: SessionRecord): void => rmSync(dirname(cwd), { recursive: true });

export async function eventsOf({ store }: WorkspaceWorld, { id }: SessionRecord, type: EventType) {
  const events = await store.readEvents(id, 0, 100);
  return events.filter((event) => event.type === type).map(({ json }) => JSON.parse(json) as unknown);
}

/** Status, code and sentence of a failure; undefined without one. */
export const failureOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error: { status: number; code: string; message: string }) =>
      `${error.status} ${error.code}: ${error.message}`,
  );

/** Bytes that do not compress. */
export const noise = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size }, () => Math.trunc(Math.random() * 256)));
