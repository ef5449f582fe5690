import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { page } from '../schemas/page.ts';
import { CreatePushSubscription, PushSubscription } from '../schemas/push.ts';
import { route } from './route.ts';

const ACCESS = { may: 'answer', of: 'tenant' } as const;
const one = {
  params: z.object({ subscription_id: z.string().max(64).meta({ description: 'Subscription id' }) }),
};

/** Browsers of the caller that are told of requests (Web Push). */
export const pushRoutes = {
  getPush: route({
    ...endpoints.getPush,
    access: { may: 'read', of: 'server' },
    tag: 'permissions',
    summary: 'Whether this server sends push messages',
    responses: {
      200: {
        description: 'The key that browsers subscribe with',
        schema: z.object({
          public_key: z
            .string()
            .nullable()
            .meta({ description: '`applicationServerKey`; null: push messages are off' }),
        }),
      },
    },
  }),
  createPushSubscription: route({
    ...endpoints.createPushSubscription,
    access: ACCESS,
    tag: 'permissions',
    summary: 'Tell a browser of every request that the caller may answer; the same endpoint again renews it',
    body: CreatePushSubscription,
    responses: { 200: { description: 'The subscription', schema: PushSubscription } },
    problems: ['push_off', 'push_keys_invalid', 'push_url_not_allowed', 'too_many_push_subscriptions'],
  }),
  listPushSubscriptions: route({
    ...endpoints.listPushSubscriptions,
    access: ACCESS,
    tag: 'permissions',
    summary: "The caller's browsers that are told of requests",
    responses: { 200: { description: 'Oldest first', schema: page('subscriptions', PushSubscription) } },
  }),
  deletePushSubscription: route({
    ...endpoints.deletePushSubscription,
    access: ACCESS,
    tag: 'permissions',
    summary: 'Tell a browser nothing more',
    ...one,
    responses: { 200: { description: 'It is gone', schema: z.object({ status: z.literal('deleted') }) } },
    problems: ['push_subscription_not_found'],
  }),
  testPushSubscription: route({
    ...endpoints.testPushSubscription,
    access: ACCESS,
    tag: 'permissions',
    summary: 'Send a test message to a browser',
    ...one,
    responses: { 200: { description: 'It is on its way', schema: z.object({ status: z.literal('sent') }) } },
    problems: ['push_off', 'push_subscription_not_found'],
  }),
};
