import type {
  EventType,
  PermissionReason,
  PermissionState,
  ResolvedBy,
  SessionStatus,
  TurnOutcome,
  TurnState,
  UserInput,
} from 'claude-agent-protocol';
import type { AuditStore } from './audit.ts';
import type { KeyTable } from './keys.ts';
import type { Counted, LimitReads, UsageOfDay } from './limits.ts';
import type { PushStore } from './push.ts';
import type { Rates } from './rates.ts';
import type {
  CallRecord,
  ConversationRecord,
  Decision,
  PermissionRecord,
  SessionRecord,
  TurnRecord,
} from './records.ts';
import type { Scope, SessionQuery } from './session-query.ts';
import type { TenantUids } from './tenant-uids.ts';
import type { WebhookStore } from './webhooks.ts';

export type { Counted, CountedOf } from './limits.ts';
export type {
  CallRecord,
  ConversationRecord,
  Decision,
  PermissionRecord,
  SavedObject,
  SecretRecord,
  SecretRecords,
  SessionRecord,
  TurnRecord,
  WorkspaceRecord,
} from './records.ts';
export type { Scope, SessionQuery } from './session-query.ts';

export interface NewEvent<T extends EventType = EventType> {
  sessionId: string;
  turnId: string | null;
  type: T;
  at: string;
  /** Its data as JSON text: encoded once, for the store and for every subscriber. */
  json: string;
}

export interface StoredEvent<T extends EventType = EventType> extends NewEvent<T> {
  seq: number;
  /** Position among the events of all sessions: grows, with gaps. */
  cursor: number;
  /** Whose its session is, where it is read among those of all sessions. */
  of?: Owned;
}

/** Who a session belongs to. */
export type Owned = Pick<SessionRecord, 'tenant' | 'createdBy'>;

/** An entry of a conversation's history: a user's prompt whose turn has begun, or a message of the agent. */
export interface HistoryEntry {
  turnId: string | null;
  /** The prompt, or the agent's message as JSON text. */
  entry: { input: UserInput; messageId?: string } | { json: string };
}

export interface UsageAmount {
  inputTokens: number;
  outputTokens: number;
  cacheReadInputTokens: number;
  cacheCreationInputTokens: number;
  costUsd: number;
}

export interface UsageRow extends UsageAmount {
  model: string;
}

/** What one or all sessions have used. */
export interface Usage {
  /** Turns that have ended. */
  turns: number;
  rows: UsageRow[];
}

/** One step of a transaction. */
export type Change =
  /** The writer still owns the session: with any other fencing number the whole write is refused. */
  | { kind: 'owned'; sessionId: string; fence: number }
  /** With its first conversation. */
  | {
      kind: 'insert-session';
      session: Omit<SessionRecord, 'lastSeq'>;
      /** Where nodes share the store: its first owner, with the fencing number 1 … */
      owner?: string;
      /** … and the id of that node. */
      node?: string;
    }
  | {
      kind: 'update-session';
      id: string;
      set: Partial<Omit<SessionRecord, 'id' | 'lastSeq' | 'messageCount' | 'tenant'>>;
    }
  /** The session's next conversation begins, behind its newest event. Refused when its id is taken. */
  | { kind: 'insert-conversation'; id: string; sessionId: string }
  | { kind: 'count-message'; id: string }
  | { kind: 'insert-turn'; turn: TurnRecord }
  | {
      kind: 'update-turn';
      sessionId: string;
      id: string;
      /** In any other state the whole write is refused. */
      from: readonly TurnState[];
      set: Partial<
        Pick<
          TurnRecord,
          | 'state'
          | 'startedAt'
          | 'endedAt'
          | 'settledAt'
          | 'result'
          | 'idempotencyKey'
          | 'steers'
          | 'continuedAs'
        >
      >;
    }
  | { kind: 'insert-permission'; permission: PermissionRecord }
  | {
      kind: 'settle-permission';
      sessionId: string;
      /** If it is not pending, the whole write is refused. */
      id: string;
      state: PermissionState;
      reason: PermissionReason;
      resolvedAt: string;
      resolvedBy: ResolvedBy | null;
      decision: Decision | null;
    }
  | { kind: 'insert-call'; call: CallRecord }
  | { kind: 'delete-call'; sessionId: string; id: string }
  | { kind: 'add-usage'; sessionId: string; usage: UsageRow }
  /** What a model call without a session has used today, beside `add-usage`, which counts for the day by itself. */
  | { kind: 'add-day-usage'; tenant: string; maker: string; usage: UsageRow }
  /** Behind what adds one: refused when its tenant or its maker has more than allowed now. */
  | {
      kind: 'limit';
      count: Counted;
      tenant: string;
      maker: string;
      maxOfMaker?: number;
      maxOfTenant?: number;
    }
  | { kind: 'add-key-usage'; keyId: string; costUsd: number }
  | { kind: 'event'; event: NewEvent }
  /** A session of another server comes, in several steps, and nobody finds it until the last. Refused when its id is taken. */
  | { kind: 'begin-import'; session: SessionRecord; owner?: string; node?: string }
  /** Adds a part of it, events under their numbers. Refused when an id or an idempotency key is taken. */
  | { kind: 'import-rows'; rows: ImportedRows }
  /** From now on it is a session like any other. Refused when no such import has begun. */
  | { kind: 'end-import'; id: string; usage: UsageRow[] }
  /**
   * From now on nobody finds the session: it goes, in several steps. Its readers by id get nothing, and it is in no list.
   * Refused when nobody finds it already.
   */
  | { kind: 'hide-session'; id: string }
  /**
   * Removes the oldest events, turns or requests of a hidden session: at most so many rows, and about so many bytes.
   * Refused when none is left.
   */
  | { kind: 'erase-rows'; id: string; rows: number; bytes: number }
  /** Removes a session and all that is left of it. What it has used stays in the sums of all sessions. */
  | { kind: 'erase-session'; id: string }
  /** Removes the session's events with a number below this one; the others keep their numbers. */
  | { kind: 'trim-events'; sessionId: string; below: number };

