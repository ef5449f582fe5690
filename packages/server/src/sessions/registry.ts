import { randomUUID } from 'node:crypto';
import {
  type CreateSession,
  type ForkSession,
  type PermissionMode,
  type SessionCreated,
  SessionOptions,
  type SessionState,
} from 'claude-agent-protocol';
import type { z } from 'zod';
import type { Agent } from '../agent/agent.ts';
import type { Tally } from '../agent/tally.ts';
import { problem } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import type { SessionQuery, SessionRecord, Store } from '../store/store.ts';
import type { Folders } from './folders.ts';
import type { Policy } from './policy.ts';
import { settleOrphans } from './recovery.ts';
import { changesOf } from './resume.ts';
import { createSession, type Session } from './session.ts';
import { checkUndivided, readyTranscript } from './transcript.ts';
import { currentModel, stateEvent } from './views.ts';

const BUSY: ReadonlySet<SessionState> = new Set(['running', 'waiting', 'background']);

/** A creation request after validation. */
type Create = z.output<typeof CreateSession>;

/** All sessions of this server: admission, lookup, shutdown. Actors are made when first asked for. */
export interface Sessions {
  /** @param createdBy id of the API key that asks, if one was needed */
  create(request: Create, createdBy: string | null): Promise<SessionCreated>;
  fork(sessionId: string, request: ForkSession, createdBy: string | null): Promise<SessionCreated>;
  /** @throws AppError 404 */
  get(sessionId: string): Promise<Session>;
  /** Like get, for calls that need an open session. @throws AppError 404, 409 */
  getOpen(sessionId: string): Promise<Session>;
  list(query: SessionQuery): Promise<{
    sessions: { record: SessionRecord; session: Session | undefined }[];
    next: string | null;
  }>;
  close(sessionId: string): Promise<void>;
  /** Whether a turn runs, waits for an answer, or left work in the background. */
  isBusy(): boolean;
  /** Whether something that happened cannot be written at present. */
  isStuck(): boolean;
  isStopping(): boolean;
  countOpen(): number;
  /** @throws AppError 403 when the configuration forbids the mode */
  checkMode(mode: PermissionMode): void;
  /** Settles what a dead server left open, and takes over its queues. Once, before the first request. */
  recover(): Promise<void>;
  /** Goes on with turns that a dead server left queued. Once, when the server can be reached. */
  resumeQueued(): void;
  /**
   * Ends in order: running turns get `graceSeconds`, then everything is settled and ended.
   * @returns how many sessions could not be settled because the store fails: the next start does that
   */
  shutdown(graceSeconds: number): Promise<number>;
}

export interface SessionsDeps {
  store: Store;
  log: Log;
  agent: Agent;
  folders: Folders;
  defaultModel: string | undefined;
  defaultPermissionMode: PermissionMode;
  policy: Policy;
  permissionTimeoutSeconds: number;
  /** What of a session's choice of a model cannot work, in words for who creates it. */
  warnings(session: Pick<SessionRecord, 'model' | 'options'>): string[];
  /** Counts the calls of a turn that a dead server left; undefined where the gateway has booked them. */
  tally(session: SessionRecord): Tally | undefined;
  onError(error: unknown, what: string): void;
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { store, log, agent, folders, policy } = deps;
  const actors = new Map<string, Session>();
  /** Creations and resumes of one id, one after the other. */
  const lines = new Map<string, Promise<unknown>>();
  /** Sessions whose queue a dead server left. */
  const left: Session[] = [];
  let open = 0;
  let stopping = false;

  const inLine = async <T>(id: string, work: () => Promise<T>): Promise<T> => {
    const before = lines.get(id);
    const mine = (async () => {
      await before?.catch(() => {});
      return work();
    })();
    lines.set(id, mine);
    try {
      return await mine;
    } finally {
      if (lines.get(id) === mine) lines.delete(id);
    }
  };

  const find = async (id: string): Promise<Session | undefined> => {
    const live = actors.get(id);
    if (live) return live;
    const record = await store.getSession(id);
    if (!record) return undefined;
    // Somebody else may have been quicker while we read.
    const actor = actors.get(id) ?? createSession(deps, record);
    if (record.status !== 'closed') actors.set(id, actor);
    return actor;
  };

  const get = async (id: string): Promise<Session> => {
    const session = await find(id);
    if (!session) throw problem('session_not_found', { id });
    return session;
  };

  const requireRunning = (): void => {
    if (stopping) throw problem('server_stopping', { kept: false });
  };

