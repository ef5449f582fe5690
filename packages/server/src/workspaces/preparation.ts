import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkspaceSource } from 'claude-agent-protocol';
import type { Env } from '../agent/environment.ts';
import { AppError, messageOf, problem } from '../errors.ts';
import type { SavedObject, Store, WorkspaceRecord } from '../store/store.ts';
import { type Base, type Capture, capture } from './capture.ts';
import { clone } from './clone.ts';
import { type Places, remove, writeState } from './local.ts';
import { describeFile, type ObjectStore } from './objects.ts';
import { TooLarge } from './run-git.ts';
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
  onError(error: unknown, what: string): void;
  /** Fires when the server shuts down. */
  closing: AbortSignal;
}

/** Makes the folders of new sessions. */
export function createPreparation(deps: PreparationDeps) {
  const { store, objects, env, maxBytes, timeoutSeconds, closing } = deps;
  const { folder, temporary, withScratch } = deps.places;

  const prepare = async (id: string, source: WorkspaceSource): Promise<Prepared> => {
    if (!('git' in source)) throw problem('snapshot_not_found', { id: source.snapshot });
    const repository = readRepository(source, deps.gitUrls);
    if (repository.protocol === 'file') await deps.checkFolder(fileURLToPath(repository.url));
    const wrapper = join(temporary, 'new', id);
    const cwd = join(wrapper, repository.name);
    const discard = async (): Promise<void> => {
      await removeAll(objects, id);
      await remove(wrapper);
    };
    const signal = AbortSignal.any([closing, timeLimit(timeoutSeconds)]);
    try {
      await mkdir(wrapper, { recursive: true, mode: 0o700 });
      await clone({ repository, cwd, env, signal, limit: maxBytes });
      const saved = await withScratch(async (scratch) => {
        const made = await capture({ cwd, scratch, env, signal, limit: maxBytes }, true, undefined);
        const object = await describeFile(newKey(id, 1), made.file);
        await objects.put(object, made.file);
        await writeState(wrapper, { key: object.key, base: baseOf(made, object) });
        return { version: 1, at: new Date().toISOString(), object, base: null };
      });
      const { url, ref = null } = repository;
      return {
        cwd: join(folder, id, repository.name),
        record: { source: { git: url, ref }, saved, problem: null },
        place: () => rename(wrapper, join(folder, id)),
        discard,
      };
    } catch (error) {
      await discard().catch((failure: unknown) => deps.onError(failure, 'remove a workspace'));
      throw problemOf(error, { ...deps, creating: true });
    }
  };

  return {
    prepare,

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

/** What later saves can build upon. */
export const baseOf = ({ form, tips }: Capture, { key }: SavedObject): Base | null =>
  form === 'git' ? { key, tips } : null;

/** A failure to make or restore a folder, for a caller. */
export function problemOf(
  error: unknown,
  {
    maxBytes,
    timeoutSeconds,
    creating,
  }: Pick<PreparationDeps, 'maxBytes' | 'timeoutSeconds'> & { creating: boolean },
): AppError {
  if (error instanceof AppError) return error;
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
