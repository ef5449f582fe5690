import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { credentialOf } from 'claude-agent-gateway';
import type { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { problem } from '../errors.ts';
import type { Identify } from './identify.ts';
import { SESSION_TOKEN } from './session-tokens.ts';

/** So many wrong keys may come from one address in a minute; those of people who paste the wrong one are fewer. */
const FAILURES = 10;
const WINDOW_SECONDS = 60;
/** A key that was right within this time is looked at wherever it comes from; one that was wrong is not counted again. */
const KNOWN_MS = 3_600_000;
const MAX_KNOWN = 10_000;

/** Identifies the caller of a request that comes from an address; undefined for one through /invocations, which was checked. */
export type IdentifyFrom = (
  headers: Parameters<Identify>[0],
  address: string | undefined,
) => ReturnType<Identify>;

/** A token of an identity provider: nobody guesses a signature, and pages go on sending one that is over. */
const JWT = /^ey[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * Slows down who guesses keys: after some different wrong ones from an address, no new credential from there is looked at for the
 * rest of a minute. Those that were right before still are, so nobody is locked out who shares the address: of a proxy, of an
 * office. Each server counts by itself, in memory.
 */
export function slowFailures(
  identify: Identify,
  { hasIssuer, now = Date.now }: { hasIssuer: boolean; now?: () => number },
): IdentifyFrom {
  const right = createRecent(now);
  const wrong = createRecent(now);
  /** Made at the first wrong key: loading the library takes 50 ms. */
  let limiter: Promise<RateLimiterMemory> | undefined;
  const makeLimiter = async (): Promise<RateLimiterMemory> => {
    const { RateLimiterMemory } = await import('rate-limiter-flexible');
    return new RateLimiterMemory({ points: FAILURES, duration: WINDOW_SECONDS });
  };
  /** Without a credential nothing is guessed, and an agent's token cannot be: those of ended sessions come by themselves. */
  const isGuess = (given: string): boolean => !SESSION_TOKEN.test(given) && !(hasIssuer && JWT.test(given));

  return async (headers, address) => {
    const given = credentialOf(headers);
    if (given === undefined || address === undefined || !isGuess(given)) return identify(headers);
    const digest = createHash('sha256').update(given).digest('base64');
    const place = placeOf(address);
    // Counted before it is looked at: of many at once, no more than these get an answer.
    const counted = right.has(digest) || wrong.has(digest) ? undefined : await limiter;
    await counted?.consume(place).catch((refusal: RateLimiterRes) => {
      throw problem('too_many_failures', { retryAfterSeconds: Math.ceil(refusal.msBeforeNext / 1_000) });
    });
    const principal = await identify(headers).catch(async (error: unknown) => {
      await counted?.reward(place);
      throw error;
    });
    if (principal) {
      right.add(digest);
      await counted?.reward(place);
      return principal;
    }
    right.delete(digest);
    if (!counted && !wrong.has(digest)) {
      limiter ??= makeLimiter();
      await (await limiter).penalty(place);
    }
    wrong.add(digest);
    return undefined;
  };
}

/** The latest of what was seen within an hour. */
function createRecent(now: () => number) {
  const seen = new Map<string, number>();
  return {
    has: (name: string): boolean => (seen.get(name) ?? -Infinity) > now() - KNOWN_MS,
    add(name: string): void {
      seen.delete(name);
      const [oldest] = seen.size >= MAX_KNOWN ? seen.keys() : [];
      if (oldest !== undefined) seen.delete(oldest);
      seen.set(name, now());
    },
    delete: (name: string): boolean => seen.delete(name),
  };
}

/** An address of IPv4, or the network of one of IPv6: who has one has 2^64 of them. */
export function placeOf(address: string): string {
  if (!isIPv6(address)) return address;
  const canonical = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const [left = [], right = []] = canonical.split('::').map((half) => half.split(':').filter(Boolean));
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
