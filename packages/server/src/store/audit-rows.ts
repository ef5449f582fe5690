import type { AuditActor, Role } from 'claude-agent-protocol';
import type { AuditFilters, AuditRecord } from './audit.ts';
import type { ReadRow } from './rows.ts';

export const AUDIT_COLUMNS = [
  'id',
  'at',
  'tenant',
  'actor_kind',
  'actor',
  'role',
  'actor_tenant',
  'address',
  'user_agent',
  'request_id',
  'action',
  'method',
  'session_id',
  'params',
  'status',
  'problem',
  'count',
] as const;

type Column = (typeof AUDIT_COLUMNS)[number];

export const auditRow = (record: AuditRecord): Record<Column, string | number | null> => ({
  id: record.id,
  at: record.at,
  tenant: record.tenant,
  actor_kind: record.actorKind,
  actor: record.actor,
  role: record.role,
  actor_tenant: record.actorTenant,
  address: record.address,
  user_agent: record.userAgent,
  request_id: record.requestId,
  action: record.action,
  method: record.method,
  session_id: record.sessionId,
  params: JSON.stringify(record.params),
  status: record.status,
  problem: record.problem,
  count: record.count,
});

const textOrNull = (value: ReadRow[string] | undefined): string | null =>
  typeof value === 'string' ? value : null;

export const auditFromRow = (row: ReadRow): AuditRecord => ({
  id: String(row.id),
  at: String(row.at),
  tenant: textOrNull(row.tenant),
  // What stands there was written by `append`.
  actorKind: row.actor_kind as AuditActor,
  actor: textOrNull(row.actor),
  role: textOrNull(row.role) as Role | null,
  actorTenant: textOrNull(row.actor_tenant),
  address: textOrNull(row.address),
  userAgent: textOrNull(row.user_agent),
  requestId: textOrNull(row.request_id),
  action: String(row.action),
  method: String(row.method),
  sessionId: textOrNull(row.session_id),
  params: JSON.parse(String(row.params)) as Record<string, string>,
  status: Number(row.status),
  problem: textOrNull(row.problem),
  count: Number(row.count),
});

/** The column whose index is read: the one that leaves the fewest rows. */
export function leadingColumn({ sessionId, actor, tenant }: AuditFilters): Column {
  if (sessionId !== undefined) return 'session_id';
  if (actor !== undefined) return 'actor';
  return tenant === undefined ? 'id' : 'tenant';
}

/** The filters that are columns with one value. */
export const equalTo = ({ sessionId, actor, tenant, action }: AuditFilters): [Column, string][] =>
  (
    [
      ['session_id', sessionId],
      ['actor', actor],
      ['tenant', tenant],
      ['action', action],
    ] as const
  ).flatMap(([column, value]) => (value === undefined ? [] : [[column, value] as [Column, string]]));

/** Behind every id. */
const LAST_ID = '~';

/** The ids between which a page is, both excluded. */
export function boundsOf({
  from = '',
  to = LAST_ID,
  after,
  newestFirst,
}: AuditFilters & { newestFirst: boolean; after?: string | undefined }): { above: string; below: string } {
  // `from` is the beginning of an id: everything that starts with it is above it.
  const ends = { above: from, below: to };
  if (after === undefined) return ends;
  if (newestFirst) return { ...ends, below: after < to ? after : to };
  return { ...ends, above: after > from ? after : from };
}