/** A part of a session of another server. Its turns have ended. */
export interface ImportedRows {
  sessionId: string;
  conversations: Omit<ConversationRecord, 'sessionId'>[];
  turns: TurnRecord[];
  events: (NewEvent & { seq: number })[];
}

/** The log of one session, for the decision what of it can go. */
export interface LogSize {
  sessionId: string;
  firstSeq: number;
  lastSeq: number;
  /** Bytes of its events' data. */
  bytes: number;
  /** When its oldest event happened; null without events. */
  oldestAt: string | null;
  /** Where its present conversation begins. */
  conversationFrom: number;
  /** Number of the newest task list, if that names a task. */
  tasksSeq: number | null;
}

/** What is kept of each log; a limit that is undefined does not exist. */
export interface RetentionLimits {
  maxAgeDays?: number | undefined;
  maxEvents?: number | undefined;
  /** Of the events' data. */
  maxBytes?: number | undefined;
}

/** One event without its content. */
export interface EventSize {
  seq: number;
  at: string;
  bytes: number;
}

/** `refused` is the index of the change whose condition did not hold; nothing of that write was kept. */
export type WriteResult = { ok: true; events: StoredEvent[] } | { ok: false; refused: number };

/** Pending permission requests. */
export interface PendingPage {
  permissions: PermissionRecord[];
  /** Where the next page begins; null on the last one. */
  next: string | null;
  /** Cursor of the newest event at that moment. */
  cursor: number;
}

/** What sessions have not finished; what is of one session with the oldest first. */
export interface OpenWork {
  queued: TurnRecord[];
  running: TurnRecord[];
  /** Turns that have ended while a caller still waits for their background work. */
  unsettled: TurnRecord[];
  pending: PermissionRecord[];
  /** Calls of hooks and custom tools that wait for an answer, in no order. */
  calls: CallRecord[];
  /** Ids of the sessions whose newest `session.tasks` event names a task. */
  withTasks: string[];
}

/** What a list shows of a session besides its record. */
export interface SessionSums {
  costUsd: number;
  /** How its newest turn of those that have ended did; null before the first. */
  lastOutcome: TurnOutcome | null;
}

/**
 * Everything durable. Narrow on purpose: one way to write, and one question for each answer that the server gives.
 *
 * Rules that every implementation keeps (store.conformance.ts tests them):
 * - a write is all or nothing, and durable when its promise settles;
 * - event numbers of a session start at 1 and have no gaps; only the oldest events can go;
 * - writes take effect, and their promises settle, in the order of the calls;
 * - a second turn with the same session and idempotency key is refused.
 */
export interface Store extends LimitReads, TenantUids {
  /** From one day to another (of UTC, both included), the oldest first. */
  usageByDay(query: { from: string; to: string; scope: Scope }): Promise<UsageOfDay[]>;
  write(changes: readonly Change[]): Promise<WriteResult>;
  readonly keys: KeyTable;
  readonly rates: Rates;
  /** Whether events of all sessions are published here in the order of their cursors: one server writes alone. */
  readonly orderedFeed: boolean;
  /** Where they are: whose a session is, at once. Elsewhere the events that are read say it. */
  ownedNow?(sessionId: string): Owned | undefined;
  /** Calls back with the id of a session that any server wrote to; may miss some, so poll too. Returns how to stop. */
  watch(onWrite: (sessionId: string) => void): () => void;
  /** A secret of the server's own, by what it is for: `fresh` where there is none yet. */
  secret(name: string, fresh: string): Promise<string>;
  /** Writes something and commits it. @throws when the store cannot write */
  probe(): Promise<void>;

  getSession(id: string): Promise<SessionRecord | undefined>;
  /** Several sessions by id; unknown ids are left out. */
  getSessions(ids: readonly string[]): Promise<Map<string, SessionRecord>>;
  /** Newest activity first. @throws AppError 422 for a cursor that no page returned */
  listSessions(query: SessionQuery): Promise<{ sessions: SessionRecord[]; next: string | null }>;
  /** Sessions of which a server has left a part: it was erasing or importing them. */
  hiddenSessions(): Promise<{ id: string; why: 'erasing' | 'importing' }[]>;
  countSessions(status: SessionStatus): Promise<number>;
  /** Whose a session is, by its id or that of one of its conversations; also of one that is hidden. */
  whose(id: string): Promise<(Owned & { id: string }) | undefined>;

