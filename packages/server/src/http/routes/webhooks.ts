import { randomUUID } from 'node:crypto';
import { type Output, routes } from 'claude-agent-protocol';
import type { Context, Hono } from 'hono';
import { makerOf } from '../../access/principal.ts';
import { problem } from '../../errors.ts';
import { mayLeadTo } from '../../outbound/addresses.ts';
import type { DeliveryRecord, WebhookRecord } from '../../store/webhooks.ts';
import { isConfigured } from '../../webhooks/configured.ts';
import { testDelivery } from '../../webhooks/messages.ts';
import { newSecret } from '../../webhooks/sign.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { pageOf } from '../page.ts';

/** Each event is compared with each of them. */
const MOST_WEBHOOKS = 20;

export function webhookRoutes(app: Hono<HttpEnv>, { store, webhooks: { reach, kick } }: AppDeps): void {
  const { webhooks } = store;
  const tenantOf = (c: Context<HttpEnv>): string => makerOf(c.get('principal')).tenant;

  const checkUrl = (url: string): void => {
    if (!mayLeadTo(reach, url)) throw problem('webhook_url_not_allowed', { url });
  };

  const find = async (tenant: string, id: string): Promise<WebhookRecord> => {
    const hook = await webhooks.get(tenant, id);
    if (!hook) throw problem('webhook_not_found', { id });
    return hook;
  };

  /** @throws AppError 404, 409 */
  const findOwn = async (tenant: string, id: string): Promise<void> => {
    if (isConfigured(await find(tenant, id))) throw problem('webhook_configured', { id });
  };

  mount(app, routes.createWebhook, async ({ body }, c) => {
    checkUrl(body.url);
    const { tenant, createdBy } = makerOf(c.get('principal'));
    if ((await webhooks.list(tenant)).length >= MOST_WEBHOOKS)
      throw problem('too_many_webhooks', { limit: MOST_WEBHOOKS });
    const since = await store.lastCursor();
    const hook: WebhookRecord = {
      tenant,
      id: randomUUID(),
      url: body.url,
      events: body.events,
      secret: newSecret(),
      description: body.description ?? null,
      status: 'enabled',
      createdAt: new Date().toISOString(),
      createdBy,
      since,
    };
    await webhooks.insert(hook, since);
    c.get('audited')?.note({ webhook_id: hook.id });
    kick();
    return { ...hookView(hook), secret: hook.secret };
  });

  mount(app, routes.listWebhooks, async (_, c) => ({
    webhooks: (await webhooks.list(tenantOf(c))).map(hookView),
    next_cursor: null,
    has_more: false,
  }));

  mount(app, routes.getWebhook, async ({ params }, c) =>
    hookView(await find(tenantOf(c), params.webhook_id)),
  );

  mount(app, routes.patchWebhook, async ({ params, body }, c) => {
    const tenant = tenantOf(c);
    if (body.url !== undefined) checkUrl(body.url);
    await findOwn(tenant, params.webhook_id);
    await webhooks.update(tenant, params.webhook_id, {
      ...(body.url !== undefined && { url: body.url }),
      ...(body.events !== undefined && { events: body.events }),
      ...(body.description !== undefined && { description: body.description }),
      ...(body.status !== undefined && { status: body.status }),
    });
    kick();
    return hookView(await find(tenant, params.webhook_id));
  });

  mount(app, routes.deleteWebhook, async ({ params }, c) => {
    const { webhook_id: id } = params;
    await findOwn(tenantOf(c), id);
    if (!(await webhooks.remove(tenantOf(c), id))) throw problem('webhook_not_found', { id });
    return { status: 'deleted' as const };
  });

  mount(app, routes.testWebhook, async ({ params }, c) => {
    const hook = await find(tenantOf(c), params.webhook_id);
    const delivery = testDelivery(hook);
    await webhooks.enqueue(delivery);
    kick();
    return { delivery_id: delivery.id };
  });

  mount(app, routes.listDeliveries, async ({ params, query }, c) => {
    const hook = await find(tenantOf(c), params.webhook_id);
    const { limit, state, cursor } = query;
    const found = await webhooks.deliveries({
      tenant: hook.tenant,
      webhookId: hook.id,
      state,
      limit: limit + 1,
      before: cursor === undefined ? undefined : readCursor(cursor),
    });
    return pageOf('deliveries', found.map(deliveryView), limit, (last) => `${last.created_at}~${last.id}`);
  });

  mount(app, routes.redeliver, async ({ params }, c) => {
    const hook = await find(tenantOf(c), params.webhook_id);
    const delivery = await webhooks.again(hook.tenant, hook.id, params.delivery_id);
    if (!delivery) throw problem('delivery_not_found', { id: params.delivery_id });
    kick();
    return deliveryView(delivery);
  });
}

/** @throws AppError 422 for a cursor that no page returned */
function readCursor(cursor: string): { createdAt: string; id: string } {
  const [createdAt, id, ...more] = cursor.split('~');
  if (!createdAt || !id || more.length > 0) throw problem('cursor_invalid');
  return { createdAt, id };
}

/** Without its secret, which is shown once. */
const hookView = (hook: WebhookRecord): Output<'getWebhook'> => ({
  id: hook.id,
  url: hook.url,
  events: [...hook.events] as Output<'getWebhook'>['events'],
  description: hook.description,
  status: hook.status,
  created_at: hook.createdAt,
});

const deliveryView = (delivery: DeliveryRecord): Output<'redeliver'> => ({
  id: delivery.id,
  type: delivery.type,
  session_id: delivery.sessionId,
  state: delivery.state,
  attempts: delivery.attempts,
  next_attempt_at: delivery.state === 'pending' ? new Date(delivery.dueAt).toISOString() : null,
  status: delivery.status,
  error: delivery.error,
  created_at: delivery.createdAt,
  settled_at: delivery.settledAt,
});
