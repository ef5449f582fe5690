import type { ExportLine, ForkSession, Output, SessionCreated, SessionOptions } from 'claude-agent-protocol';
import type { Ownership } from '../cluster/ownership.ts';
import { problem } from '../errors.ts';
import type { Owned, SessionQuery, SessionRecord } from '../store/store.ts';
import type { Workspaces } from '../workspaces/workspaces.ts';
import { createActors } from './actors.ts';
import { type AdmissionDeps, type Create, createAdmission, type Registry } from './admission.ts';
import { type AtWork, BUSY, createAtWork } from './at-work.ts';
import { createEraser, type EraseDeps } from './erase.ts';
import { exportSession } from './export.ts';
import { createImporter, type ImportDeps } from './import.ts';
import { createMoving } from './moving.ts';
import { createPermits, isBusy } from './permits.ts';
import { createQueueLimit } from './queue-limit.ts';
import type { RecoveryDeps } from './recovery.ts';
import { createSession, type Session, type SessionDeps } from './session.ts';
import { currentModel } from './views.ts';

/** All sessions of this server: lookup, recovery, shutdown. Actors are made when first asked for. */
export interface Sessions extends AtWork {
  /** @param maker whose the session is */
  create(request: Create, maker: Owned): Promise<SessionCreated>;
  fork(sessionId: string, request: ForkSession, maker: Owned): Promise<SessionCreated>;
  /** @throws AppError 404 */
  get(sessionId: string): Promise<Session>;
  /**
   * For reading: the record, and the actor if this node has it in memory. None is made, and the session's owner stays.
   * @throws AppError 404
   */
  look(sessionId: string): Promise<{ record: SessionRecord; session: Session | undefined }>;
  /** The session that an id stands for: its own, or its conversation's. A conversation has one session. */
  sessionOf(id: string): Promise<string>;
  /** Like get, for calls that need an open session. @throws AppError 404, 409 */
  getOpen(sessionId: string): Promise<Session>;
  list(query: SessionQuery): Promise<{
    sessions: { record: SessionRecord; session: Session | undefined }[];
    next: string | null;
  }>;
  close(sessionId: string): Promise<void>;
  /**
   * Saves the folder of a session that does nothing, for new sessions.
   * @throws AppError 404, or 409 while it works
   */
  snapshot(sessionId: string): Promise<{ id: string; bytes: number }>;
  /** A session as lines for another server. @throws AppError 404, or 409 while it works */
  export(sessionId: string): Promise<AsyncGenerator<ExportLine, void, void>>;
  /**
   * Takes over an exported session, closed.
   * @param cwd its folder here, if that has another path
   * @throws AppError 400 or 422 for lines that are no export, 403 when the configuration forbids it, 409 when it is here
   */
  import(
    lines: AsyncIterable<string>,
    cwd: string | undefined,
    maker: Owned,
    /** Throws for options that the caller may not ask for. */
    checkOptions: (options: SessionOptions) => void,
  ): Promise<Output<'importSession'>>;
  /** Closes a session and removes all there is of it, the agent's files included. @throws AppError 404, 503 */
  erase(sessionId: string): Promise<void>;
  isStopping(): boolean;
  countOpen(): number;
  /** @throws AppError 403 when the configuration forbids the mode */
  /** Settles everything that a dead server left open, and takes over its queues. Once, before the first request. */
  recover(): Promise<void>;
  /** How many more sessions could have a process at once: those that are idle would sleep for it. */
  room(): number;
  /** Goes on with a session that this node owns now: settles what a dead node left open. @throws AppError 503 */
  takeOver(sessionId: string): Promise<void>;
  /** Starts the turns that a dead server left queued, and finishes what it was erasing. Once, when it can be reached. */
  resumeQueued(): void;
  /**
   * Ends in order: running turns get `graceSeconds`, then everything is settled and ended.
   * @returns how many sessions could not be settled because the store fails: the next start does that
   */
  shutdown(graceSeconds: number): Promise<number>;
}

