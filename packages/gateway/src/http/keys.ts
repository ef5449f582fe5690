import { createHash, timingSafeEqual } from 'node:crypto';
import { credentialOf } from '../api-keys.ts';
import type { GatewayConfig } from '../config.ts';
import { createBudgets } from '../pipeline/budgets.ts';
import type { GatewayHooks } from '../pipeline/hooks.ts';

const digest = (text: string) => createHash('sha256').update(text).digest();

/** The hooks for the keys and budgets of a configuration; spending is kept in memory. */
function keysOf(config: GatewayConfig): Pick<GatewayHooks, 'authorize' | 'budget' | 'onUsage'> {
  if (config.keys.length === 0) return {};
  const known = config.keys.map(({ id, key, budget_usd }) => ({
    id,
    digest: digest(key),
    budget: budget_usd,
  }));
  const spent = new Map<string, number>();
  const budgets = createBudgets();
  return {
    authorize(headers) {
      const given = digest(credentialOf(headers) ?? '');
      const match = known.find((entry) => timingSafeEqual(entry.digest, given));
      return match ? { ok: true, subject: { keyId: match.id } } : { ok: false };
    },
    budget: {
      check({ keyId }, estimate) {
        const entry = known.find(({ id }) => id === keyId);
        if (entry?.budget === undefined) return { ok: true };
        const { id, budget: limit } = entry;
        const refusal = (used: number) =>
          `The budget of the key ${id} is spent: $${used.toFixed(4)} of $${limit}.`;
        return budgets.reserve([{ name: id, limit, spent: () => spent.get(id) ?? 0, refusal }], estimate);
      },
    },
    onUsage({ subject, cost_usd }) {
      if (!subject.keyId || !cost_usd) return;
      spent.set(subject.keyId, (spent.get(subject.keyId) ?? 0) + cost_usd);
      budgets.learn(subject.keyId, cost_usd);
    },
  };
}

/** A configuration's `keys` apply wherever the gateway is mounted, unless the host has its own `authorize`. */
export function withKeys(config: GatewayConfig, hooks: GatewayHooks): GatewayHooks {
  if (hooks.authorize) return hooks;
  const keys = keysOf(config);
  if (!keys.authorize) return hooks;
  return {
    ...hooks,
    ...keys,
    ...(hooks.budget && { budget: hooks.budget }),
    onUsage(record) {
      keys.onUsage?.(record);
      hooks.onUsage?.(record);
    },
  };
}
