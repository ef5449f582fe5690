import type { Limits, Role } from 'claude-agent-protocol';
import type { KeyRecord } from './keys.ts';
import type { ReadRow } from './rows.ts';

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
  limits: typeof row.limits === 'string' ? (JSON.parse(row.limits) as Limits) : {},
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
  JSON.stringify(key.limits),
];

export const KEY_COLUMNS = `id, tenant, name, role, hash, session_id, parent, created_at, created_by, expires_at,
  revoked_at, last_used_at, budget_usd, limits`;

/** The condition that a key is good, by the mark of the present time. */
export const isGood = (table: string, now: string): string =>
  `${table}.revoked_at is null and (${table}.expires_at is null or ${table}.expires_at > ${now})`;
