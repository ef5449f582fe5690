import { z } from 'zod';
import { DELIVERY_STATES, WEBHOOK_STATUSES, WEBHOOK_TYPES } from '../reasons.ts';
import { Timestamp } from './common.ts';

const Url = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(2_000)
  .meta({ description: 'Where to send to; redirects are not followed' });
const Events = z.array(z.enum(WEBHOOK_TYPES)).min(1).meta({
  description: 'Types of what it is told; `budget.spent` comes beside the `turn.failed` of a spent budget',
});
const Description = z.string().max(500).nullable();

export const CreateWebhook = z
  .object({
    url: Url,
    events: Events.default([...WEBHOOK_TYPES]),
    description: Description.optional(),
  })
  .meta({ id: 'CreateWebhook' });

export const PatchWebhook = z
  .object({
    url: Url.optional(),
    events: Events.optional(),
    description: Description.optional(),
    status: z.enum(WEBHOOK_STATUSES).optional(),
  })
  .meta({ id: 'PatchWebhook' });

export const Webhook = z
  .object({
    id: z.string(),
    url: z.string(),
    events: z.array(z.enum(WEBHOOK_TYPES)),
    description: z.string().nullable(),
    status: z.enum(WEBHOOK_STATUSES).meta({
      description: '`disabled` by a request, or because the receiver answered 410',
    }),
    created_at: Timestamp,
  })
  .meta({ id: 'Webhook' });

export const WebhookDelivery = z
  .object({
    id: z.string().meta({ description: 'The `webhook-id` header, the same for every attempt' }),
    type: z.string(),
    session_id: z.string().nullable(),
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    next_attempt_at: Timestamp.nullable(),
    status: z.int().nullable().meta({ description: 'HTTP status of the last attempt' }),
    error: z.string().nullable(),
    created_at: Timestamp,
    settled_at: Timestamp.nullable(),
  })
  .meta({ id: 'WebhookDelivery' });
