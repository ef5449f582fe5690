import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkspaceSource } from 'claude-agent-protocol';
import type { Env } from '../agent/environment.ts';
import { AppError, messageOf, problem } from '../errors.ts';
import type { Store, WorkspaceRecord } from '../store/store.ts';
import { type CaptureOptions, capture, fingerprint, restore } from './capture.ts';
import { clone } from './clone.ts';
import { type Places, remove, writeState } from './local.ts';
import { describeFile, fetchObject, type ObjectStore } from './objects.ts';
import { TooLarge } from './run-git.ts';
import { findSnapshot } from './snapshots.ts';
import { type GitUrls, readRepository } from './source.ts';

/** A folder that was made for a session which does not exist yet. */
export interface Prepared {
  cwd: string;
  record: WorkspaceRecord;
  /** The session is written: its folder takes its place. */
  place(): Promise<void>;
  /** The session was not made. */
  discard(): Promise<void>;
}

export interface PreparationDeps {
  store: Store;
  objects: ObjectStore;
  places: Places;
  env: Env;
  /** The most bytes that a saved state may have. */
  maxBytes: number;
  /** How long a clone, a save or a restore may take. */
  timeoutSeconds: number;
  gitUrls: GitUrls;
  /** @throws AppError when a repository on this machine is not inside the roots */
  checkFolder(path: string): Promise<string>;
  /** Makes a folder that the server made the tenant's, where its agents run as a user of their own. */
  give?: ((tenant: string, folder: string) => Promise<void>) | undefined;
  onError(error: unknown, what: string): void;
  /** Fires when the server shuts down. */
  closing: AbortSignal;
}

/** A folder that is being made, which does not exist yet. */
type Making = Omit<CaptureOptions, 'limit'>;

/** What is in it: its state as a file, and the commits that later states can do without. */
interface Filled {
  file: string;
  tips: string[] | undefined;
}

/** Makes the folders of new sessions. */
export function createPreparation(deps: PreparationDeps) {
  const { store, objects, env, maxBytes, timeoutSeconds, closing } = deps;
  const { folder, temporary, withScratch } = deps.places;

  /** Makes a folder and its first saved state. */
  const make = async (
    id: string,
    name: string,
    source: WorkspaceRecord['source'],
    tenant: string,
    fill: (making: Making) => Promise<Filled>,
  ): Promise<Prepared> => {
    const wrapper = join(temporary, 'new', id);
    const discard = async (): Promise<void> => {
      await removeAll(objects, id);
      await remove(wrapper);
    };
    try {
      await mkdir(wrapper, { recursive: true, mode: 0o700 });
      const saved = await withScratch(async (scratch) => {
        const signal = AbortSignal.any([closing, timeLimit(timeoutSeconds)]);
        const making = { cwd: join(wrapper, name), scratch, env, signal };
        const { file, tips } = await fill(making);
        // Before the fingerprint, which has the times of changes of owners too.
        await deps.give?.(tenant, making.cwd);
        const object = await describeFile(newKey(id, 1), file);
        await objects.put(object, file, signal);
        await writeState(wrapper, {
          key: object.key,
          base: tips ? { key: object.key, tips } : null,
          fingerprint: await fingerprint(making, 'git' in source),
        });
        return { version: 1, at: new Date().toISOString(), object, base: null };
      });
      return {
        cwd: join(folder, id, name),
        record: { source, saved, problem: null },
        place: () => rename(wrapper, join(folder, id)),
        discard,
      };
    } catch (error) {
      await discard().catch((failure: unknown) => deps.onError(failure, 'remove a workspace'));
      throw problemOf(error, { ...deps, creating: true });
    }
  };

  const fromGit = async (
    id: string,
    asked: Extract<WorkspaceSource, { git: string }>,
    tenant: string,
  ): Promise<Prepared> => {
    const repository = readRepository(asked, deps.gitUrls);
    if (repository.protocol === 'file') await deps.checkFolder(fileURLToPath(repository.url));
    const { url, name, ref = null } = repository;
    return make(id, name, { git: url, ref }, tenant, async (making) => {
      await clone({ ...making, repository, limit: maxBytes });
      const made = await capture({ ...making, limit: maxBytes }, true, undefined);
      return { file: made.file, tips: made.form === 'git' ? made.tips : undefined };
    });
  };

  const fromSnapshot = async (id: string, snapshot: string, tenant: string): Promise<Prepared> => {
    const object = await findSnapshot(objects, snapshot).catch((error: unknown) => {
      throw problemOf(error, { ...deps, creating: true });
    });
    return make(id, 'workspace', { snapshot }, tenant, async (making) => {
      const file = join(making.scratch, 'snapshot');
      await fetchObject(objects, object, file);
      await mkdir(making.cwd);
      return { file, tips: await restore(making, file, undefined) };
    });
  };

  const prepare = (id: string, asked: WorkspaceSource, tenant: string): Promise<Prepared> =>
    'git' in asked ? fromGit(id, asked, tenant) : fromSnapshot(id, asked.snapshot, tenant);

  /** A copy of another session's folder, for a fork. */
  const copy = (id: string, cwd: string, { source }: WorkspaceRecord, tenant: string): Promise<Prepared> =>
    make(id, basename(cwd), source, tenant, async (making) => {
      const made = await capture({ ...making, cwd, limit: maxBytes }, 'git' in source, undefined);
      await mkdir(making.cwd);
      return { file: made.file, tips: await restore(making, made.file, undefined) };
    });

  return {
    prepare,
    copy,

    async recover() {
      const fresh = join(temporary, 'new');
      for (const id of await readdir(fresh).catch(() => [])) {
        // A session that was written has all it needs in the object store.
        if (!(await store.getSession(id))) await removeAll(objects, id);
      }
      await remove(temporary);
    },
  };
}

export const timeLimit = (seconds: number): AbortSignal => AbortSignal.timeout(seconds * 1000);

/** A key that no object has had before. */
export const newKey = (id: string, version: number): string =>
  `sessions/${id}/${version}-${randomBytes(6).toString('hex')}`;

/** Removes all objects of a session's workspace. */
export async function removeAll(objects: ObjectStore, id: string): Promise<void> {
  for (const key of await objects.list(`sessions/${id}/`)) await objects.remove(key);
}

/** A failure to make or restore a folder, for a caller. */
export function problemOf(
  error: unknown,
  deps: Pick<PreparationDeps, 'maxBytes' | 'timeoutSeconds' | 'closing'> & { creating: boolean },
): AppError {
  const { maxBytes, timeoutSeconds, closing, creating } = deps;
  if (error instanceof AppError) return error;
  if (closing.aborted) return problem('server_stopping', { kept: false });
  if (error instanceof TooLarge) return problem('workspace_too_large', { limit: maxBytes, creating });
  return problem('workspace_unavailable', { why: sentenceOf(error, timeoutSeconds), creating });
}

/** What went wrong, as a sentence. */
export function sentenceOf(error: unknown, seconds: number): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return `It took longer than ${seconds} seconds.`;
  const words = messageOf(error);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
