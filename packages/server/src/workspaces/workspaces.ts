import { randomUUID } from 'node:crypto';
import { mkdir, realpath, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { WorkspaceSource } from 'claude-agent-protocol';
import { AppError, problem } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import type { Change, SessionRecord, WorkspaceRecord } from '../store/store.ts';
import { capture, restore } from './capture.ts';
import { readState, remove, writeState } from './local.ts';
import { describeFile, fetchObject } from './objects.ts';
import {
  createPreparation,
  newKey,
  type PreparationDeps,
  type Prepared,
  problemOf,
  removeAll,
  sentenceOf,
  timeLimit,
} from './preparation.ts';
import { TooLarge } from './run-git.ts';
import { findSnapshot, snapshotKey } from './snapshots.ts';

/** A failed save is tried again after this long, unless the session wakes before. */
const RETRY_MS = 60_000;

export type { Prepared };

type Owned = Pick<SessionRecord, 'id' | 'cwd' | 'workspace'>;

/** The folders that the server makes for sessions: prepared at creation, saved when nobody works in them, restored where they are needed. */
export interface Workspaces {
  /** @throws AppError 403, 404, 409 or 422 when it cannot be had */
  prepare(sessionId: string, source: WorkspaceSource): Promise<Prepared>;
  /** The same, as a copy of another session's. */
  copy(sessionId: string, of: Owned): Promise<Prepared>;
  /**
   * Saves the folder of a session as it is now, for new sessions.
   * @returns its id and size
   * @throws AppError 409 when it is too large or cannot be saved
   */
  snapshot(session: Owned): Promise<{ id: string; bytes: number }>;
  /** @throws AppError 404 */
  removeSnapshot(id: string): Promise<void>;
  /**
   * Before an agent starts: brings the folder back if it is gone, or older than its newest saved state.
   * @throws AppError 409 when that is impossible now
   */
  ready(session: Owned): Promise<void>;
  /**
   * An agent begins to work in a folder, as soon as no save reads it any more. When the agent is gone, call what this
   * returns: a folder that may have changed is saved.
   */
  begin(session: Pick<SessionRecord, 'id' | 'cwd'>): Promise<(how: { changed: boolean }) => void>;
  /** No save of it runs, and its newest state is stored. */
  isSaved(sessionId: string): boolean;
  /** Settles when no save of it runs. @returns false when its newest state is only in the folder */
  saved(sessionId: string): Promise<boolean>;
  /** The session is about to be erased: no save of its folder begins any more, and one that runs is given up. */
  abandon(sessionId: string): void;
  /** Removes the folder of a session and everything that is saved of it, if it has any. */
  erase(sessionId: string): Promise<void>;
  /** Removes what a crash left; once, before the first session. */
  recover(): Promise<void>;
  /** Gives up what is being prepared, and waits for running saves. */
  close(): Promise<void>;
}

export interface WorkspacesDeps extends Omit<PreparationDeps, 'closing'> {
  log: Log;
}

interface Slot {
  sessionId: string;
  cwd: string;
  /** Agents that work in it. */
  agents: number;
  /** Nothing of it is saved any more. */
  giveUp: AbortController;
  readying: Promise<void> | undefined;
  /** Until the folder has been read, nobody may work in it. */
  capturing: Promise<void> | undefined;
  saving: Promise<void> | undefined;
  unsaved: boolean;
  retry: NodeJS.Timeout | undefined;
}

export function createWorkspaces(deps: WorkspacesDeps): Workspaces {
  const { store, log, objects, env, maxBytes, timeoutSeconds } = deps;
  const { isOurs, withScratch } = deps.places;
  const slots = new Map<string, Slot>();
  const closing = new AbortController();
  const preparation = createPreparation({ ...deps, closing: closing.signal });

  const asProblem = (error: unknown): AppError =>
    problemOf(error, { ...deps, closing: closing.signal, creating: false });

  // ---- the folder of a session

  const slotOf = ({ id, cwd }: Pick<SessionRecord, 'id' | 'cwd'>): Slot => {
    const slot = slots.get(id) ?? {
      sessionId: id,
      cwd,
      agents: 0,
      giveUp: new AbortController(),
      readying: undefined,
      capturing: undefined,
      saving: undefined,
      unsaved: false,
      retry: undefined,
    };
    slots.set(id, slot);
    return slot;
  };

  const recordOf = async ({ sessionId }: Slot): Promise<WorkspaceRecord | undefined> =>
    (await store.getSession(sessionId))?.workspace ?? undefined;

  const makeReady = async (slot: Slot): Promise<void> => {
    if (slot.agents > 0) return;
    await slot.capturing;
    if (await isCurrent(slot)) return;
    // What is being saved may be the folder that is gone by now.
    await slot.saving;
    if (!(await isCurrent(slot))) await bringBack(slot);
  };

  /** The folder is there, and no other server has saved a later state. */
  const isCurrent = async (slot: Slot): Promise<boolean> => {
    const real = await realpath(slot.cwd).catch(() => undefined);
    const state = await readState(dirname(slot.cwd));
    const key = (await recordOf(slot))?.saved.object.key;
    return real === slot.cwd && state !== undefined && (state.key === key || state.next === key);
  };

  const bringBack = async (slot: Slot): Promise<void> => {
    const workspace = await recordOf(slot);
    if (!workspace) throw new Error('The session is gone.');
    const { object, base } = workspace.saved;
    await withScratch(async (scratch) => {
      const wrapper = join(scratch, 'new');
      const cwd = join(wrapper, basename(slot.cwd));
      const [newest, oldest] = [join(scratch, 'object'), join(scratch, 'base')];
      await mkdir(cwd, { recursive: true, mode: 0o700 });
      await fetchObject(objects, object, newest);
      if (base) await fetchObject(objects, base, oldest);
      const tips = await restore(
        { cwd, scratch, env, signal: timeLimit(timeoutSeconds) },
        newest,
        base ? oldest : undefined,
      );
      await writeState(wrapper, { key: object.key, base: tips ? { key: (base ?? object).key, tips } : null });
      const place = dirname(slot.cwd);
      await rename(place, join(scratch, 'old')).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
      await rename(wrapper, place);
    });
    await note(slot.sessionId, 'restored', null);
  };

  const note = async (
    id: string,
    action: 'restored' | 'not_saved',
    failure: { code: string; message: string } | null,
  ): Promise<void> => {
    // Nothing follows the end of a session in its log.
    if ((await store.getSession(id))?.status === 'closed') return;
    await log.write(id, [event(id, 'session.workspace', { action, problem: failure })]);
  };

  // ---- saving

  const save = (slot: Slot): void => {
    clearTimeout(slot.retry);
    slot.unsaved = true;
    const before = slot.saving;
    const saving = (async () => {
      await before;
      // Somebody works in it again: the end of that saves it.
      if (slot.agents > 0 || slot.readying || slot.giveUp.signal.aborted) return;
      const captured = Promise.withResolvers<void>();
      slot.capturing = captured.promise;
      const free = (): void => {
        slot.capturing = undefined;
        captured.resolve();
      };
      await saveNow(slot, free)
        .catch((error: unknown) => noteFailure(slot, error))
        .finally(free);
    })().finally(() => {
      if (slot.saving !== saving) return;
      slot.saving = undefined;
      const isOver = !slot.unsaved || slot.giveUp.signal.aborted;
      if (isOver && slot.agents === 0 && !slot.readying) slots.delete(slot.sessionId);
    });
    slot.saving = saving;
  };

  /** @param onCaptured the folder has been read */
  const saveNow = (slot: Slot, onCaptured: () => void): Promise<void> =>
    withScratch(async (scratch) => {
      const workspace = await recordOf(slot);
      const wrapper = dirname(slot.cwd);
      const state = await readState(wrapper);
      if (!workspace || !state) return;
      const { saved } = workspace;
      const kept = saved.base ?? saved.object;
      const base = state.base?.key === kept.key ? { ...state.base, bytes: kept.bytes } : undefined;
      const signal = AbortSignal.any([slot.giveUp.signal, timeLimit(timeoutSeconds)]);
      const options = { cwd: slot.cwd, scratch, env, signal, limit: maxBytes };
      const made = await capture(options, 'git' in workspace.source, base);
      onCaptured();
      const version = saved.version + 1;
      const object = await describeFile(newKey(slot.sessionId, version), made.file);
      await objects.put(object, made.file);
      const own = made.form === 'git' ? { key: object.key, tips: made.tips } : null;
      const next = { key: object.key, base: made.needsBase ? state.base : own };
      // Before it is noted: if this server dies in between, its folder counts as current all the same.
      await writeState(wrapper, { ...state, next: object.key });
      const at = new Date().toISOString();
      const set: WorkspaceRecord = {
        ...workspace,
        saved: { version, at, object, base: made.needsBase ? kept : null },
        problem: null,
      };
      const { sessionId } = slot;
      const changes: Change[] = [{ kind: 'update-session', id: sessionId, set: { workspace: set } }];
      const written = await log.write(sessionId, changes).catch(async (error: unknown) => {
        // Another server has the session. After any other failure the state may have been noted all the same.
        if (isMoved(error)) await objects.remove(object.key);
        throw error;
      });
      if (!written.ok) {
        await objects.remove(object.key);
        throw new Error('The session is gone.');
      }
      slot.unsaved = false;
      await writeState(wrapper, next);
      const obsolete = [saved.object, ...(saved.base ? [saved.base] : [])].filter(
        ({ key }) => !made.needsBase || key !== kept.key,
      );
      for (const { key } of obsolete) {
        await objects.remove(key).catch((error: unknown) => deps.onError(error, 'remove an old save'));
      }
    });

  const failureOf = (error: unknown): AppError =>
    error instanceof TooLarge
      ? problem('workspace_too_large', { limit: maxBytes, creating: false })
      : problem('workspace_not_saved', { why: sentenceOf(error, timeoutSeconds) });

  const noteFailure = async (slot: Slot, error: unknown): Promise<void> => {
    if (isMoved(error)) slot.giveUp.abort();
    if (slot.giveUp.signal.aborted) return;
    const failure = failureOf(error);
    deps.onError(failure, `save the workspace of session ${slot.sessionId}`);
    if (!(error instanceof TooLarge) && !closing.signal.aborted) {
      slot.retry = setTimeout(() => save(slot), RETRY_MS).unref();
    }
    const { code, message } = failure;
    const id = slot.sessionId;
    try {
      const workspace = await recordOf(slot);
      if (!workspace || workspace.problem?.message === message) return;
      const set = { workspace: { ...workspace, problem: { code, message, at: new Date().toISOString() } } };
      await log.write(id, [{ kind: 'update-session', id, set }]);
      await note(id, 'not_saved', { code, message });
    } catch (unwritten) {
      deps.onError(unwritten, 'note that a workspace was not saved');
    }
  };

  const ready: Workspaces['ready'] = async (session) => {
    const { cwd, workspace } = session;
    if (!workspace) return;
    if (!isOurs(cwd)) {
      const why = `Its folder is ${cwd}, and this server keeps workspaces in ${deps.places.folder}. Start every server with the same --workspaces.`;
      throw problem('workspace_unavailable', { why, creating: false });
    }
    const slot = slotOf(session);
    slot.readying ??= makeReady(slot).finally(() => {
      slot.readying = undefined;
    });
    await slot.readying.catch((error: unknown) => {
      throw asProblem(error);
    });
  };

  const takeSnapshot: Workspaces['snapshot'] = async (session) => {
    await ready(session);
    return withScratch(async (scratch) => {
      const signal = timeLimit(timeoutSeconds);
      const made = await capture(
        { cwd: session.cwd, scratch, env, signal, limit: maxBytes },
        false,
        undefined,
      );
      const id = randomUUID();
      const described = await describeFile(id, made.file);
      await objects.put({ ...described, key: snapshotKey(id, described) }, made.file);
      return { id, bytes: described.bytes };
    }).catch((error: unknown) => {
      throw failureOf(error);
    });
  };

  return {
    prepare: preparation.prepare,

    async copy(sessionId, of) {
      await ready(of);
      if (!of.workspace) throw new Error('Only a workspace is copied.');
      return preparation.copy(sessionId, of.cwd, of.workspace);
    },

    snapshot: takeSnapshot,

    async removeSnapshot(id) {
      await objects.remove((await findSnapshot(objects, id)).key);
    },

    ready,

    async begin(session) {
      if (!isOurs(session.cwd)) return () => {};
      const slot = slotOf(session);
      slot.agents += 1;
      await slot.capturing;
      let isOver = false;
      return ({ changed }) => {
        if (isOver) return;
        isOver = true;
        slot.agents -= 1;
        if (slot.agents === 0 && changed) save(slot);
      };
    },

    isSaved(sessionId) {
      const slot = slots.get(sessionId);
      return !slot || (!slot.saving && !slot.unsaved);
    },

    async saved(sessionId) {
      for (let slot = slots.get(sessionId); slot?.saving; slot = slots.get(sessionId)) await slot.saving;
      return slots.get(sessionId)?.unsaved !== true;
    },

    abandon: (sessionId) => slots.get(sessionId)?.giveUp.abort(),

    async erase(sessionId) {
      const slot = slots.get(sessionId);
      clearTimeout(slot?.retry);
      await slot?.saving;
      slots.delete(sessionId);
      await removeAll(objects, sessionId);
      await remove(join(deps.places.folder, sessionId));
    },

    recover: preparation.recover,

    async close() {
      closing.abort();
      for (const slot of slots.values()) clearTimeout(slot.retry);
      await Promise.all([...slots.values()].map((slot) => slot.saving));
    },
  };
}

/** This server does not own the session any more, and wrote nothing. */
const isMoved = (error: unknown): boolean => error instanceof AppError && error.code === 'session_moved';

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
