import { createHash, randomBytes } from 'node:crypto';

// Anthropic's clients tell tool calls apart by id for the whole conversation and accept only [a-zA-Z0-9_-]. Other
// providers send `functions.Bash:0`, `call_0` in every turn, or no id, and some want their own id back. So an unsafe id
// is wrapped (a random part, then the original in base64url) and unwrapped on the way back.

const prefix = 'toolu_x';
const safe = /^(?=.*[A-Za-z0-9_-]{12})[A-Za-z0-9_-]+$/;

function newToolId(): string {
  return `toolu_${randomBytes(12).toString('hex')}`;
}

/** The id that the client sees for an upstream's tool call. */
export function toClientId(id: string | undefined | null, used: ReadonlySet<string>): string {
  if (!id) return newToolId();
  if (safe.test(id) && !id.startsWith(prefix) && !used.has(id)) return id;
  return `${prefix}${randomBytes(6).toString('hex')}_${Buffer.from(id).toString('base64url')}`;
}

/**
 * Maps the client's ids back to the upstream's own. Ids that would collide stay wrapped.
 * @param accepted the ids that this upstream accepts, if it does not accept all
 */
export function createIdUnwrapper(ids: Iterable<string>, accepted?: RegExp): (id: string) => string {
  const back = new Map<string, string>();
  const taken = new Set<string>();
  for (const id of ids) {
    if (back.has(id)) continue;
    const fits = (candidate: string) => !taken.has(candidate) && (accepted?.test(candidate) ?? true);
    // A wrapped id may be too long; the shortened one must be the same in every request.
    const result = [unwrap(id), id].find(fits) ?? shortId(id);
    taken.add(result);
    back.set(id, result);
  }
  return (id) => back.get(id) ?? id;
}

function shortId(id: string): string {
  return `toolu_${createHash('sha256').update(id).digest('hex').slice(0, 24)}`;
}

function unwrap(id: string): string {
  if (!id.startsWith(prefix)) return id;
  const body = id.slice(prefix.length);
  if (body.charAt(12) !== '_') return id;
  return Buffer.from(body.slice(13), 'base64url').toString() || id;
}
