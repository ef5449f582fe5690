import { randomUUID } from 'node:crypto';
import {
  type CreateSession,
  type PermissionMode,
  type SessionCreated,
  SessionOptions,
} from 'claude-agent-protocol';
import type { z } from 'zod';
import type { LimitKeeper } from '../access/limits.ts';
import type { Agent } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import type { Vault } from '../secrets/vault.ts';
import type { Change, Owned, SecretRecords, SessionRecord, Store } from '../store/store.ts';
import type { Prepared, Workspaces } from '../workspaces/workspaces.ts';
import type { Folders } from './folders.ts';
import { moveConversation } from './move-conversation.ts';
import type { Policy } from './policy.ts';
import { changesOf } from './resume.ts';
import type { Session } from './session.ts';
import { inspectTranscript, readyTranscript } from './transcript.ts';
import { currentModel, stateEvent } from './views.ts';

/** A creation request after validation. */
export type Create = z.output<typeof CreateSession>;

/** Opens sessions: new, resumed (a session or a conversation on disk), or forked from another. */
export interface Admission {
  create(request: Create, maker: Owned): Promise<SessionCreated>;
  resume(id: string, request: Create, maker: Owned): Promise<SessionCreated>;
  /** @param upToMessageId where to branch; undefined takes the whole conversation */
  fork(source: string, request: Create, maker: Owned, upToMessageId?: string): Promise<SessionCreated>;
}

export interface AdmissionDeps {
  store: Store;
  log: Log;
  agent: Agent;
  folders: Folders;
  limits: Omit<LimitKeeper, 'show' | 'countRequest'>;
  policy: Policy;
  workspaces: Pick<Workspaces, 'prepare' | 'copy' | 'settleForSaved'>;
  vault: Vault;
  defaultModel: string | undefined;
  defaultPermissionMode: PermissionMode;
  onError(error: unknown, what: string): void;
}

/** The registry's part in opening a session. */
export interface Registry {
  find(id: string): Promise<Session | undefined>;
  /** Opens a session that was just stored, and starts its agent; if that fails, the session is closed again. */
  connect(record: SessionRecord, how: { resumed: boolean; start: Create['start'] }): Promise<SessionCreated>;
  /** @throws AppError 409 when no further session may be open */
  requireRoom(): void;
  /** Starts the agent, unless every process is busy. */
  wake(session: Session): Promise<void>;
  created(session: Session, how: { resumed: boolean; wasLive: boolean }): SessionCreated;
}

