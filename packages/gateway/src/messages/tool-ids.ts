import { createHash, randomBytes } from 'node:crypto';

// Anthropic's clients keep tool calls apart by id for the whole conversation and accept only [a-zA-Z0-9_-]. Other
// providers answer `functions.Bash:0`, `call_0` in every turn, or nothing, and some want their own id back. So an id
// that is not safe is wrapped (random part, then the original in base64url) and unwrapped on its way back.

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
 * The upstream's own id again. Ids that would become the same are left wrapped.
 * @param accepted what this upstream takes as an id, when it does not take everything
 */
export function createIdUnwrapper(ids: Iterable<string>, accepted?: RegExp): (id: string) => string {
  const back = new Map<string, string>();
  const taken = new Set<string>();
  for (const id of ids) {
    if (back.has(id)) continue;
    const fits = (candidate: string) => !taken.has(candidate) && (accepted?.test(candidate) ?? true);
    // A wrapped id is safe but may be too long; the short one has to be the same in every request.
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
