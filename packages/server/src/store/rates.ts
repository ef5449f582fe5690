import type { RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';

/** How often something was done in the present window. */
export interface Rate {
  used: number;
  /** Until the window ends, in milliseconds. */
  resetMs: number;
}

/** Counts by key, of a minute each that begins with the first: of this server, or of all on one database. */
export interface Rates {
  /** Counts one more. `allowed`: it is within the limit. */
  count(key: string, limit: number): Promise<Rate & { allowed: boolean }>;
  /** Counts nothing; undefined when nothing was counted in this window. */
  look(key: string, limit: number): Promise<Rate | undefined>;
}

export const WINDOW_SECONDS = 60;

type Library = typeof import('rate-limiter-flexible');

/**
 * The library has one limiter for each limit; they share their counts where a database keeps them. It is loaded when a limit
 * is first asked for: that takes 50 ms.
 */
export function createRates(make: (library: Library, limit: number) => RateLimiterAbstract): Rates {
  const limiters = new Map<number, RateLimiterAbstract>();
  const limiterOf = async (limit: number): Promise<RateLimiterAbstract> => {
    const known = limiters.get(limit);
    if (known) return known;
    const library = await import('rate-limiter-flexible');
    const limiter = limiters.get(limit) ?? make(library, limit);
    limiters.set(limit, limiter);
    return limiter;
  };
  return {
    async count(key, limit) {
      const limiter = await limiterOf(limit);
      try {
        return { ...rateOf(await limiter.consume(key), limit), allowed: true };
      } catch (refusal) {
        // It rejects with a count; an error is one of the database.
        if (refusal instanceof Error) throw refusal;
        return { ...rateOf(refusal as RateLimiterRes, limit), used: limit, allowed: false };
      }
    },
    async look(key, limit) {
      const found = await (await limiterOf(limit)).get(key);
      return found ? rateOf(found, limit) : undefined;
    },
  };
}

const rateOf = ({ consumedPoints, msBeforeNext }: RateLimiterRes, limit: number): Rate => ({
  used: Math.min(consumedPoints, limit),
  resetMs: Math.max(0, msBeforeNext),
});

/** Counts of this server alone; they end with it. */
export const createOwnRates = (): Rates =>
  createRates(
    ({ RateLimiterMemory }, limit) => new RateLimiterMemory({ points: limit, duration: WINDOW_SECONDS }),
  );