export function createAdmission(
  deps: AdmissionDeps,
  { find, connect, wake, created, requireRoom }: Registry,
): Admission {
  const { store, log, agent, folders, limits, policy, workspaces, vault } = deps;

  /** Checks a request against the configuration. */
  const admit = async (
    request: Create,
    owned: Owned,
    hasWorkspace = request.workspace !== undefined,
  ): Promise<{
    cwd: string;
    mode: PermissionMode;
    options: SessionOptions;
    secrets: SecretRecords | null;
  }> => {
    requireRoom();
    await limits.requireRoom('live_sessions', owned);
    const mode = request.permission_mode ?? policy.modeFor(deps.defaultPermissionMode, owned);
    policy.checkMode(mode, owned);
    policy.checkModel(request.model, owned);
    policy.checkOptions(request, owned);
    await checkFolders(request, owned);
    const options = policy.handed(SessionOptions.parse(request), owned);
    const secrets = takeSecrets(request, owned);
    const cwd = await policy.checkFolder(request.cwd, owned);
    await policy.checkAccess(hasWorkspace ? undefined : cwd, request, owned);
    return { cwd, mode, options, secrets };
  };

  const takeSecrets = (request: Create, owned: Owned, before?: SessionRecord): SecretRecords | null => {
    const { secrets: given = {} } = request;
    if (Object.keys(given).length === 0) return null;
    policy.checkSecrets(given, { ...before?.options, ...SessionOptions.parse(request) }, owned);
    return vault.take(given, owned, before?.secrets);
  };

  const checkFolders = async (request: Create, owned: Owned): Promise<void> => {
    const plugins = (request.plugins ?? []).map(({ path }) => path);
    for (const folder of [...(request.additional_directories ?? []), ...plugins]) {
      await policy.checkFolder(folder, owned);
    }
  };

  /** A conversation never changes its folder: the agent stores it by folder and finds it only from there. */
  const requireFolder = async (cwd: string, asked: string | undefined): Promise<void> => {
    if (asked === undefined || asked === cwd || (await folders.check(asked)) === cwd) return;
    throw problem('cwd_differs', { cwd, asked });
  };

  /** A workspace instead of a folder that is there. */
  const prepare = async (
    id: string,
    { workspace }: Create,
    { tenant }: Owned,
  ): Promise<Prepared | undefined> => workspace && workspaces.prepare(id, workspace, tenant);

  const requireOneFolder = ({ workspace, cwd }: Create): void => {
    if (workspace === undefined || cwd === undefined) return;
    const message = 'cannot be given together with "cwd": the workspace is the folder';
    throw problem('validation_failed', { errors: [{ path: 'body.workspace', message }] });
  };

  /** Writes that a session is open, unless its maker or tenant has as many as it may. @throws AppError 429 */
  const writeOpen = async (record: SessionRecord, changes: readonly Change[]): Promise<void> => {
    const room = await limits.room('live_sessions', record);
    const { ok } = await log.write(record.id, [...changes, ...room]);
    if (!ok && room.length > 0) throw await limits.refusal('live_sessions', record);
  };

  const insert = async (record: SessionRecord): Promise<void> => {
    await writeOpen(record, [
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

  const insertPrepared = async (record: SessionRecord, prepared: Prepared | undefined): Promise<void> => {
    try {
      await insert(record);
    } catch (error) {
      await prepared?.discard();
      throw error;
    }
    await prepared?.place();
  };

  /** For a session that begins with a conversation: other servers must be able to continue it from the beginning. */
  const connectKept: typeof connect = async (record, how) => {
    const { id, conversationId } = record;
    try {
      await agent.keep({ sessionId: id, conversationId });
    } catch (error) {
      await (await find(id))?.close();
      throw error;
    }
    return connect(record, how);
  };

  const resumeKnown = async (known: Session, request: Create): Promise<SessionCreated> => {
    const { id } = known;
    await checkFolders(request, known.record());
    // Checked before anything is written: a refusal leaves the session as it was.
    await known.checkDivergence(request.force);
    const before = known.record();
    await requireFolder(before.cwd, request.cwd);
    const changes = changesOf(before, request);
    if (request.secrets && !vault.has(before, request.secrets))
      changes.secrets = takeSecrets(request, before, before);
    if (request.force) await workspaces.settleForSaved(id);
    if (before.status !== 'closed') {
      await known.change(changes);
      if (request.start === 'now') await wake(known);
      return created(known, { resumed: true, wasLive: true });
    }
    requireRoom();
    const set = { ...changes, status: 'connected' as const, lastActivity: new Date().toISOString() };
    const record: SessionRecord = { ...before, ...set };
    await policy.checkStart(record);
    await writeOpen(record, [
      { kind: 'update-session', id, set },
      stateEvent(record, 'asleep', deps.defaultModel, set.lastActivity),
    ]);
    if (set.title && record.hasTranscript) {
      // A missing transcript is rebuilt at the start.
      await agent
        .rename(record.conversationId, set.title)
        .catch((error: unknown) => deps.onError(error, 'title the transcript'));
    }
    try {
      return await connect(record, { resumed: true, start: request.start });
    } catch (error) {
      // The agent cannot start with the new options, so the old ones are restored.
      const { options, model, permissionMode, secrets } = before;
      await log.write(id, [{ kind: 'update-session', id, set: { options, model, permissionMode, secrets } }]);
      throw error;
    }
  };

  const resume: Admission['resume'] = async (id, request, maker) => {
    const known = await find(id);
    if (known) return resumeKnown(known, request);
    const transcript = await agent.transcript(id);
    if (!transcript) {
      throw problem('session_not_found', { id, resuming: true });
    }
    const { cwd, mode, secrets } = await admit({ ...request, cwd: transcript.cwd ?? request.cwd }, maker);
    await requireFolder(cwd, request.cwd);
    const record = newRecord(request, { id, cwd, mode, maker, secrets, hasTranscript: true });
    await inspectTranscript(deps, record, { isLive: false, force: request.force });
    await insert(record);
    return connectKept(record, { resumed: true, start: request.start });
  };

  const fork: Admission['fork'] = async (source, request, maker, upToMessageId) => {
    const owner = await store.conversation(source);
    const parent = (await find(owner?.sessionId ?? source))?.record();
    // A session's id stands for its present conversation; any other id for that conversation itself.
    const conversation = parent?.id === source ? parent.conversationId : source;
    if (parent?.conversationId === conversation) await readyTranscript(deps, parent);
    const transcript = await agent.transcript(conversation);
    if (!parent && !transcript) throw problem('session_not_found', { id: source });
    if (!transcript) {
      throw problem('nothing_to_fork', { id: source });
    }
    const from = parent?.workspace ? undefined : (parent?.cwd ?? transcript.cwd ?? request.cwd);
    // A branch stays with the conversation's tenant, whoever makes it.
    const owned = { ...maker, tenant: parent?.tenant ?? maker.tenant };
    const { cwd, mode, secrets } = await admit({ ...request, cwd: from }, owned, Boolean(parent?.workspace));
    await requireFolder(parent?.cwd ?? cwd, request.cwd);
    const earlier = parent && upToMessageId !== undefined ? await store.conversations(parent.id) : [];
    const id = await forkOneOf([conversation, ...earlier.map((each) => each.id).reverse()], {
      upToMessageId,
      title: request.title,
    });
    const forkedFrom = parent?.id ?? source;
    const prepared = parent?.workspace ? await copyWorkspace(id, parent) : undefined;
    const record = newRecord(request, {
      id,
      cwd: prepared?.cwd ?? cwd,
      mode,
      maker: owned,
      // A placeholder belongs to one session.
      secrets: secrets ?? vault.copy(parent?.secrets ?? null),
      hasTranscript: true,
      forkedFrom,
      workspace: prepared?.record ?? null,
    });
    if (parent) {
      record.options = { ...parent.options, ...record.options };
      record.model = request.model ?? parent.model;
      record.permissionMode = request.permission_mode ?? parent.permissionMode;
    }
    await insertPrepared(record, prepared);
    return connectKept(record, { resumed: false, start: request.start });
  };

  /** A fork has a folder of its own, and the agent finds its conversation only there. */
  const copyWorkspace = async (id: string, parent: SessionRecord): Promise<Prepared> => {
    let prepared: Prepared | undefined;
    try {
      prepared = await workspaces.copy(id, parent);
      await moveConversation(agent, id, prepared.cwd);
      return prepared;
    } catch (error) {
      await Promise.all([prepared?.discard(), agent.erase([id])]);
      throw error;
    }
  };

  /** Forks the first conversation that can be forked: the one that holds the message. */
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
    async create(request, maker) {
      requireOneFolder(request);
      const { cwd, mode, options, secrets } = await admit(request, maker);
      const { tenant } = maker;
      const kind = { model: request.model ?? deps.defaultModel, options, cwd, tenant };
      // What was started ahead has no placeholders.
      const reservation = request.start === 'now' && !secrets ? agent.reserve(kind) : undefined;
      try {
        const id = reservation?.sessionId ?? randomUUID();
        const prepared = await prepare(id, request, maker);
        const given = { id, cwd: prepared?.cwd ?? cwd, mode, maker, secrets, hasTranscript: false };
        const record = newRecord(request, { ...given, workspace: prepared?.record ?? null });
        await insertPrepared(record, prepared);
        return await connect(record, { resumed: false, start: request.start });
      } finally {
        // Without effect once the session has taken it.
        reservation?.release();
      }
    },
    resume,
    fork,
  };
}

/** A session that does not exist yet. */
function newRecord(
  request: Create,
  given: Pick<SessionRecord, 'id' | 'cwd' | 'hasTranscript'> & {
    maker: Owned;
    mode: PermissionMode;
    secrets: SessionRecord['secrets'];
    forkedFrom?: string;
    workspace?: SessionRecord['workspace'];
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
    // The schema picks the options out of the request.
    options: SessionOptions.parse(request),
    messageCount: 0,
    conversationId: given.id,
    hasTranscript: given.hasTranscript,
    transcriptSeen: given.hasTranscript ? null : 0,
    forkedFrom: given.forkedFrom ?? null,
    createdBy: given.maker.createdBy,
    tenant: given.maker.tenant,
    workspace: given.workspace ?? null,
    secrets: given.secrets,
    lastSeq: 0,
  };
}