export interface SessionsDeps
  extends AdmissionDeps,
    Omit<RecoveryDeps, 'agent'>,
    EraseDeps,
    ImportDeps,
    Pick<
      SessionDeps,
      'permissionTimeoutSeconds' | 'parkAfterSeconds' | 'sleepAfterSeconds' | 'postCallback' | 'origins'
    > {
  ownership: Ownership;
  /** The most agent processes at a time. */
  maxLiveAgents: number;
  /** The most messages that wait, over all sessions. */
  maxQueuedTurns: number;
  /** The most open sessions. */
  maxSessions: number;
  /** How many sessions at rest stay in memory, unless it is the usual number. */
  keptSessions?: number;
  workspaces: Workspaces;
  /** Warnings about a session's choice of model, for the caller who creates it. */
  warnings(session: Pick<SessionRecord, 'model' | 'options'>): string[];
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { store, agent, ownership } = deps;
  const actors = createActors({
    kept: deps.keptSessions,
    ...(ownership.isShared && {
      onLetGo(session) {
        void session.abandon();
        // What is not stored yet can be had only here.
        if (deps.workspaces.isSaved(session.id) && agent.isKept(session.id))
          void ownership.release(session.id);
      },
    }),
  });
  const loading = new Map<string, Promise<Session | undefined>>();
  /** Resumes and closes of one id run one after the other. */
  const tails = new Map<string, Promise<unknown>>();
  /** Sessions with turns that a dead server left. */
  let orphaned: Session[] = [];
  const permits = createPermits({
    limit: deps.maxLiveAgents,
    limitSpares: agent.limitSpares,
    onError: deps.onError,
  });
  const eraser = createEraser(deps);
  const importer = createImporter(deps, eraser);
  let open = 0;
  let stopping = false;

  const queueLimit = createQueueLimit({ max: deps.maxQueuedTurns, permits, sessions: actors.all });

  const make = (record: SessionRecord): Session => {
    const session = createSession({ ...deps, permits, queueLimit }, record);
    // A session that is asked for during the shutdown begins nothing more.
    if (stopping) void session.drain();
    return session;
  };

  const serialize = async <T>(id: string, work: () => Promise<T>): Promise<T> => {
    const before = tails.get(id);
    const mine = (async () => {
      await before?.catch(() => {});
      return work();
    })();
    tails.set(id, mine);
    try {
      return await mine;
    } finally {
      if (tails.get(id) === mine) tails.delete(id);
    }
  };

  const find = async (id: string): Promise<Session | undefined> =>
    actors.get(id) ?? (await (loading.get(id) ?? load(id)));

  /** One at a time for each session: what was read must not be older than what its actor has done since. */
  const load = (id: string): Promise<Session | undefined> => {
    const read = (async () => {
      if (ownership.isShared) requireRunning();
      const acquired = await ownership.acquire(id);
      if (!acquired.owned) throw problem('session_moved', { id, kept: false });
      return moving.begin(id, acquired.open);
    })();
    loading.set(id, read);
    const over = (): void => void loading.delete(id);
    read.then(over, over);
    return read;
  };

  /** The actor of a session that was read from the store; a closed one has none that stays. */
  const adopt = (record: SessionRecord): Session => {
    const actor = actors.get(record.id);
    if (actor) return actor;
    // One that somebody may take while it is here is let go like the others.
    const stays = record.status !== 'closed' || ownership.isShared;
    return stays ? actors.add(make(record)) : make(record);
  };

  const moving = createMoving({ ...deps, actors, adopt, isStopping: () => stopping });
  ownership.onLost((ids) => moving.leave(ids === 'all' ? actors.all().map(({ id }) => id) : ids));

  const get = async (id: string): Promise<Session> => {
    const session = (await find(id)) ?? (await byConversation(id, find));
    if (!session) throw problem('session_not_found', { id });
    return session;
  };

  /** The agent's own programs know a session by its present conversation, which /clear changes. */
  const byConversation = async <T>(id: string, find: (id: string) => Promise<T>): Promise<T | undefined> => {
    const conversation = await store.conversation(id);
    return conversation && conversation.sessionId !== id ? find(conversation.sessionId) : undefined;
  };

  const sessionOf = async (id: string): Promise<string> =>
    actors.peek(id) ? id : ((await store.conversation(id))?.sessionId ?? id);

  const requireRunning = (): void => {
    if (stopping) throw problem('server_stopping', { kept: false });
  };

  const requireRoom = (): void => {
    if (open >= deps.maxSessions) throw problem('too_many_sessions', { limit: deps.maxSessions });
  };

  /** Starts the agent of a session that was just written; one that cannot start is closed again. */
  const connect: Registry['connect'] = async (record, { resumed, start }) => {
    // An actor without its session would never leave.
    if (!ownership.owns(record.id)) throw problem('session_moved', { id: record.id, kept: false });
    const actor = actors.add(make(record));
    open++;
    try {
      if (start === 'now') await wake(actor);
    } catch (error) {
      await close(actor);
      await ownership.release(record.id);
      throw error;
    }
    return created(actor, { resumed, wasLive: false });
  };

  /** When every process is busy, the agent starts with the first message. */
  const wake = async (session: Session): Promise<void> => {
    await session.wake().catch((error: unknown) => {
      if (!isBusy(error)) throw error;
    });
  };

  const created = (
    session: Session,
    { resumed, wasLive }: { resumed: boolean; wasLive: boolean },
  ): SessionCreated => {
    const record = session.record();
    return {
      session_id: record.id,
      created_at: record.createdAt,
      status: record.status,
      resumed,
      was_live: wasLive,
      cwd: record.cwd,
      model: currentModel(record, deps.defaultModel),
      permission_mode: record.permissionMode,
      warnings: deps.warnings({ ...record, model: currentModel(record, deps.defaultModel) }),
    };
  };

  const close = async (session: Session): Promise<void> => {
    const wasOpen = session.record().status !== 'closed';
    await session.close();
    await deps.workspaces.saved(session.id);
    if (wasOpen) open--;
    actors.remove(session.id);
  };

  const admission = createAdmission(deps, { find, connect, wake, created, requireRoom });

  return {
    async create(request, maker) {
      requireRunning();
      const { resume_session_id: source } = request;
      if (source === undefined) return admission.create(request, maker);
      if (request.fork) return admission.fork(source, request, maker);
      const id = await sessionOf(source);
      return serialize(id, () => admission.resume(id, request, maker));
    },

    async fork(sessionId, { up_to_message_id: upToMessageId, title, metadata }, maker) {
      requireRunning();
      const { cwd, workspace } = (await get(sessionId)).record();
      const request: Create = {
        fork: true,
        force: false,
        start: 'now',
        ...(!workspace && { cwd }),
        ...(title !== undefined && { title }),
        ...(metadata !== undefined && { metadata }),
      };
      return admission.fork(sessionId, request, maker, upToMessageId);
    },

    get,
    sessionOf,

    async look(id) {
      const record = (await store.getSession(id)) ?? (await byConversation(id, store.getSession));
      if (!record) throw problem('session_not_found', { id });
      return { record, session: actors.get(record.id) };
    },

    async getOpen(id) {
      const session = await get(id);
      if (session.record().status === 'closed') throw problem('session_closed', { id });
      return session;
    },

    async list(query) {
      const { sessions, next } = await store.listSessions(query);
      return { sessions: sessions.map((record) => ({ record, session: actors.peek(record.id) })), next };
    },

    async close(asked) {
      const { id } = await get(asked);
      await serialize(id, async () => {
        await close(await get(id));
        await ownership.release(id);
      });
    },

    async snapshot(asked) {
      const session = await get(asked);
      const { id } = session;
      if (BUSY.has(session.state()) || session.queuedTurns() > 0) throw problem('snapshot_busy', { id });
      const before = (await store.getSession(id)) ?? session.record();
      if (!before.workspace) await deps.folders.recheck(before.cwd);
      const taken = await deps.workspaces.snapshot(before);
      const after = (await store.getSession(id))?.messageCount;
      // The agent worked in the folder meanwhile.
      if (after === before.messageCount) return taken;
      await deps.workspaces.removeSnapshot(taken.id);
      throw problem('snapshot_busy', { id });
    },

    async export(asked) {
      const session = await get(asked);
      const { id } = session;
      if (BUSY.has(session.state()) || session.queuedTurns() > 0) throw problem('export_busy', { id });
      return exportSession(deps, (await store.getSession(id)) ?? session.record());
    },

    async import(lines, cwd, maker, checkOptions) {
      requireRunning();
      const { id, take } = await importer.open(lines, cwd, maker, checkOptions);
      return serialize(id, take);
    },

    async erase(id) {
      await serialize(id, async () => {
        const session = await find(id);
        deps.workspaces.abandon(id);
        if (session) await close(session);
        // An earlier request may have failed half-way.
        else if (!(await eraser.isHidden(id, 'erasing'))) throw problem('session_not_found', { id });
        await eraser.erase(id);
        await ownership.release(id);
      });
    },

    ...createAtWork(actors.all),
    isStopping: () => stopping,
    countOpen: () => open,

    async recover() {
      await agent.sweep();
      await deps.workspaces.recover();
      await importer.clear();
      // Nodes take the sessions of dead ones over in small lots, while they work.
      orphaned = ownership.isShared ? [] : await moving.settle();
      open = await store.countSessions('connected');
    },

    room: queueLimit.room,

    async takeOver(id) {
      await find(id);
    },

    resumeQueued() {
      for (const session of orphaned) session.resumeQueue();
      orphaned = [];
      eraser.finish();
      void deps.workspaces.resumeSaves(async (id) => (await find(id))?.record());
    },

    async shutdown(graceSeconds) {
      stopping = true;
      actors.end();
      const unwritten = await moving.end(actors.all(), graceSeconds);
      await eraser.stop();
      await agent.sweep();
      await deps.workspaces.close();
      return unwritten;
    },
  };
}
