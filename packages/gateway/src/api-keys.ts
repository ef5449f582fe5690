import { z } from 'zod';

/** One key of a configuration. */
export const apiKeySchema = z.strictObject({
  id: z.string().min(1).describe('Names the key in accounts and budgets; the key itself is never shown'),
  key: z.string().min(8),
  budget_usd: z
    .number()
    .positive()
    .optional()
    .describe('Dollars that requests with this key may cost in all'),
});

/** The `keys` of a configuration, also for a host that has such a list of its own. */
export const apiKeysSchema = z.array(apiKeySchema).superRefine((keys, context) => {
  const message = keyConflict(keys);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/**
 * Describes a conflict in a list of keys, undefined without one: two keys with the same id would share an account, and
 * the same key under two ids would always count as the first.
 */
export function keyConflict(keys: readonly { id: string; key: string }[]): string | undefined {
  for (const [at, { id, key }] of keys.entries()) {
    const before = keys.slice(0, at);
    if (before.some((other) => other.id === id)) {
      return `Two API keys have the id "${id}": give each its own id.`;
    }
    const same = before.find((other) => other.key === key);
    if (same) return `The API keys "${same.id}" and "${id}" are the same key: remove one.`;
  }
  return undefined;
}

/** The key of a request. If it carries both headers, `Authorization: Bearer` wins over `x-api-key`. */
export function credentialOf(headers: {
  authorization?: string | undefined;
  'x-api-key'?: string | undefined;
}): string | undefined {
  const bearer = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1];
  return bearer ?? (headers['x-api-key'] || undefined);
}
