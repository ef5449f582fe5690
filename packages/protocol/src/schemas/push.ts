import { z } from 'zod';
import { Timestamp } from './common.ts';

const Base64Url = z.string().regex(/^[\w-]+=*$/, 'must be base64url');

export const CreatePushSubscription = z
  .object({
    endpoint: z
      .url({ protocol: /^https?$/, error: 'must be an https URL' })
      .max(2_000)
      .meta({ description: 'Where its push service takes messages' }),
    keys: z.object({ p256dh: Base64Url.max(200), auth: Base64Url.max(100) }).meta({
      description: 'The keys of the browser: what it is sent is encrypted for them',
    }),
    label: z.string().max(100).optional().meta({ description: 'What you call the device' }),
  })
  .meta({ id: 'CreatePushSubscription' });

export const PushSubscription = z
  .object({
    id: z.string(),
    endpoint: z.string(),
    label: z.string().nullable(),
    created_at: Timestamp,
    expires_at: Timestamp.nullable().meta({
      description: 'Of a user of an identity provider: it ends then, unless it is made again before',
    }),
  })
  .meta({ id: 'PushSubscription' });
