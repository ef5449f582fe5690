import type { Role } from 'claude-agent-protocol';
import type { PushSubscriptionRecord } from './push.ts';
import type { ReadRow } from './rows.ts';

const textOrNull = (value: unknown): string | null => (value === null ? null : String(value));

export const PUSH_COLUMNS =
  'tenant, id, owner, role, endpoint, p256dh, auth, label, created_at, expires_at, since';

/** What a renewed subscription changes. */
export const PUSH_RENEWED = ['role', 'p256dh', 'auth', 'label', 'expires_at']
  .map((column) => `${column} = excluded.${column}`)
  .join(', ');

/** The values of `PUSH_COLUMNS`. */
export const pushValues = (given: PushSubscriptionRecord) => [
  given.tenant,
  given.id,
  given.owner,
  given.role,
  given.endpoint,
  given.p256dh,
  given.auth,
  given.label,
  given.createdAt,
  given.expiresAt,
  given.since,
];

export const pushFromRow = (row: ReadRow): PushSubscriptionRecord => ({
  tenant: String(row.tenant),
  id: String(row.id),
  owner: String(row.owner),
  role: String(row.role) as Role,
  endpoint: String(row.endpoint),
  p256dh: String(row.p256dh),
  auth: String(row.auth),
  label: textOrNull(row.label),
  createdAt: String(row.created_at),
  expiresAt: textOrNull(row.expires_at),
  since: Number(row.since),
});
