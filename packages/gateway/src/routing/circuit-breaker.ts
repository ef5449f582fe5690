/**
 * A circuit breaker for each upstream: open after failures, closed again after a while or a success. It guides only the
 * choice between several upstreams; the only one that there is always gets the request.
 */
export interface CircuitBreaker {
  isOpen(key: string): boolean;
  /** @param retryAfterSeconds what a rate limit asks for, which opens the breaker at once */
  recordFailure(key: string, retryAfterSeconds: number | undefined): void;
  recordSuccess(key: string): void;
}

/** Failures in a row that open the breaker. */
const failureThreshold = 3;

const maxOpenSeconds = 3_600;

export function createCircuitBreaker(coolDownMs: number, now: () => number): CircuitBreaker {
  const states = new Map<string, { failures: number; openUntil: number }>();
  return {
    isOpen: (key) => (states.get(key)?.openUntil ?? 0) > now(),
    recordFailure(key, retryAfterSeconds) {
      const state = states.get(key) ?? { failures: 0, openUntil: 0 };
      state.failures += 1;
      if (retryAfterSeconds !== undefined) {
        const openMs = Math.min(retryAfterSeconds, maxOpenSeconds) * 1000;
        state.openUntil = Math.max(state.openUntil, now() + openMs);
      } else if (state.failures >= failureThreshold) state.openUntil = now() + coolDownMs;
      states.set(key, state);
    },
    recordSuccess(key) {
      states.delete(key);
    },
  };
}
