import type { ReadRow } from './rows.ts';
import type { DeliveryRecord, NewDelivery, WebhookRecord } from './webhooks.ts';

const textOrNull = (value: unknown): string | null => (value === null ? null : String(value));

export const WEBHOOK_COLUMNS =
  'tenant, id, url, events, secret, description, status, created_at, created_by, since';
export const DELIVERY_COLUMNS =
  'tenant, webhook_id, id, type, session_id, body, state, attempts, due_at, status, error, created_at, settled_at';

/** The values of `WEBHOOK_COLUMNS`. */
export const webhookValues = (hook: WebhookRecord) => [
  hook.tenant,
  hook.id,
  hook.url,
  JSON.stringify(hook.events),
  hook.secret,
  hook.description,
  hook.status,
  hook.createdAt,
  hook.createdBy,
  hook.since,
];

/** The values of `DELIVERY_COLUMNS` of one that is due. */
export const deliveryValues = (delivery: NewDelivery, dueAt: number) => [
  delivery.tenant,
  delivery.webhookId,
  delivery.id,
  delivery.type,
  delivery.sessionId,
  delivery.body,
  'pending',
  0,
  dueAt,
  null,
  null,
  delivery.createdAt,
  null,
];

export const webhookFromRow = (row: ReadRow): WebhookRecord => ({
  tenant: String(row.tenant),
  id: String(row.id),
  url: String(row.url),
  events: JSON.parse(String(row.events)) as string[],
  secret: String(row.secret),
  description: textOrNull(row.description),
  status: String(row.status) as WebhookRecord['status'],
  createdAt: String(row.created_at),
  createdBy: textOrNull(row.created_by),
  since: Number(row.since),
});

export const deliveryFromRow = (row: ReadRow): DeliveryRecord => ({
  tenant: String(row.tenant),
  webhookId: String(row.webhook_id),
  id: String(row.id),
  type: String(row.type),
  sessionId: textOrNull(row.session_id),
  body: String(row.body),
  state: String(row.state) as DeliveryRecord['state'],
  attempts: Number(row.attempts),
  dueAt: Number(row.due_at),
  status: row.status === null ? null : Number(row.status),
  error: textOrNull(row.error),
  createdAt: String(row.created_at),
  settledAt: textOrNull(row.settled_at),
});

/** The columns that an update sets, by name. */
export const webhookSet = (set: Partial<WebhookRecord>): Record<string, string | null> => ({
  ...(set.url !== undefined && { url: set.url }),
  ...(set.events !== undefined && { events: JSON.stringify(set.events) }),
  ...(set.description !== undefined && { description: set.description }),
  ...(set.status !== undefined && { status: set.status }),
});
