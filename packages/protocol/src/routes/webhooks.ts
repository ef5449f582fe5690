import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { DELIVERY_STATES } from '../reasons.ts';
import { page, pageQuery } from '../schemas/page.ts';
import { CreateWebhook, PatchWebhook, Webhook, WebhookDelivery } from '../schemas/webhook.ts';
import { route } from './route.ts';

const ACCESS = { may: 'manage', of: 'tenant' } as const;
const one = { params: z.object({ webhook_id: z.uuid().meta({ description: 'Webhook id' }) }) };

/** Webhooks of the caller's tenant, signed after Standard Webhooks. */
export const webhookRoutes = {
  createWebhook: route({
    ...endpoints.createWebhook,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'Tell an address of events from now on',
    body: CreateWebhook,
    responses: {
      200: {
        description: 'The webhook',
        schema: Webhook.extend({
          secret: z.string().meta({ description: 'Verifies what is sent; shown only here' }),
        }).meta({ id: 'NewWebhook' }),
      },
    },
    problems: ['webhook_url_not_allowed', 'too_many_webhooks'],
  }),
  listWebhooks: route({
    ...endpoints.listWebhooks,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'All webhooks of the tenant',
    responses: { 200: { description: 'Oldest first', schema: page('webhooks', Webhook) } },
  }),
  getWebhook: route({
    ...endpoints.getWebhook,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'One webhook',
    ...one,
    responses: { 200: { description: 'The webhook', schema: Webhook } },
    problems: ['webhook_not_found'],
  }),
  patchWebhook: route({
    ...endpoints.patchWebhook,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'Change a webhook, or switch it off and on',
    ...one,
    body: PatchWebhook,
    responses: { 200: { description: 'The webhook', schema: Webhook } },
    problems: ['webhook_not_found', 'webhook_url_not_allowed', 'webhook_configured'],
  }),
  deleteWebhook: route({
    ...endpoints.deleteWebhook,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'Delete a webhook and the log of its deliveries',
    ...one,
    responses: {
      200: { description: 'It is gone', schema: z.object({ status: z.literal('deleted') }) },
    },
    problems: ['webhook_not_found', 'webhook_configured'],
  }),
  testWebhook: route({
    ...endpoints.testWebhook,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'Send a `webhook.test` message',
    ...one,
    responses: {
      200: { description: 'It is on its way', schema: z.object({ delivery_id: z.string() }) },
    },
    problems: ['webhook_not_found'],
  }),
  listDeliveries: route({
    ...endpoints.listDeliveries,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'What was sent to a webhook in the last seven days, and what is to be sent',
    ...one,
    query: z.object({
      ...pageQuery,
      state: z.enum(DELIVERY_STATES).optional().meta({ description: 'Only those in this state' }),
    }),
    responses: { 200: { description: 'Newest first', schema: page('deliveries', WebhookDelivery) } },
    problems: ['webhook_not_found', 'cursor_invalid'],
  }),
  redeliver: route({
    ...endpoints.redeliver,
    access: ACCESS,
    tag: 'webhooks',
    summary: 'Send something again, whatever became of it',
    params: one.params.extend({ delivery_id: z.string().max(64).meta({ description: 'Delivery id' }) }),
    responses: { 200: { description: 'It is on its way', schema: WebhookDelivery } },
    problems: ['webhook_not_found', 'delivery_not_found'],
  }),
};
