import { dirname } from 'node:path';
import { AppError, problem } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import type { Change, SavedObject, SessionRecord, WorkspaceRecord } from '../store/store.ts';
import { captureChange } from './capture.ts';
import { type LocalState, readState, writeState } from './local.ts';
import { describeFile } from './objects.ts';
import { newKey, type PreparationDeps, sentenceOf, timeLimit } from './preparation.ts';
import { TooLarge } from './run-git.ts';

/** A failed save is tried again after this long, unless the session wakes before. */
const RETRY_MS = 60_000;

/** A workspace that somebody uses. */
export interface Slot {
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
  /** Changes of the state beside the folder run one after the other. */
  noting: Promise<unknown>;
}

export interface SavingDeps extends PreparationDeps {
  log: Log;
  slots: Map<string, Slot>;
  /** Fires when a shutdown waits no longer for saves. */
  stopped: AbortSignal;
}

/** Saves the folders of sessions when nobody works in them. */
export interface Saving {
  /** Begins a save, after the one that runs. */
  begin(slot: Slot): void;
  /** An agent begins to work: its folder has changes to save until the next save, also after a crash. */
  noteWork(slot: Slot): Promise<void>;
  /** Writes an event about a session's workspace, unless the session is closed. */
  note(id: string, action: 'restored' | 'not_saved', failure: WorkspaceFailure | null): Promise<void>;
  failureOf(error: unknown): AppError;
}

type WorkspaceFailure = { code: string; message: string };

