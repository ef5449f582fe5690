import { z } from 'zod';

/** Which addresses the server calls. */
const Reach = z.enum(['none', 'loopback', 'public', 'any']);
type Reach = z.infer<typeof Reach>;

/** What the configuration says of requests that the server sends to addresses of callers. */
export const OUTBOUND_FIELDS = {
  allow_callback_urls: Reach.optional(),
  allow_webhook_urls: Reach.optional(),
  push_contact: z
    .string()
    .regex(/^(mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, 'must be mailto:… or https://…')
    .optional(),
  allow_push_urls: Reach.optional(),
};

export interface OutboundConfig {
  /** Addresses at which the server may call hooks and tools of callers: a server that calls any address can be misused. */
  allowCallbackUrls: Reach;
  /** The same of webhooks, which only administrators of a tenant make. */
  allowWebhookUrls: Reach;
  /** Web Push; undefined when it is off. */
  push: { contact: string; reach: Reach } | undefined;
}

export const readOutbound = (settings: z.output<z.ZodObject<typeof OUTBOUND_FIELDS>>): OutboundConfig => ({
  allowCallbackUrls: settings.allow_callback_urls ?? 'none',
  allowWebhookUrls: settings.allow_webhook_urls ?? 'public',
  push:
    settings.push_contact === undefined
      ? undefined
      : { contact: settings.push_contact, reach: settings.allow_push_urls ?? 'public' },
});
