import type { Budget } from 'claude-agent-gateway';
import {
  LIMITS,
  type LimitHolder,
  type LimitName,
  type LimitState,
  type Limits,
} from 'claude-agent-protocol';
import { sentenceOf } from 'claude-agent-protocol/problems';
import { type AppError, problem } from '../errors.ts';
import type { Rate, Rates } from '../store/rates.ts';
import type { Change, Counted, CountedOf, Owned, Store } from '../store/store.ts';
import type { Keys } from './keys.ts';
import type { LimitConfig } from './limit-config.ts';
import type { Principal } from './principal.ts';

/** A key (also a subject of the identity provider, or the machine) or a tenant, with the limits that it has. */
interface Holder {
  of: LimitHolder;
  id: string;
  limits: Limits;
}

/** A holder, and one of its limits. */
interface Limited extends CountedOf {
  max: number;
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
  /**
   * What a write that adds one must end with, so that the limits of its owner are kept: nothing without one. A write that is
   * refused for it has `refusal`.
   */
  room(count: Counted, owned: Owned): Promise<Change[]>;
  refusal(count: Counted, owned: Owned): Promise<AppError>;
  /** Looks before work that would be in vain. @throws AppError 429 */
  requireRoom(count: Counted, owned: Owned): Promise<void>;
  /** Whether there are tokens and dollars left of today. @throws AppError 402, 429 */
  requireDay(owned: Owned): Promise<void>;
  /** The same of tokens. @throws AppError 429 */
  requireTokens(owned: Owned): Promise<void>;
  /** What may be spent today, for calls of models that are held against it. */
  dayBudgets(owned: Owned): Promise<Budget[]>;
}

export interface LimitKeeperDeps {
  config: LimitConfig;
  keys: Pick<Keys, 'limits'>;
  store: Pick<Store, 'whose' | 'countOf' | 'usedOn'>;
  rates: Rates;
  /** A request, a session, a message or a call of a model was refused. */
  onRefused(limit: LimitName, of: LimitHolder): void;
}

/** What a program of the machine uses on a server without keys counts under this name. */
export const THE_MACHINE = 'local';

/** Nobody knows when a session is closed or a message's turn comes. */
const LOOK_AGAIN_SECONDS = 5;

