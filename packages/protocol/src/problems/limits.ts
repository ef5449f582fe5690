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
};
