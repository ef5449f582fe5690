import {
  LIMITS,
  type LimitHolder,
  type LimitName,
  type LimitState,
  type Limits,
} from 'claude-agent-protocol';
import { problem } from '../errors.ts';
import type { Rate, Rates } from '../store/rates.ts';
import type { Owned, Store } from '../store/store.ts';
import type { Keys } from './keys.ts';
import type { LimitConfig } from './limit-config.ts';
import type { Principal } from './principal.ts';

/** A key (also a subject of the identity provider, or the machine) or a tenant, with the limits that it has. */
export interface Holder {
  of: LimitHolder;
  id: string;
  limits: Limits;
}

/** What is left of the limit that is nearest to its end. */
export interface Allowance {
  of: LimitHolder;
  limit: number;
  left: number;
  resetSeconds: number;
}

/** How much keys and tenants may use. Those of one caller: its own limits first. */
export interface LimitKeeper {
  /**
   * Counts a request of this caller.
   * @returns what is left to it; undefined without a limit
   * @throws AppError 429
   */
  countRequest(principal: Principal): Promise<Allowance | undefined>;
  /** The limits that apply to a caller, and what is used of them. */
  show(principal: Principal): Promise<LimitState[]>;
}

export interface LimitKeeperDeps {
  config: LimitConfig;
  keys: Pick<Keys, 'limits'>;
  store: Pick<Store, 'whose'>;
  rates: Rates;
  /** A request, a session, a message or a call of a model was refused. */
  onRefused(limit: LimitName, of: LimitHolder): void;
}

/** What a program of the machine uses on a server without keys counts under this name. */
const THE_MACHINE = 'local';

export function createLimitKeeper({ config, keys, store, rates, onRefused }: LimitKeeperDeps): LimitKeeper {
  const { perKey, perTenant, tenants } = config;

  const holdersOf = async ({ tenant, createdBy }: Owned): Promise<Holder[]> => {
    const id = createdBy ?? THE_MACHINE;
    const holders: Holder[] = [
      { of: 'key', id, limits: { ...perKey, ...(await keys.limits(id)) } },
      { of: 'tenant', id: tenant, limits: { ...perTenant, ...tenants.get(tenant) } },
    ];
    return holders.filter(({ limits }) => Object.keys(limits).length > 0);
  };

  /** In whose name a caller does what it does: an agent in that of its session's maker, a token in that of its key. */
  const accountOf = async (principal: Principal): Promise<Owned | undefined> => {
    if (principal.kind === 'session') return store.whose(principal.sessionId);
    return { tenant: principal.tenant, createdBy: principal.parent ?? principal.id };
  };

  const countFor = async ({ of, id }: Holder, limit: number): Promise<Allowance> => {
    const { used, resetMs, allowed } = await rates.count(rateKey(of, id), limit);
    const reset = resetIn(resetMs);
    if (!allowed) {
      onRefused('requests_per_minute', of);
      throw problem('request_limit', { of, id, limit, ...reset });
    }
    return { of, limit, left: limit - used, resetSeconds: reset.retryAfterSeconds };
  };

  const showOne = async ({ of, id }: Holder, limit: LimitName, max: number): Promise<LimitState> => {
    const rate = await rates.look(rateKey(of, id), max);
    return {
      limit,
      of,
      id,
      max,
      used: rate?.used ?? 0,
      resets_at: rate ? resetIn(rate.resetMs).resetsAt : null,
    };
  };

  return {
    async countRequest(principal) {
      const owned = await accountOf(principal);
      let tightest: Allowance | undefined;
      for (const holder of owned ? await holdersOf(owned) : []) {
        const limit = holder.limits.requests_per_minute;
        if (limit === undefined) continue;
        const allowance = await countFor(holder, limit);
        if (!tightest || allowance.left < tightest.left) tightest = allowance;
      }
      return tightest;
    },

    async show(principal) {
      const owned = await accountOf(principal);
      const states: LimitState[] = [];
      for (const holder of owned ? await holdersOf(owned) : []) {
        for (const limit of LIMITS) {
          const max = holder.limits[limit];
          if (max !== undefined) states.push(await showOne(holder, limit, max));
        }
      }
      return states;
    },
  };
}

/** The count of a holder; ids of keys may be as long as they like, keys of the library 255 characters. */
const rateKey = (of: LimitHolder, id: string): string => `${of}:${id.length > 200 ? id.slice(-200) : id}`;

/** When a window ends, in seconds from now and as a time. */
function resetIn(ms: Rate['resetMs']): { retryAfterSeconds: number; resetsAt: string } {
  const retryAfterSeconds = Math.max(1, Math.ceil(ms / 1_000));
  return { retryAfterSeconds, resetsAt: new Date(Date.now() + ms).toISOString() };
}