const DAY_MS = 86_400_000;

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

  const countFor = async ({ of, id, max: limit }: Limited): Promise<Allowance> => {
    const { used, resetMs, allowed } = await rates.count(rateKey(of, id), limit);
    const reset = resetIn(resetMs);
    if (!allowed) {
      onRefused('requests_per_minute', of);
      throw problem('request_limit', { of, id, limit, ...reset });
    }
    return { of, limit, left: limit - used, resetSeconds: reset.retryAfterSeconds };
  };

  /** Those of an owner's holders that have this limit. */
  const limited = async (limit: LimitName, owned: Owned): Promise<Limited[]> =>
    (await holdersOf(owned)).flatMap(({ of, id, limits }) => {
      const max = limits[limit];
      return max === undefined ? [] : [{ of, id, max }];
    });

  const refuse = (limit: LimitName, { of }: Pick<Limited, 'of'>, error: AppError): AppError => {
    onRefused(limit, of);
    return error;
  };

  const full = (count: Counted, { of, id, max }: Limited): AppError => {
    const code = count === 'live_sessions' ? 'session_limit' : 'queue_limit';
    return refuse(
      count,
      { of },
      problem(code, { of, id, limit: max, retryAfterSeconds: LOOK_AGAIN_SECONDS }),
    );
  };

  /** Those of the holders that have as many as they may. */
  const fullOnes = async (count: Counted, holders: readonly Limited[]): Promise<Limited[]> => {
    const counts = await Promise.all(holders.map((holder) => store.countOf(count, holder)));
    return holders.filter(({ max }, n) => (counts[n] ?? 0) >= max);
  };

  const requireOfDay = async (limit: 'tokens_per_day' | 'usd_per_day', owned: Owned): Promise<void> => {
    for (const holder of await limited(limit, owned)) {
      const { tokens, costUsd } = await store.usedOn(today(), holder);
      const used = limit === 'tokens_per_day' ? tokens : costUsd;
      const { of, id, max } = holder;
      if (used < max) continue;
      const code = limit === 'tokens_per_day' ? 'token_limit' : 'spend_limit';
      throw refuse(limit, holder, problem(code, { of, id, limit: max, used, ...resetIn(untilMidnight()) }));
    }
  };

  const usedOf = async (
    limit: LimitName,
    holder: Limited,
  ): Promise<Pick<LimitState, 'used' | 'resets_at'>> => {
    if (limit === 'requests_per_minute') {
      const rate = await rates.look(rateKey(holder.of, holder.id), holder.max);
      return { used: rate?.used ?? 0, resets_at: rate ? resetIn(rate.resetMs).resetsAt : null };
    }
    if (limit === 'live_sessions' || limit === 'queued_turns')
      return { used: await store.countOf(limit, holder), resets_at: null };
    const { tokens, costUsd } = await store.usedOn(today(), holder);
    const used = limit === 'tokens_per_day' ? tokens : costUsd;
    return { used, resets_at: resetIn(untilMidnight()).resetsAt };
  };

  return {
    async countRequest(principal) {
      const owned = await accountOf(principal);
      let tightest: Allowance | undefined;
      for (const holder of owned ? await limited('requests_per_minute', owned) : []) {
        const allowance = await countFor(holder);
        if (!tightest || allowance.left < tightest.left) tightest = allowance;
      }
      return tightest;
    },

    async show(principal) {
      const owned = await accountOf(principal);
      const states: LimitState[] = [];
      for (const { of, id, limits } of owned ? await holdersOf(owned) : []) {
        for (const limit of LIMITS) {
          const max = limits[limit];
          if (max === undefined) continue;
          states.push({ limit, of, id, max, ...(await usedOf(limit, { of, id, max })) });
        }
      }
      return states;
    },

    async room(count, owned) {
      const holders = await limited(count, owned);
      if (holders.length === 0) return [];
      const maxOf = (of: LimitHolder): number | undefined => holders.find((each) => each.of === of)?.max;
      const [maxOfMaker, maxOfTenant] = [maxOf('key'), maxOf('tenant')];
      return [
        {
          kind: 'limit',
          count,
          tenant: owned.tenant,
          maker: owned.createdBy ?? THE_MACHINE,
          ...(maxOfMaker !== undefined && { maxOfMaker }),
          ...(maxOfTenant !== undefined && { maxOfTenant }),
        },
      ];
    },

    async refusal(count, owned) {
      const holders = await limited(count, owned);
      // There may be room again by now.
      const holder = (await fullOnes(count, holders))[0] ?? holders[0];
      return holder ? full(count, holder) : problem('message_refused');
    },

    async requireRoom(count, owned) {
      const [holder] = await fullOnes(count, await limited(count, owned));
      if (holder) throw full(count, holder);
    },

    async requireDay(owned) {
      await requireOfDay('usd_per_day', owned);
      await requireOfDay('tokens_per_day', owned);
    },

    requireTokens: (owned) => requireOfDay('tokens_per_day', owned),

    async dayBudgets(owned) {
      return (await limited('usd_per_day', owned)).map((holder) => ({
        name: dayName(holder),
        limit: holder.max,
        spent: async () => (await store.usedOn(today(), holder)).costUsd,
        refusal(used) {
          onRefused('usd_per_day', holder.of);
          const { of, id, max: limit } = holder;
          return sentenceOf('spend_limit', { of, id, limit, used, ...resetIn(untilMidnight()) });
        },
      }));
    },
  };
}

/** The name of what a holder may spend in a day, among budgets. */
export const dayName = ({ of, id }: CountedOf): string => `today of ${of} ${id}`;

/** Days are those of UTC. */
const today = (): string => new Date().toISOString().slice(0, 10);

const untilMidnight = (): number => DAY_MS - (Date.now() % DAY_MS);

/** The count of a holder; ids of keys may be as long as they like, keys of the library 255 characters. */
const rateKey = (of: LimitHolder, id: string): string => `${of}:${id.length > 200 ? id.slice(-200) : id}`;

/** When a window ends, in seconds from now and as a time. */
function resetIn(ms: Rate['resetMs']): { retryAfterSeconds: number; resetsAt: string } {
  const retryAfterSeconds = Math.max(1, Math.ceil(ms / 1_000));
  return { retryAfterSeconds, resetsAt: new Date(Date.now() + ms).toISOString() };
}
