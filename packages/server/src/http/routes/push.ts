import { createHash } from 'node:crypto';
import { type Output, routes } from 'claude-agent-protocol';
import type { Context, Hono } from 'hono';
import type { Caller } from '../../access/principal.ts';
import { problem } from '../../errors.ts';
import { mayLeadTo, type Reach } from '../../outbound/addresses.ts';
import { isKeyOfBrowser } from '../../push/encode.ts';
import { testPush } from '../../push/push.ts';
import type { PushSubscriptionRecord } from '../../store/push.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';

/** Of one caller: each request is encrypted for each of them. */
const MOST_SUBSCRIPTIONS = 20;
/** A user of an identity provider cannot be asked after; its console renews the subscription whenever it is open. */
const TOKEN_DAYS = 7;
const DAY_MS = 86_400_000;

export function pushRoutes(app: Hono<HttpEnv>, { store, push, webhooks: { kick } }: AppDeps): void {
  mount(app, routes.getPush, () => ({ public_key: push?.publicKey ?? null }));

  mount(app, routes.createPushSubscription, async ({ body: { endpoint, keys, label } }, c) => {
    if (!push) throw problem('push_off');
    checkEndpoint(push.reach, endpoint);
    if (!isKeyOfBrowser(keys)) throw problem('push_keys_invalid');
    const { tenant, id: owner, role, expiresAt } = callerOf(c);
    const id = createHash('sha256').update(`${owner}\n${endpoint}`).digest('hex').slice(0, 32);
    const known = await store.push.list(tenant, owner);
    if (known.length >= MOST_SUBSCRIPTIONS && !known.some((each) => each.id === id))
      throw problem('too_many_push_subscriptions', { limit: MOST_SUBSCRIPTIONS });
    const since = await store.lastCursor();
    const given: PushSubscriptionRecord = {
      tenant,
      id,
      owner,
      role,
      endpoint,
      ...keys,
      label: label ?? null,
      createdAt: new Date().toISOString(),
      expiresAt: expiresAt === undefined ? null : new Date(Date.now() + TOKEN_DAYS * DAY_MS).toISOString(),
      since,
    };
    await store.push.put(given, since);
    kick();
    return subscriptionView((await store.push.get(tenant, id)) ?? given);
  });

  mount(app, routes.listPushSubscriptions, async (_, c) => {
    const { tenant, id } = callerOf(c);
    const subscriptions = (await store.push.list(tenant, id)).map(subscriptionView);
    return { subscriptions, next_cursor: null, has_more: false };
  });

  mount(app, routes.deletePushSubscription, async ({ params }, c) => {
    const { tenant, id } = await find(c, params.subscription_id);
    await store.push.remove(tenant, id);
    return { status: 'deleted' as const };
  });

  mount(app, routes.testPushSubscription, async ({ params }, c) => {
    if (!push) throw problem('push_off');
    await store.webhooks.enqueue(testPush(await find(c, params.subscription_id)));
    kick();
    return { status: 'sent' as const };
  });

  /** One of the caller's. @throws AppError 404 */
  async function find(c: Context<HttpEnv>, id: string): Promise<PushSubscriptionRecord> {
    const caller = callerOf(c);
    const found = await store.push.get(caller.tenant, id);
    if (found?.owner !== caller.id) throw problem('push_subscription_not_found', { id });
    return found;
  }
}

function callerOf(c: Context<HttpEnv>): Caller {
  const principal = c.get('principal');
  // An agent's token opens nothing but the gateway.
  if (principal.kind === 'session') throw problem('forbidden');
  return principal;
}

function checkEndpoint(reach: Reach, endpoint: string): void {
  const { protocol, host } = new URL(endpoint);
  const isSafe = protocol === 'https:' || reach !== 'public';
  if (!isSafe || !mayLeadTo(reach, endpoint)) throw problem('push_url_not_allowed', { host });
}

/** Without the browser's keys. */
const subscriptionView = (given: PushSubscriptionRecord): Output<'createPushSubscription'> => ({
  id: given.id,
  endpoint: given.endpoint,
  label: given.label,
  created_at: given.createdAt,
  expires_at: given.expiresAt,
});