  /** A session's conversations, oldest first. */
  conversations(sessionId: string): Promise<ConversationRecord[]>;
  conversation(id: string): Promise<ConversationRecord | undefined>;
  /** Ids of the sessions that these conversations belong to, by conversation; unknown ones are left out. */
  conversationOwners(ids: readonly string[]): Promise<Map<string, string>>;
  /** Ids of all conversations that their sessions have left. */
  pastConversations(): Promise<string[]>;
  /** Ids of all conversations whose session is in scope, or of those whose session is not. */
  conversationsIn(scope: Scope): Promise<string[]>;
  conversationsOutside(scope: Scope): Promise<string[]>;

  getTurn(sessionId: string, turnId: string): Promise<TurnRecord | undefined>;
  /** Those of the given ids that are turns of the session. */
  knownTurns(sessionId: string, ids: readonly string[]): Promise<Set<string>>;
  getTurnByKey(sessionId: string, idempotencyKey: string): Promise<TurnRecord | undefined>;
  /** A session's turns in the order in which they were sent. */
  listTurns(query: {
    sessionId: string;
    state?: TurnState | undefined;
    /** Id of the turn before the first one that is wanted. */
    after?: string | undefined;
    limit: number;
  }): Promise<TurnRecord[]>;
  /** The turns of all sessions that are waiting or running, in the order in which they were sent. */
  openTurns(state: 'queued' | 'running'): Promise<TurnRecord[]>;
  /** The turns of all sessions that have ended while a caller still waits for their background work. */
  unsettledTurns(): Promise<TurnRecord[]>;

  getPermission(sessionId: string, id: string): Promise<PermissionRecord | undefined>;
  /** What was asked about one call of a tool, oldest first. */
  permissionsOfCall(sessionId: string, toolUseId: string): Promise<PermissionRecord[]>;
  /**
   * Those of all sessions in scope, oldest first: all of them, or one page.
   * @throws AppError 422 for a cursor that no page returned
   */
  pendingPermissions(page?: {
    limit?: number | undefined;
    cursor?: string | undefined;
    scope?: Scope | undefined;
  }): Promise<PendingPage>;
  /** The same of those that are settled, the last settled first. */
  settledPermissions(page: {
    limit: number;
    cursor?: string | undefined;
    scope?: Scope | undefined;
  }): Promise<PendingPage>;

  /** Events of a session with a number above `after`, in order. */
  readEvents(sessionId: string, after: number, limit: number): Promise<StoredEvent[]>;
  /** Number of a session's oldest event; the next one's while it has none. */
  firstSeq(sessionId: string): Promise<number>;
  /** The size of each log, by session id, from the one after `after`. */
  logSizes(after: string, limit: number): Promise<LogSize[]>;
  /** A session's oldest events. */
  oldestEvents(sessionId: string, limit: number): Promise<EventSize[]>;
  /**
   * What users and the agent's main thread said in a session, in order, from the events after number `after` up to
   * `until`.
   */
  history(
    sessionId: string,
    range: { after: number; until: number; limit: number; offset: number },
  ): Promise<HistoryEntry[]>;
  /** Number of a turn's first event: `turn.queued`, or `turn.started` if the agent began it by itself. */
  turnStart(sessionId: string, turnId: string): Promise<number | undefined>;
  /**
   * Events of all sessions but `agent.message`, with a cursor above `after`, in order.
   * @param scope only those of sessions in it; with whose they are, unless `ownedNow` tells it
   */
  readControlEvents(after: number, limit: number, scope?: Scope): Promise<StoredEvent[]>;
  lastCursor(): Promise<number>;
  /** Cursor of the newest control event that `trim-events` has removed; 0 before the first. */
  trimmedCursor(): Promise<number>;
  /** Ids of the sessions whose newest `session.tasks` event names a task. */
  sessionsWithTasks(): Promise<string[]>;
  /** What these sessions have not finished, or all sessions. */
  openWork(sessionIds?: readonly string[]): Promise<OpenWork>;

  /** Of each of these sessions, for a list. */
  sessionSums(ids: readonly string[]): Promise<Map<string, SessionSums>>;
  /** How many turns of a session have ended, and its sums by model. */
  sessionUsage(sessionId: string): Promise<Usage>;
  /**
   * The same of all sessions in scope, and the dollars that each API key has spent, by its id. What erased sessions used
   * is in the sums of all sessions only.
   */
  totalUsage(scope?: Scope): Promise<Usage & { costByKey: Map<string, number> }>;
  /** Dollars that a session has spent. */
  sessionCost(sessionId: string): Promise<number>;
  /** Dollars that an API key has spent. */
  keyCost(keyId: string): Promise<number>;

  readonly webhooks: WebhookStore;
  readonly push: PushStore;
  readonly audit: AuditStore;

  close(): Promise<void>;
}
