import { createHash } from 'node:crypto';

/**
 * A session stays with the upstream that answered it, because its prompt cache is there. Bounded, and forgotten after an
 * idle hour, when every provider's cache has expired.
 */
export interface Affinity {
  of(session: string, model: string): string | undefined;
  keep(session: string, model: string, target: string): void;
}

const maxSessions = 10_000;
const hour = 3_600_000;

export function createAffinity(now: () => number): Affinity {
  const kept = new Map<string, { target: string; at: number }>();
  const keyOf = (session: string, model: string) => `${session}\n${model}`;
  return {
    of(session, model) {
      const entry = kept.get(keyOf(session, model));
      return entry && now() - entry.at < hour ? entry.target : undefined;
    },
    keep(session, model, target) {
      const key = keyOf(session, model);
      kept.delete(key);
      kept.set(key, { target, at: now() });
      if (kept.size > maxSessions) {
        const oldest = kept.keys().next().value;
        if (oldest !== undefined) kept.delete(oldest);
      }
    },
  };
}

/** Rendezvous hashing: a session's order of targets when sessions are spread, the same everywhere without any state. */
export function spreadOrder<T>(items: readonly T[], keyOf: (item: T) => string, session: string): T[] {
  const weight = (item: T) =>
    createHash('md5')
      .update(`${session}\n${keyOf(item)}`)
      .digest('hex');
  return items
    .map((item) => ({ item, weight: weight(item) }))
    .sort((a, b) => (a.weight < b.weight ? -1 : 1))
    .map(({ item }) => item);
}
