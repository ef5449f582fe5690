import { randomUUID } from 'node:crypto';
import type { WebhookType } from 'claude-agent-protocol/reasons';
import { eventJson } from '../events/frames.ts';
import { dataOf, isEvent } from '../events/stored.ts';
import type { StoredEvent } from '../store/store.ts';
import type { NewDelivery, WebhookRecord } from '../store/webhooks.ts';

/** A larger event is told of without its data: receivers often refuse more. */
const MOST_BYTES = 256 * 1024;

/** What the webhooks of one tenant are told of one event. */
export function deliveriesOf(event: StoredEvent, hooks: readonly WebhookRecord[]): NewDelivery[] {
  return typesOf(event).flatMap((type) => {
    const wanted = hooks.filter((hook) => event.cursor > hook.since && hook.events.includes(type));
    if (wanted.length === 0) return [];
    const body = bodyOf(type, event.at, dataText(event));
    return wanted.map(({ tenant, id }) => delivery({ tenant, id }, type, body, event.sessionId));
  });
}

/** A message that comes from no event: it shows that the receiver can be reached. */
export const testDelivery = (hook: Pick<WebhookRecord, 'tenant' | 'id'>): NewDelivery =>
  delivery(hook, 'webhook.test', bodyOf('webhook.test', new Date().toISOString(), '{}'), null);

const delivery = (
  { tenant, id: webhookId }: Pick<WebhookRecord, 'tenant' | 'id'>,
  type: string,
  body: string,
  sessionId: string | null,
): NewDelivery => ({
  tenant,
  webhookId,
  id: `msg_${randomUUID().replaceAll('-', '')}`,
  type,
  sessionId,
  body,
  createdAt: new Date().toISOString(),
});

const bodyOf = (type: string, at: string, data: string): string =>
  `{"type":${JSON.stringify(type)},"timestamp":${JSON.stringify(at)},"data":${data}}`;

function dataText(event: StoredEvent): string {
  const whole = eventJson(event);
  if (Buffer.byteLength(whole) <= MOST_BYTES) return whole;
  return eventJson({ ...event, json: '{"too_large":true}' });
}

/** The codes of a budget that is spent, also that of a day. */
const SPENT: ReadonlySet<string> = new Set(['error_max_budget_usd', 'spend_limit']);

/** An event under its own type; a turn that a budget has ended is told of as that too. */
function typesOf(event: StoredEvent): (WebhookType | StoredEvent['type'])[] {
  const isBudget = isEvent(event, 'turn.failed') && SPENT.has(dataOf(event).error.code);
  return isBudget ? [event.type, 'budget.spent'] : [event.type];
}
