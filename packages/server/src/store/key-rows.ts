import type { Limits, Role } from 'claude-agent-protocol';
import type { KeyChange, KeyRecord } from './keys.ts';
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

/**
 * Changes a key in one statement, so that two changes of different fields at once both hold. `mark` gives the mark of a parameter
 * by its number; the values are those of `changedValues`.
 */
export const changeSql = (mark: (n: number) => string): string =>
  `update api_keys set
     name = coalesce(${mark(2)}, name),
     expires_at = case when ${mark(3)} = 1 then ${mark(4)} else expires_at end,
     budget_usd = case when ${mark(5)} = 1 then ${mark(6)} else budget_usd end,
     limits = coalesce(${mark(7)}, limits)
   where id = ${mark(1)} returning *`;

const given = (value: unknown): number => (value === undefined ? 0 : 1);

/** The values for `changeSql`, in the order of its parameters. */
export const changedValues = (id: string, change: KeyChange): (string | number | null)[] => {
  const { name, expiresAt, budgetUsd, limits } = change;
  return [
    id,
    name ?? null,
    given(expiresAt),
    expiresAt ?? null,
    given(budgetUsd),
    budgetUsd ?? null,
    limits === undefined ? null : JSON.stringify(limits),
  ];
};

/** The condition that a key is good, by the mark of the present time. */
export const isGood = (table: string, now: string): string =>
  `${table}.revoked_at is null and (${table}.expires_at is null or ${table}.expires_at > ${now})`;
