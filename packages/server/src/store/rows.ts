import type { EventType, TurnOutcome } from 'claude-agent-protocol';
import type {
  ConversationRecord,
  LogSize,
  Owned,
  PermissionRecord,
  SessionRecord,
  SessionSums,
  StoredEvent,
  TurnRecord,
  UsageRow,
} from './store.ts';

/** A row in SQL: camelCase becomes snake_case, objects become JSON text, booleans 0 and 1. */
export type Row = Record<string, string | number | null>;

/** A row as it is read: PostgreSQL has booleans. */
export type ReadRow = Record<string, string | number | boolean | null>;

type Codec = 'text' | 'number' | 'boolean' | 'json';
type Columns<T> = { [K in keyof T]-?: Codec };

const SESSION: Columns<SessionRecord> = {
  id: 'text',
  createdAt: 'text',
  lastActivity: 'text',
  status: 'text',
  title: 'text',
  metadata: 'json',
  cwd: 'text',
  worktree: 'text',
  model: 'text',
  permissionMode: 'text',
  options: 'json',
  messageCount: 'number',
  conversationId: 'text',
  hasTranscript: 'boolean',
  transcriptSeen: 'number',
  forkedFrom: 'text',
  createdBy: 'text',
  tenant: 'text',
  workspace: 'json',
  secrets: 'json',
  lastSeq: 'number',
};

const TURN: Columns<TurnRecord> = {
  id: 'text',
  sessionId: 'text',
  state: 'text',
  initiator: 'text',
  input: 'json',
  idempotencyKey: 'text',
  inputHash: 'text',
  waitFor: 'text',
  urgent: 'boolean',
  steers: 'text',
  continuedAs: 'text',
  createdAt: 'text',
  startedAt: 'text',
  endedAt: 'text',
  settledAt: 'text',
  result: 'json',
};

const PERMISSION: Columns<PermissionRecord> = {
  id: 'text',
  sessionId: 'text',
  turnId: 'text',
  kind: 'text',
  toolName: 'text',
  toolInput: 'json',
  toolUseId: 'text',
  agentId: 'text',
  suggestions: 'json',
  title: 'text',
  description: 'text',
  decisionReason: 'text',
  blockedPath: 'text',
  durable: 'boolean',
  defaultToNo: 'boolean',
  requestedAt: 'text',
  expiresAt: 'text',
  state: 'text',
  reason: 'text',
  resolvedAt: 'text',
  resolvedBy: 'json',
  decision: 'json',
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function columns<T extends object>(codecs: Columns<T>): (record: Partial<T>) => Row {
  const names = Object.entries(codecs).map(
    ([key, codec]) => [key as keyof T, snake(key), codec as Codec] as const,
  );
  return (record) => {
    const row: Row = {};
    for (const [key, name, codec] of names) {
      const value = record[key];
      if (value === undefined) continue;
      if (value === null) row[name] = null;
      else if (codec === 'json') row[name] = JSON.stringify(value);
      else if (codec === 'boolean') row[name] = value ? 1 : 0;
      else row[name] = value as string | number;
    }
    return row;
  };
}

function fromRow<T extends object>(codecs: Columns<T>): (row: ReadRow) => T {
  const names = Object.entries(codecs).map(([key, codec]) => [key, snake(key), codec as Codec] as const);
  return (row) => {
    const record: Record<string, unknown> = {};
    for (const [key, name, codec] of names) {
      const value = row[name] ?? null;
      if (codec === 'json' && typeof value === 'string') record[key] = JSON.parse(value);
      else record[key] = codec === 'boolean' ? value === 1 || value === true : value;
    }
    return record as T;
  };
}

export const sessionColumns = columns(SESSION);
export const sessionFromRow = fromRow(SESSION);
export const turnColumns = columns(TURN);
export const turnFromRow = fromRow(TURN);
export const permissionColumns = columns(PERMISSION);
export const permissionFromRow = fromRow(PERMISSION);

export const conversationFromRow = (row: ReadRow): ConversationRecord => ({
  id: String(row.id),
  sessionId: String(row.session_id),
  afterSeq: Number(row.after_seq),
  fromDisk: row.from_disk === 1 || row.from_disk === true,
});

export const hiddenFromRow = ({ id, hidden }: ReadRow): { id: string; why: 'erasing' | 'importing' } => ({
  id: String(id),
  why: hidden === 'importing' ? 'importing' : 'erasing',
});

/** Whose a session is, from its `tenant` and `created_by`. */
export const ownedFromRow = (row: ReadRow): Owned => ({
  tenant: String(row.tenant),
  createdBy: typeof row.created_by === 'string' ? row.created_by : null,
});

/** An event with its text; one without a place among those of all sessions has the cursor 0. */
export const eventFromRow = (row: ReadRow): StoredEvent => ({
  cursor: Number(row.cursor ?? 0),
  sessionId: String(row.session_id),
  seq: Number(row.seq),
  at: String(row.at),
  turnId: row.turn_id === null ? null : String(row.turn_id),
  // What stands there was written by `event` (events/log.ts), which takes the catalogue's types only.
  type: row.type as EventType,
  json: String(row.data),
  ...(row.created_by !== undefined && typeof row.tenant === 'string' && { of: ownedFromRow(row) }),
});

/** A session's log, from its row with `first_seq` and `at` of its oldest event and where its conversation begins. */
export const logSizeFromRow = (row: ReadRow): LogSize => ({
  sessionId: String(row.id),
  firstSeq: Number(row.first_seq ?? Number(row.last_seq) + 1),
  lastSeq: Number(row.last_seq),
  bytes: Number(row.log_bytes),
  oldestAt: row.at === null ? null : String(row.at),
  conversationFrom: Number(row.after_seq ?? 0) + 1,
  tasksSeq: row.tasks_seq === null ? null : Number(row.tasks_seq),
});

export const sumsFromRow = ({ cost, outcome }: ReadRow): SessionSums => ({
  costUsd: Number(cost),
  // The query asks for turns that have ended.
  lastOutcome: outcome as TurnOutcome | null,
});

/** Sums of one model. */
export const usageFromRow = (row: ReadRow): UsageRow => ({
  model: String(row.model),
  inputTokens: Number(row.input_tokens),
  outputTokens: Number(row.output_tokens),
  cacheReadInputTokens: Number(row.cache_read),
  cacheCreationInputTokens: Number(row.cache_creation),
  costUsd: Number(row.cost),
});