export function createSaving(deps: SavingDeps): Saving {
  const { store, log, objects, env, maxBytes, timeoutSeconds, slots, closing, stopped } = deps;
  const { withScratch, instance } = deps.places;

  const recordOf = async ({ sessionId }: Slot): Promise<WorkspaceRecord | undefined> =>
    (await store.getSession(sessionId))?.workspace ?? undefined;

  const begin = (slot: Slot): void => {
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
      await save(slot, free)
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

  /** Changes what stands beside the folder. */
  const update = (slot: Slot, change: (state: LocalState) => LocalState): Promise<void> => {
    const wrapper = dirname(slot.cwd);
    const noting = slot.noting.then(async () => {
      const state = await readState(wrapper);
      if (state) await writeState(wrapper, change(state));
    });
    slot.noting = noting.catch(() => {});
    return noting;
  };

  /** Who may have changed the folder since it was read. */
  const changedBy = (slot: Slot): string | undefined => (slot.agents > 0 ? instance : undefined);

  /** @param onCaptured the folder has been read */
  const save = (slot: Slot, onCaptured: () => void): Promise<void> =>
    withScratch(async (scratch) => {
      const workspace = await recordOf(slot);
      const state = await readState(dirname(slot.cwd));
      if (!workspace || !state) return;
      const { saved } = workspace;
      const kept = saved.base ?? saved.object;
      const base = state.base?.key === kept.key ? { ...state.base, bytes: kept.bytes } : undefined;
      const signal = AbortSignal.any([slot.giveUp.signal, stopped, timeLimit(timeoutSeconds)]);
      signal.throwIfAborted();
      const options = { cwd: slot.cwd, scratch, env, signal, limit: maxBytes };
      const since = (await isStored(slot, state, workspace)) ? state.fingerprint : undefined;
      const made = await captureChange(options, 'git' in workspace.source, base, since);
      onCaptured();
      if (!made) {
        slot.unsaved = false;
        return update(slot, (now) => ({ ...now, changedBy: changedBy(slot) }));
      }
      const version = saved.version + 1;
      const object = await describeFile(newKey(slot.sessionId, version), made.file);
      await objects.put(object, made.file, signal);
      const own = made.form === 'git' ? { key: object.key, tips: made.tips } : null;
      // Before it is noted: if this server dies in between, its folder counts as current all the same.
      await update(slot, (now) => ({ ...now, next: object.key }));
      const at = new Date().toISOString();
      await keep(slot, object, {
        ...workspace,
        saved: { version, at, object, base: made.needsBase ? kept : null },
        problem: null,
        onlyAt: undefined,
      });
      slot.unsaved = false;
      await update(slot, () => ({
        key: object.key,
        base: made.needsBase ? state.base : own,
        fingerprint: made.fingerprint,
        changedBy: changedBy(slot),
      }));
      const obsolete = [saved.object, ...(saved.base ? [saved.base] : [])].filter(
        ({ key }) => !made.needsBase || key !== kept.key,
      );
      for (const { key } of obsolete) {
        await objects.remove(key).catch((error: unknown) => deps.onError(error, 'remove an old save'));
      }
    });

  /** The state in which the folder was last is the newest saved one, and all of it is in the object store. */
  const isStored = async (
    { sessionId }: Slot,
    state: LocalState,
    { saved, problem, onlyAt }: WorkspaceRecord,
  ): Promise<boolean> => {
    if (problem || onlyAt !== undefined || state.key !== saved.object.key) return false;
    // Somebody may have cleared the bucket. If it cannot be asked, the save that follows says so.
    const keys = await objects.list(`sessions/${sessionId}/`).catch((): string[] => []);
    return [saved.object, ...(saved.base ? [saved.base] : [])].every(({ key }) => keys.includes(key));
  };

  const keep = async (slot: Slot, object: SavedObject, workspace: WorkspaceRecord): Promise<void> => {
    const { sessionId } = slot;
    const changes: Change[] = [{ kind: 'update-session', id: sessionId, set: { workspace } }];
    const written = await log.write(sessionId, changes).catch(async (error: unknown) => {
      // Another server has the session. After any other failure the state may have been noted all the same.
      if (isMoved(error)) await objects.remove(object.key);
      throw error;
    });
    if (written.ok) return;
    await objects.remove(object.key);
    throw new Error('The session is gone.');
  };

  const failureOf = (error: unknown): AppError => {
    if (error instanceof TooLarge)
      return problem('workspace_too_large', { limit: maxBytes, creating: false });
    const why = stopped.aborted
      ? 'The server was stopped before the save was done, and goes on with it when it starts again.'
      : sentenceOf(error, timeoutSeconds);
    return problem('workspace_not_saved', { why });
  };

  const noteFailure = async (slot: Slot, error: unknown): Promise<void> => {
    if (isMoved(error)) slot.giveUp.abort();
    if (slot.giveUp.signal.aborted) return;
    const failure = failureOf(error);
    deps.onError(failure, `save the workspace of session ${slot.sessionId}`);
    if (!(error instanceof TooLarge) && !closing.aborted) {
      slot.retry = setTimeout(() => begin(slot), RETRY_MS).unref();
    }
    const { code, message } = failure;
    const id = slot.sessionId;
    const onlyAt = closing.aborted ? instance : undefined;
    try {
      const workspace = await recordOf(slot);
      if (!workspace || (workspace.problem?.message === message && workspace.onlyAt === onlyAt)) return;
      const set: Partial<SessionRecord> = {
        workspace: { ...workspace, problem: { code, message, at: new Date().toISOString() }, onlyAt },
      };
      await log.write(id, [{ kind: 'update-session', id, set }]);
      await note(id, 'not_saved', { code, message });
    } catch (unwritten) {
      deps.onError(unwritten, 'note that a workspace was not saved');
    }
  };

  const note: Saving['note'] = async (id, action, failure) => {
    // Nothing follows the end of a session in its log.
    if ((await store.getSession(id))?.status === 'closed') return;
    await log.write(id, [event(id, 'session.workspace', { action, problem: failure })]);
  };

  return {
    begin,
    noteWork: (slot) => update(slot, (state) => ({ ...state, changedBy: instance })),
    note,
    failureOf,
  };
}

/** This server does not own the session any more, and wrote nothing. */
export const isMoved = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'session_moved';
