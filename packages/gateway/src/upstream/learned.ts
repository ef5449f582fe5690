/** What upstreams refused before, by provider and model, so that it is not sent again for a while. */
export interface Learned {
  refused(key: string): ReadonlySet<string>;
  learn(key: string, field: string): void;
}

/** Clients name the models, so their number is bounded; the fields of one are few, they are the gateway's own list. */
const maxKeys = 1_000;
/** A provider that learns a parameter, or a lesson that was wrong, costs no more than this. */
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
