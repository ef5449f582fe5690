import type { Role } from 'claude-agent-protocol';
import type { ReadRow } from './rows.ts';

/** A key that opens the server, or a token of one session. */
export interface KeyRecord {
  id: string;
  tenant: string;
  name: string;
  role: Role;
  /** Of the secret, SHA-256 in hexadecimal. */
  hash: string;
  /** A token opens this session only. */
  sessionId: string | null;
  /** The key that made the token: it ends with that. */
  parent: string | null;
  createdAt: string;
  createdBy: string | null;
  expiresAt: string | null;
  revokedAt: string | null;
  lastUsedAt: string | null;
  budgetUsd: number | null;
}

/** Keys and tokens. Beside the log: they belong to no session. Times are ISO 8601 UTC. */
export interface KeyTable {
  insert(key: KeyRecord): Promise<void>;
  get(id: string): Promise<KeyRecord | undefined>;
  /** The key of a secret; undefined when it, or the key that made it, is revoked or over at `now`. */
  byHash(hash: string, now: string): Promise<KeyRecord | undefined>;
  /** Those of these ids that are not good any more at `now`. */
  ended(ids: readonly string[], now: string): Promise<string[]>;
  /** Keys without tokens, by id; of a tenant or of all. */
  list(query: {
    tenant?: string | undefined;
    after?: string | undefined;
    limit: number;
  }): Promise<KeyRecord[]>;
  /** Whether a key was ever made: from then on the server needs one. */
  any(): Promise<boolean>;
  revoke(id: string, at: string): Promise<void>;
  /** Another secret; the old one is good until `oldUntil`. */
  rotate(id: string, hash: string, oldUntil: string): Promise<void>;
  used(id: string, at: string): Promise<void>;
  /** Removes tokens that ended before `before`. */
  prune(before: string): Promise<void>;
}

const textOrNull = (value: ReadRow[string] | undefined): string | null =>
  typeof value === 'string' ? value : null;

export const keyFromRow = (row: ReadRow): KeyRecord => ({
  id: String(row.id),
  tenant: String(row.tenant),
  name: String(row.name),
  // What stands there was written by `insert`.
  role: row.role as Role,
  hash: String(row.hash),
  sessionId: textOrNull(row.session_id),
  parent: textOrNull(row.parent),
  createdAt: String(row.created_at),
  createdBy: textOrNull(row.created_by),
  expiresAt: textOrNull(row.expires_at),
  revokedAt: textOrNull(row.revoked_at),
  lastUsedAt: textOrNull(row.last_used_at),
  budgetUsd: typeof row.budget_usd === 'number' ? row.budget_usd : null,
});

/** The values of a new key, in the order of the columns below. */
export const valuesOf = (key: KeyRecord): (string | number | null)[] => [
  key.id,
  key.tenant,
  key.name,
  key.role,
  key.hash,
  key.sessionId,
  key.parent,
  key.createdAt,
  key.createdBy,
  key.expiresAt,
  key.revokedAt,
  key.lastUsedAt,
  key.budgetUsd,
];

export const KEY_COLUMNS = `id, tenant, name, role, hash, session_id, parent, created_at, created_by, expires_at,
  revoked_at, last_used_at, budget_usd`;

/** The condition that a key is good, by the mark of the present time. */
export const isGood = (table: string, now: string): string =>
  `${table}.revoked_at is null and (${table}.expires_at is null or ${table}.expires_at > ${now})`;
