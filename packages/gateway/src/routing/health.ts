/** Which upstreams are resting after failures. Only a choice between several is guided by it. */
export interface Health {
  restingUntil(key: string): number;
  failed(key: string, retryAfterSeconds: number | undefined): void;
  worked(key: string): void;
}

/** Failures in a row that send an upstream to rest; a rate limit does so at once. */
const failuresBeforeRest = 3;

export function createHealth(coolDownMs: number, now: () => number): Health {
  const states = new Map<string, { failures: number; until: number }>();
  return {
    restingUntil: (key) => states.get(key)?.until ?? 0,
    failed(key, retryAfterSeconds) {
      const state = states.get(key) ?? { failures: 0, until: 0 };
      state.failures += 1;
      if (retryAfterSeconds !== undefined) {
        state.until = Math.max(state.until, now() + Math.min(retryAfterSeconds, 3_600) * 1000);
      } else if (state.failures >= failuresBeforeRest) state.until = now() + coolDownMs;
      states.set(key, state);
    },
    worked(key) {
      states.delete(key);
    },
  };
}
