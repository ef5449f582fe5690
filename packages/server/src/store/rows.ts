import type { PermissionRecord, SessionRecord, TurnRecord } from './store.ts';

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
  workspace: 'json',
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
