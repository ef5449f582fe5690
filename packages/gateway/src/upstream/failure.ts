import { type Failure, failure } from '../messages/errors.ts';
import type { UpstreamFailure } from './error.ts';
import { isOverflow, type OverflowFacts, overflowMessage } from './overflow.ts';

/** The seconds to wait before a retry, from any of the headers that providers use. */
export function retryAfter(headers: Record<string, string>, now: number = Date.now()): number | undefined {
  const milliseconds = Number(headers['retry-after-ms']);
  if (milliseconds > 0) return Math.ceil(milliseconds / 1000);
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

/** Converts an upstream's failure to the failure that the client gets. */
export function toFailure(
  upstream: UpstreamFailure,
  provider: string,
  keyHint: string,
  facts: OverflowFacts,
): Failure {
  if (isOverflow(upstream)) return failure(400, overflowMessage(upstream.message, facts));
  const { status, message } = upstream;
  const says = `${provider}: ${message}`;
  const wait = retryAfter(upstream.headers);
  switch (status) {
    case 401: {
      const hint = `${says} (Check the key that the gateway has for ${provider}: ${keyHint}.)`;
      // Claude Code blames its own key for a 401, reads it again and retries for minutes; this stops it.
      return { ...failure(401, hint), final: true };
    }
    case 402:
      return failure(402, `${says} (The account at ${provider} has to be paid up.)`);
    case 403:
    case 404:
    case 413:
      return failure(status, says);
    case 429:
      return failure(429, says, wait ?? 5);
    case 408:
    case 504:
    case 524:
      return failure(504, says);
    case 503:
    case 529:
      return failure(529, says, wait);
    default:
      if (status >= 500) return failure(status === 500 ? 500 : 502, says, wait);
      return failure(status >= 400 ? 400 : 502, says);
  }
}
