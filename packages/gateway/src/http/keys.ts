import { createHash, timingSafeEqual } from 'node:crypto';
import { credentialOf } from '../api-keys.ts';
import type { GatewayConfig } from '../config.ts';
import { unpriced } from '../messages/errors.ts';
import type { GatewayHooks } from '../pipeline/hooks.ts';
import { createReservations } from '../routing/reservations.ts';

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
  const reservations = createReservations();
  return {
    authorize(headers) {
      const given = digest(credentialOf(headers) ?? '');
      const match = known.find((entry) => timingSafeEqual(entry.digest, given));
      return match ? { ok: true, subject: { keyId: match.id } } : { ok: false };
    },
    budget: {
      async check({ keyId }, estimate) {
        const entry = known.find(({ id }) => id === keyId);
        if (entry?.budget === undefined) return { ok: true };
        const least = await estimate();
        if (least === undefined) return { ok: false, message: unpriced };
        const used = (spent.get(entry.id) ?? 0) + reservations.of(entry.id);
        if (used < entry.budget) return { ok: true, release: reservations.add(entry.id, least) };
        return {
          ok: false,
          message: `The budget of the key ${keyId} is spent: $${used.toFixed(4)} of $${entry.budget}.`,
        };
      },
    },
    onUsage({ subject, cost_usd }) {
      if (!subject.keyId || !cost_usd) return;
      spent.set(subject.keyId, (spent.get(subject.keyId) ?? 0) + cost_usd);
      reservations.learn(subject.keyId, cost_usd);
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
