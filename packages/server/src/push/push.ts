import { randomUUID } from 'node:crypto';
import type { PermissionKind } from 'claude-agent-protocol';
import type { Standing } from '../access/standing.ts';
import { dataOf, isEvent } from '../events/stored.ts';
import type { Reach } from '../outbound/addresses.ts';
import { createGuardedFetch } from '../outbound/guarded-fetch.ts';
import type { PushSubscriptionRecord } from '../store/push.ts';
import { isInScope } from '../store/scope.ts';
import type { SessionRecord, Store, StoredEvent } from '../store/store.ts';
import type { Attempt, DeliveryRecord, NewDelivery } from '../store/webhooks.ts';
import type { OtherReceivers } from '../webhooks/sender.ts';
import { encodePush, makeVapidKeys } from './encode.ts';

const MINUTE = 60_000;
/** Before each further attempt. A request waits minutes, seldom hours. */
const BACKOFF_MS = [5_000, 30_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE] as const;
/** The push service keeps a message so long for a browser that is not there. */
const MOST_TTL_SECONDS = 24 * 3_600;
const LEAST_TTL_SECONDS = 60;
/** A title is cut here: push services take 4 KB. */
const MOST_TITLE = 200;

/** The subscription is over, says the push service. */
const GONE = [404, 410];
/** It may take the same message later. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/** What a browser is told of a request: nothing of its content. */
interface Told {
  type: 'permission' | 'test';
  session_id?: string;
  request_id?: string;
  session_title?: string | null;
  tool_name?: string;
  kind?: PermissionKind;
  expires_at?: string | null;
}

/** Tells browsers of requests that wait (Web Push). */
export interface Push extends OtherReceivers {
  /** Browsers subscribe with it. */
  publicKey: string;
  /** Which addresses subscriptions may have. */
  reach: Reach;
}

export interface PushDeps {
  store: Pick<Store, 'push' | 'getPermission'>;
  /** Who runs this server, for push services: `mailto:` or `https:`. */
  contact: string;
  reach: Reach;
  standing: Standing;
}

/** A message that comes from no request: it shows that the browser is reached. */
export const testPush = (to: Pick<PushSubscriptionRecord, 'tenant' | 'id'>): NewDelivery =>
  delivery(to, 'push.test', { type: 'test' }, null);

const delivery = (
  { tenant, id: webhookId }: Pick<PushSubscriptionRecord, 'tenant' | 'id'>,
  type: string,
  told: Told,
  sessionId: string | null,
): NewDelivery => ({
  tenant,
  webhookId,
  id: `push_${randomUUID().replaceAll('-', '')}`,
  type,
  sessionId,
  body: JSON.stringify(told),
  createdAt: new Date().toISOString(),
});

/** @throws StorageError when the keys of the server cannot be read or kept */
export async function createPush({ store, contact, reach, standing }: PushDeps): Promise<Push> {
  const keys = await store.push.vapid(makeVapidKeys());
  const guarded = createGuardedFetch(reach);

  /** The browsers whose callers may still answer, and what. Those of the others are removed. */
  const subscribers = async () => {
    const all = await store.push.all();
    const found = await Promise.all(
      all.map(async (subscription) => {
        const scope = await standing(subscription);
        if (!scope) await store.push.remove(subscription.tenant, subscription.id);
        return scope && { subscription, scope };
      }),
    );
    return found.filter((each) => each !== undefined);
  };

  const told = async (
    event: StoredEvent,
    session: SessionRecord | undefined,
    to: Awaited<ReturnType<typeof subscribers>>,
  ): Promise<NewDelivery[]> => {
    if (!session || !isEvent(event, 'permission.requested')) return [];
    const { request_id, tool_name, kind, expires_at } = dataOf(event);
    const content: Told = {
      type: 'permission',
      session_id: session.id,
      request_id,
      session_title: session.title?.slice(0, MOST_TITLE) ?? null,
      tool_name,
      kind,
      expires_at,
    };
    return to
      .filter(({ subscription, scope }) => event.cursor > subscription.since && isInScope(scope, session))
      .map(({ subscription }) => delivery(subscription, 'push.permission', content, session.id));
  };

  const over = (error: string, status: number | null = null): Attempt => ({
    state: 'failed',
    status,
    error,
    at: new Date().toISOString(),
  });

  /** Why it need not be sent any more; undefined when it is to be. */
  const needless = async ({ sessionId, body }: DeliveryRecord): Promise<string | undefined> => {
    const { request_id } = JSON.parse(body) as Told;
    if (sessionId === null || request_id === undefined) return undefined;
    const request = await store.getPermission(sessionId, request_id);
    return request?.state === 'pending' ? undefined : 'The request does not wait any more.';
  };

  const send = async (
    subscription: PushSubscriptionRecord,
    { body: text, attempts }: DeliveryRecord,
    signal: AbortSignal,
  ): Promise<Attempt> => {
    const { request_id, expires_at } = JSON.parse(text) as Told;
    const left = expires_at ? (Date.parse(expires_at) - Date.now()) / 1000 : MOST_TTL_SECONDS;
    const ttlSeconds = Math.round(Math.min(MOST_TTL_SECONDS, Math.max(LEAST_TTL_SECONDS, left)));
    const topic = request_id?.replaceAll('-', '').slice(0, 32);
    const { headers, body } = await encodePush(subscription, { text, ttlSeconds, topic }, { keys, contact });
    const response = await guarded.fetch(subscription.endpoint, { method: 'POST', headers, body, signal });
    await response.body?.cancel();
    const { status } = response;
    if (status >= 200 && status < 300) {
      return { state: 'delivered', status, error: null, at: new Date().toISOString() };
    }
    if (GONE.includes(status)) {
      await store.push.remove(subscription.tenant, subscription.id);
      return over('The browser has ended its subscription.', status);
    }
    const wait = isPassing(status) ? BACKOFF_MS[attempts - 1] : undefined;
    const error = `The push service answered ${status}.`;
    return wait === undefined ? over(error, status) : { state: 'pending', status, error, retryInMs: wait };
  };

  return {
    publicKey: keys.publicKey,
    reach,
    any: async () => (await store.push.all()).length > 0,
    takes: (type) => type.startsWith('push.'),

    async deliveriesOf(events, sessions) {
      if (!events.some((event) => isEvent(event, 'permission.requested'))) return [];
      const to = await subscribers();
      const each = events.map((event) => told(event, sessions.get(event.sessionId), to));
      return (await Promise.all(each)).flat();
    },

    async attempt(given, signal) {
      const subscription = await store.push.get(given.tenant, given.webhookId);
      if (!subscription) return over('The subscription is gone.');
      if (!(await standing(subscription))) {
        await store.push.remove(subscription.tenant, subscription.id);
        return over('Its caller may not answer any more.');
      }
      const why = await needless(given);
      return why === undefined ? send(subscription, given, signal) : over(why);
    },

    /** A connection that failed. */
    retryInMs: (attempts) => BACKOFF_MS[attempts - 1],
    close: () => guarded.close(),
  };
}
