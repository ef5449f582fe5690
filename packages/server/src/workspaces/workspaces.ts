import { randomUUID } from 'node:crypto';
import { mkdir, readdir, realpath, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { WorkspaceSource } from 'claude-agent-protocol';
import { type AppError, problem } from '../errors.ts';
import type { Log } from '../events/log.ts';
import type { Scope, SessionRecord, Owned as Whose } from '../store/store.ts';
import { capture, fingerprint, restore } from './capture.ts';
import { readState, remove, writeState } from './local.ts';
import { describeFile, fetchObject } from './objects.ts';
import {
  createPreparation,
  type PreparationDeps,
  type Prepared,
  problemOf,
  removeAll,
  timeLimit,
} from './preparation.ts';
import { createSaving, isMoved, type Slot } from './saving.ts';
import { findSnapshot, snapshotKey } from './snapshots.ts';

/** The least time for saves at a shutdown: one of a repository of 60 MB takes 0.5 s. */
const SAVE_SECONDS = 2;

export type { Prepared };

type Owned = Pick<SessionRecord, 'id' | 'cwd' | 'workspace'>;

/** The folders that the server makes for sessions: prepared at creation, saved when nobody works in them, restored where they are needed. */
export interface Workspaces {
  /** @throws AppError 403, 404, 409 or 422 when it cannot be had */
  prepare(sessionId: string, source: WorkspaceSource, tenant: string): Promise<Prepared>;
  /** The same, as a copy of another session's. */
  copy(sessionId: string, of: Owned & Whose): Promise<Prepared>;
  /**
   * Saves the folder of a session as it is now, for new sessions.
   * @returns its id and size
   * @throws AppError 409 when it is too large or cannot be saved
   */
  snapshot(session: Owned & Whose): Promise<{ id: string; bytes: number }>;
  /** @throws AppError 404 */
  removeSnapshot(id: string, scope?: Scope): Promise<void>;
  /** @throws AppError 404 when there is no such snapshot in scope */
  checkSnapshot(id: string, scope: Scope): Promise<void>;
  /**
   * Before an agent starts: brings the folder back if it is gone, or older than its newest saved state.
   * @throws AppError 409 when that is impossible now
   */
  ready(session: Owned): Promise<void>;
  /** The session goes on from its newest saved state, though the folder of a server that was stopped has a newer one. */
  settleForSaved(sessionId: string): Promise<void>;
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
  /**
   * Saves the folders whose changes this server left unsaved when it ended, one by one. Never rejects.
   * @param find the session, if this server may write to it
   */
  resumeSaves(find: (sessionId: string) => Promise<Owned | undefined>): Promise<void>;
  /**
   * A shutdown begins. Turns may take `graceSeconds`, and saves as long again (at least 2 s): those that take longer are
   * given up, and done after the next start.
   */
  stopWithin(graceSeconds: number): void;
  /** Gives up what is being prepared, and waits for running saves. */
  close(): Promise<void>;
}

export interface WorkspacesDeps extends Omit<PreparationDeps, 'closing'> {
  log: Log;
}

export function createWorkspaces(deps: WorkspacesDeps): Workspaces {
  const { store, objects, env, maxBytes, timeoutSeconds } = deps;
  const { isOurs, withScratch } = deps.places;
  const slots = new Map<string, Slot>();
  const closing = new AbortController();
  const stopped = new AbortController();
  let stopping: NodeJS.Timeout | undefined;
  const saving = createSaving({ ...deps, slots, closing: closing.signal, stopped: stopped.signal });
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
      noting: Promise.resolve(),
    };
    slots.set(id, slot);
    return slot;
  };

  const makeReady = async (slot: Slot): Promise<void> => {
    if (slot.agents > 0) return;
    await slot.capturing;
    await requireNewest(slot);
    if (await isCurrent(slot)) return giveCurrent(slot);
    // What is being saved may be the folder that is gone by now.
    await slot.saving;
    if (!(await isCurrent(slot))) await bringBack(slot);
  };

  /** It may be from a time when all agents ran as the server's user. */
  const giveCurrent = async ({ sessionId, cwd }: Slot): Promise<void> => {
    if (!deps.give) return;
    const tenant = (await store.getSession(sessionId))?.tenant;
    if (tenant !== undefined) await deps.give(tenant, cwd);
  };

  /** @throws AppError when another server was stopped before it could save what its agent had done */
  const requireNewest = async ({ sessionId, cwd }: Slot): Promise<void> => {
    const workspace = (await store.getSession(sessionId))?.workspace;
    const { onlyAt, saved } = workspace ?? {};
    if (onlyAt === undefined || onlyAt === deps.places.instance) return;
    // On a file system that both share.
    if ((await readState(dirname(cwd)))?.changedBy === onlyAt) return;
    const why = `Its newest state is only in the folder of the server ${onlyAt}, which was stopped before it could save it. Start that server again; or go on with the state of ${saved?.at}: POST /sessions with this "resume_session_id" and "force": true.`;
    throw problem('workspace_unavailable', { why, creating: false });
  };

  /** The folder is there, and no other server has saved a later state. */
  const isCurrent = async (slot: Slot): Promise<boolean> => {
    const real = await realpath(slot.cwd).catch(() => undefined);
    const state = await readState(dirname(slot.cwd));
    const key = (await store.getSession(slot.sessionId))?.workspace?.saved.object.key;
    return real === slot.cwd && state !== undefined && (state.key === key || state.next === key);
  };

  const bringBack = async (slot: Slot): Promise<void> => {
    const { workspace, tenant = '' } = (await store.getSession(slot.sessionId)) ?? {};
    if (!workspace) throw new Error('The session is gone.');
    const { object, base } = workspace.saved;
    await withScratch(async (scratch) => {
      const wrapper = join(scratch, 'new');
      const cwd = join(wrapper, basename(slot.cwd));
      const [newest, oldest] = [join(scratch, 'object'), join(scratch, 'base')];
      await mkdir(cwd, { recursive: true, mode: 0o700 });
      await fetchObject(objects, object, newest);
      if (base) await fetchObject(objects, base, oldest);
      const making = { cwd, scratch, env, signal: timeLimit(timeoutSeconds) };
      const tips = await restore(making, newest, base ? oldest : undefined);
      await deps.give?.(tenant, cwd);
      await writeState(wrapper, {
        key: object.key,
        base: tips ? { key: (base ?? object).key, tips } : null,
        fingerprint: await fingerprint(making, 'git' in workspace.source),
      });
      const place = dirname(slot.cwd);
      await rename(place, join(scratch, 'old')).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
      await rename(wrapper, place);
    });
    await saving.note(slot.sessionId, 'restored', null);
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

  const resumeSave = async (id: string, find: (id: string) => Promise<Owned | undefined>): Promise<void> => {
    const session = await find(id);
    if (!session?.workspace || !isOurs(session.cwd)) return;
    const slot = slotOf(session);
    // Another server may have gone on from the last saved state.
    if (slot.agents === 0 && (await isCurrent(slot))) saving.begin(slot);
    await slot.saving;
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
      await objects.put({ ...described, key: snapshotKey(id, described, session) }, made.file);
      return { id, bytes: described.bytes };
    }).catch((error: unknown) => {
      throw saving.failureOf(error);
    });
  };

  return {
    prepare: preparation.prepare,

    async copy(sessionId, of) {
      await ready(of);
      if (!of.workspace) throw new Error('Only a workspace is copied.');
      return preparation.copy(sessionId, of.cwd, of.workspace, of.tenant);
    },

    snapshot: takeSnapshot,

    async checkSnapshot(id, scope) {
      await findSnapshot(objects, id, scope);
    },

    async removeSnapshot(id, scope) {
      await objects.remove((await findSnapshot(objects, id, scope)).key);
    },

    ready,

    async settleForSaved(id) {
      const workspace = (await store.getSession(id))?.workspace;
      if (workspace?.onlyAt === undefined || workspace.onlyAt === deps.places.instance) return;
      const set = { workspace: { ...workspace, onlyAt: undefined, problem: null } };
      await deps.log.write(id, [{ kind: 'update-session', id, set }]);
    },

    async begin(session) {
      if (!isOurs(session.cwd)) return () => {};
      const slot = slotOf(session);
      slot.agents += 1;
      await slot.capturing;
      await saving
        .noteWork(slot)
        .catch((error: unknown) => deps.onError(error, 'note a change of a workspace'));
      let isOver = false;
      return ({ changed }) => {
        if (isOver) return;
        isOver = true;
        slot.agents -= 1;
        if (slot.agents === 0 && changed) saving.begin(slot);
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

    async resumeSaves(find) {
      for (const id of await readdir(deps.places.folder).catch(() => [])) {
        if (closing.signal.aborted) return;
        if ((await readState(join(deps.places.folder, id)))?.changedBy !== deps.places.instance) continue;
        await resumeSave(id, find).catch((error: unknown) => {
          // Another server runs it by now.
          if (!isMoved(error)) deps.onError(error, `save the workspace of session ${id}`);
        });
      }
    },

    stopWithin(graceSeconds) {
      closing.abort();
      const seconds = graceSeconds + Math.max(graceSeconds, SAVE_SECONDS);
      stopping = setTimeout(() => stopped.abort(), seconds * 1000);
      for (const slot of slots.values()) {
        clearTimeout(slot.retry);
        // The last attempt.
        if (slot.unsaved && !slot.saving) saving.begin(slot);
      }
    },

    async close() {
      closing.abort();
      for (const slot of slots.values()) clearTimeout(slot.retry);
      await Promise.all([...slots.values()].map((slot) => slot.saving));
      clearTimeout(stopping);
    },
  };
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
