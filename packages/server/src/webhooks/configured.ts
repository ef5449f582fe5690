import { createHash } from 'node:crypto';
import { ConfigError } from 'claude-agent-gateway';
import { CreateWebhook, DEFAULT_TENANT, TenantName } from 'claude-agent-protocol';
import { z } from 'zod';
import { mayLeadTo, type Reach } from '../outbound/addresses.ts';
import type { WebhookRecord, WebhookStore } from '../store/webhooks.ts';

/** The maker of webhooks of the configuration; no key has such an id. */
const CONFIGURED = '@configuration';

export const WEBHOOK_FIELDS = {
  webhooks: z
    .array(
      z.strictObject({
        /** Its name here, by which it is the same webhook after a change. */
        name: z
          .string()
          .regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, hyphens and underscores'),
        ...CreateWebhook.shape,
        tenant: TenantName.default(DEFAULT_TENANT),
        /** Verifies what is sent (Standard Webhooks). */
        secret: z
          .string()
          .regex(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/, 'must be whsec_ and at least 24 bytes in base64'),
      }),
    )
    .refine((hooks) => new Set(hooks.map(({ tenant, name }) => `${tenant}/${name}`)).size === hooks.length, {
      message: 'two webhooks of a tenant have the same name',
    })
    .optional(),
};
export type ConfiguredWebhooks = NonNullable<z.output<(typeof WEBHOOK_FIELDS)['webhooks']>>;

/** Whether a webhook stands in the configuration: it is changed there. */
export const isConfigured = ({ createdBy }: Pick<WebhookRecord, 'createdBy'>): boolean =>
  createdBy === CONFIGURED;

/** The same id on every node and after every start. */
function idOf(tenant: string, name: string): string {
  const hex = createHash('sha256').update(`webhook ${tenant}/${name}`).digest('hex');
  // A UUID of version 8, whose content is free (RFC 9562).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Makes the webhooks of the configuration those of the store: at the start, before events are sent. One that is new is told
 * of events from now on; one that is not in the configuration any more goes.
 * @throws ConfigError for an address that may not be called
 */
export async function applyConfigured(
  { webhooks, lastCursor }: { webhooks: WebhookStore; lastCursor(): Promise<number> },
  configured: ConfiguredWebhooks,
  reach: Reach,
): Promise<void> {
  const kept = new Set<string>();
  for (const { name, tenant, url, events, secret, description = null } of configured) {
    if (!mayLeadTo(reach, url))
      throw new ConfigError(
        `The webhook "${name}" leads to ${url}, which "allow_webhook_urls" does not allow. Set that to "loopback" or "any", or name another address.`,
      );
    const id = idOf(tenant, name);
    kept.add(id);
    const known = await webhooks.get(tenant, id);
    if (known?.secret === secret) {
      await webhooks.update(tenant, id, { url, events, description });
      continue;
    }
    if (known) await webhooks.remove(tenant, id);
    const since = known?.since ?? (await lastCursor());
    const createdAt = new Date().toISOString();
    const hook = { tenant, id, url, events, secret, description, createdAt, createdBy: CONFIGURED, since };
    await webhooks.insert({ ...hook, status: 'enabled' }, since);
  }
  for (const hook of await webhooks.enabled()) {
    if (isConfigured(hook) && !kept.has(hook.id)) await webhooks.remove(hook.tenant, hook.id);
  }
}
