import type { LimitHolder } from '../reasons.ts';
import { define, RETRYABLE } from './define.ts';

// Type aliases, as in access.ts.
/** Whose limit it is. */
type Held = { of: LimitHolder; id: string; limit: number };
/** When it is counted from 0 again: seconds from now, and that time (ISO 8601). */
type Reset = { retryAfterSeconds: number; resetsAt: string };

/** The holder of a limit, as the subject of a sentence. */
function holderOf({ of, id }: Pick<Held, 'of' | 'id'>): string {
  if (of === 'tenant') return `The tenant "${id}"`;
  if (id === 'local') return 'This machine';
  return id.startsWith('jwt:') ? `The subject "${id.slice('jwt:'.length)}"` : `The key "${id}"`;
}

const reset = ({ retryAfterSeconds, resetsAt }: Reset): string => `in ${retryAfterSeconds} s, at ${resetsAt}`;

/** What is refused because somebody has used as much as is allowed. GET /limits shows all limits of a caller. */
export const limitProblems = {
  too_many_failures: define(
    429,
    'Too many wrong keys came from this address',
    ({ retryAfterSeconds }: { retryAfterSeconds: number }) =>
      `Too many unknown keys came from this address, so no further one is looked at for ${retryAfterSeconds} s. Keys that were right before go on working. Check the key, then try again.`,
    RETRYABLE,
  ),
  request_limit: define(
    429,
    'The limit of requests is reached',
    (held: Held & Reset) =>
      `${holderOf(held)} may send ${held.limit} requests a minute, and has. It may again ${reset(held)}.`,
    RETRYABLE,
  ),
  session_limit: define(
    429,
    'The limit of sessions is reached',
    (held: Held & { retryAfterSeconds: number }) =>
      `${holderOf(held)} may have ${held.limit} open sessions, and has. Close one (DELETE /sessions/{session_id}), then try again.`,
    RETRYABLE,
  ),
  queue_limit: define(
    429,
    'The limit of waiting messages is reached',
    (held: Held & { retryAfterSeconds: number }) =>
      `${holderOf(held)} may have ${held.limit} messages that wait, and has. Send the message again when one of them runs.`,
    RETRYABLE,
  ),
  token_limit: define(
    429,
    'The tokens of the day are used',
    (held: Held & Reset & { used: number }) =>
      `${holderOf(held)} may use ${held.limit} tokens a day, and has used ${held.used}. It may again ${reset(held)}.`,
    RETRYABLE,
  ),
  spend_limit: define(
    402,
    'The dollars of the day are spent',
    (held: Held & Reset & { used: number }) =>
      `${holderOf(held)} may spend $${held.limit.toFixed(2)} a day, and has spent $${held.used.toFixed(4)}. It may again ${reset(held)}.`,
    RETRYABLE,
  ),
};