  /** Checks what a request asks for, against the configuration. */
  const admit = async (request: Create): Promise<{ cwd: string; mode: PermissionMode }> => {
    const mode = request.permission_mode ?? deps.defaultPermissionMode;
    policy.checkMode(mode);
    policy.checkOptions(request);
    await checkFolders(request);
    return { cwd: await folders.check(request.cwd), mode };
  };

  const checkFolders = async (request: Create): Promise<void> => {
    const plugins = (request.plugins ?? []).map(({ path }) => path);
    for (const folder of [...(request.additional_directories ?? []), ...plugins]) await folders.check(folder);
  };

  /** A conversation has its folder for life: the agent keeps it there, and finds it from there only. */
  const stayIn = async (cwd: string, asked: string | undefined): Promise<void> => {
    if (asked === undefined || asked === cwd || (await folders.check(asked)) === cwd) return;
    throw problem('cwd_differs', { cwd, asked });
  };

  /** Starts the agent of a session that was just written; one that cannot start is closed again. */
  const connect = async (record: SessionRecord, resumed: boolean): Promise<SessionCreated> => {
    const actor = createSession(deps, record);
    actors.set(record.id, actor);
    open++;
    try {
      await actor.wake();
    } catch (error) {
      await close(actor);
      throw error;
    }
    return created(actor, { resumed, wasLive: false });
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

  const insert = async (record: SessionRecord): Promise<void> => {
    await log.write(record.id, [
      { kind: 'insert-session', session: record },
      event(
        record.id,
        'session.created',
        {
          cwd: record.cwd,
          model: currentModel(record, deps.defaultModel),
          permission_mode: record.permissionMode,
          title: record.title,
          forked_from: record.forkedFrom,
        },
        null,
        record.createdAt,
      ),
    ]);
  };

  const close = async (session: Session): Promise<void> => {
    const wasOpen = session.record().status !== 'closed';
    await session.close();
    if (wasOpen) open--;
    actors.delete(session.id);
  };

  const resume = async (id: string, request: Create, createdBy: string | null): Promise<SessionCreated> => {
    const known = await find(id);
    if (known) {
      await checkFolders(request);
      // Before anything is written: what is refused leaves the session as it was.
      await known.undivided(request.force);
      const before = known.record();
      await stayIn(before.cwd, request.cwd);
      const changes = changesOf(before, request);
      if (before.status !== 'closed') {
        await known.change(changes);
        await known.wake();
        return created(known, { resumed: true, wasLive: true });
      }
      const set = { ...changes, status: 'connected' as const, lastActivity: new Date().toISOString() };
      const record: SessionRecord = { ...before, ...set };
      await policy.checkStart(record);
      await log.write(id, [
        { kind: 'update-session', id, set },
        stateEvent(record, 'asleep', deps.defaultModel, set.lastActivity),
      ]);
      if (set.title && record.hasTranscript) {
        // A transcript that is gone is written anew with the start.
        await agent
          .rename(record.conversationId, set.title)
          .catch((error: unknown) => deps.onError(error, 'title the transcript'));
      }
      try {
        return await connect(record, true);
      } catch (error) {
        // An agent that cannot start with the new options still can with the old ones.
        const { options, model, permissionMode } = before;
        await log.write(id, [{ kind: 'update-session', id, set: { options, model, permissionMode } }]);
        throw error;
      }
    }
    const transcript = await agent.transcript(id);
    if (!transcript) {
      throw problem('session_not_found', { id, resuming: true });
    }
    const { cwd, mode } = await admit({ ...request, cwd: transcript.cwd ?? request.cwd });
    await stayIn(cwd, request.cwd);
    const record = newRecord(request, { id, cwd, mode, createdBy, hasTranscript: true });
    await checkUndivided(deps, record, { isLive: false, force: request.force });
    await insert(record);
    return connect(record, true);
  };

  const branch = async (
    source: string,
    upToMessageId: string | undefined,
    request: Create,
    createdBy: string | null,
  ): Promise<SessionCreated> => {
    const owner = await store.conversation(source);
    const parent = (await find(owner?.sessionId ?? source))?.record();
    // A session's own id means its present conversation; that of another one means just that.
    const conversation = parent?.id === source ? parent.conversationId : source;
    if (parent?.conversationId === conversation) await readyTranscript(deps, parent);
    const transcript = await agent.transcript(conversation);
    if (!parent && !transcript) throw problem('session_not_found', { id: source });
    if (!transcript) {
      throw problem('nothing_to_fork', { id: source });
    }
    const { cwd, mode } = await admit({ ...request, cwd: parent?.cwd ?? transcript.cwd ?? request.cwd });
    await stayIn(cwd, request.cwd);
    const earlier = parent && upToMessageId !== undefined ? await store.conversations(parent.id) : [];
    const id = await forkOneOf([conversation, ...earlier.map((each) => each.id).reverse()], {
      upToMessageId,
      title: request.title,
    });
    const forkedFrom = parent?.id ?? source;
    const record = newRecord(request, { id, cwd, mode, createdBy, hasTranscript: true, forkedFrom });
    if (parent) {
      record.options = { ...parent.options, ...record.options };
      record.model = request.model ?? parent.model;
      record.permissionMode = request.permission_mode ?? parent.permissionMode;
    }
    await insert(record);
    return connect(record, false);
  };

  /** Forks the first of the conversations that can be: the one that holds the message to fork at. */
  const forkOneOf = async (
    conversations: string[],
    options: { upToMessageId: string | undefined; title: string | undefined },
  ): Promise<string> => {
    let failure: unknown;
    for (const conversation of new Set(conversations)) {
      try {
        return await agent.fork(conversation, options);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  };

  return {
    async create(request, createdBy) {
      requireRunning();
      const { resume_session_id: source } = request;
      if (source !== undefined) {
        if (request.fork) return branch(source, undefined, request, createdBy);
        // The agent's own name for a session's conversation means that session: it has no second owner.
        const id = (await store.conversation(source))?.sessionId ?? source;
        return inLine(id, () => resume(id, request, createdBy));
      }
      const { cwd, mode } = await admit(request);
      const record = newRecord(request, { id: randomUUID(), cwd, mode, createdBy, hasTranscript: false });
      await insert(record);
      return connect(record, false);
    },

    async fork(sessionId, { up_to_message_id, title, metadata }, createdBy) {
      requireRunning();
      const { cwd } = (await get(sessionId)).record();
      return branch(
        sessionId,
        up_to_message_id,
        {
          fork: true,
          force: false,
          cwd,
          ...(title !== undefined && { title }),
          ...(metadata !== undefined && { metadata }),
        },
        createdBy,
      );
    },

    get,

    async getOpen(id) {
      const session = await get(id);
      if (session.record().status === 'closed') throw problem('session_closed', { id });
      return session;
    },

    async list(query) {
      const { sessions, next } = await store.listSessions(query);
      return { sessions: sessions.map((record) => ({ record, session: actors.get(record.id) })), next };
    },

    async close(id) {
      await inLine(id, async () => close(await get(id)));
    },

    isBusy: () => [...actors.values()].some((session) => BUSY.has(session.state())),
    isStuck: () => [...actors.values()].some((session) => session.isStuck()),
    isStopping: () => stopping,
    countOpen: () => open,
    checkMode: policy.checkMode,

    async recover() {
      await agent.sweep();
      await settleOrphans(deps);
      open = await store.countSessions('connected');
      // Before the first request, or a message that comes early would overtake them.
      const queued = await store.openTurns('queued');
      for (const [sessionId, turns] of Map.groupBy(queued, (turn) => turn.sessionId)) {
        const session = await get(sessionId);
        session.takeOver(turns);
        left.push(session);
      }
    },

    resumeQueued() {
      for (const session of left.splice(0)) session.resumeQueue();
    },

    async shutdown(graceSeconds) {
      stopping = true;
      const all = [...actors.values()];
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceSeconds * 1000);
      });
      await Promise.race([Promise.all(all.map((session) => session.drain())), patience]);
      clearTimeout(timer);
      const written = await Promise.all(all.map((session) => session.shutdown()));
      await agent.sweep();
      return written.filter((all) => !all).length;
    },
  };
}

/** A session that does not exist yet. */
function newRecord(
  request: Create,
  given: Pick<SessionRecord, 'id' | 'cwd' | 'createdBy' | 'hasTranscript'> & {
    mode: PermissionMode;
    forkedFrom?: string;
  },
): SessionRecord {
  const now = new Date().toISOString();
  return {
    id: given.id,
    createdAt: now,
    lastActivity: now,
    status: 'connected',
    title: request.title ?? null,
    metadata: request.metadata ?? {},
    cwd: given.cwd,
    worktree: null,
    model: request.model ?? null,
    permissionMode: given.mode,
    // The schema keeps what belongs to the options and leaves out the rest of the request.
    options: SessionOptions.parse(request),
    messageCount: 0,
    conversationId: given.id,
    hasTranscript: given.hasTranscript,
    transcriptSeen: given.hasTranscript ? null : 0,
    forkedFrom: given.forkedFrom ?? null,
    createdBy: given.createdBy,
    lastSeq: 0,
  };
}
