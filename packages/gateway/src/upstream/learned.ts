/** Remembers what upstreams have refused, by provider and model, so that it is not sent again for a while. */
export interface Learned {
  refused(key: string): ReadonlySet<string>;
  learn(key: string, field: string): void;
}

/** Clients choose the model names, so their number is bounded. Each has few fields, all from the gateway's own list. */
const maxKeys = 1_000;
/** The time after which a refused parameter is tried again, in case the provider now accepts it or the lesson was wrong. */
const hour = 3_600_000;

const nothing: ReadonlySet<string> = new Set();

export function createLearned(now: () => number): Learned {
  const kept = new Map<string, Map<string, number>>();
  return {
    refused(key) {
      const fields = kept.get(key);
      if (!fields) return nothing;
      for (const [field, at] of fields) if (now() - at >= hour) fields.delete(field);
      if (fields.size === 0) kept.delete(key);
      return new Set(fields.keys());
    },
    learn(key, field) {
      const fields = kept.get(key) ?? new Map<string, number>();
      kept.delete(key);
      kept.set(key, fields.set(field, now()));
      if (kept.size <= maxKeys) return;
      const oldest = kept.keys().next().value;
      if (oldest !== undefined) kept.delete(oldest);
    },
  };
}
