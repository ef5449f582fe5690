/** Lets at most so many requests through to each provider; the others wait in order. */
export interface Limiter {
  /**
   * Resolves to the function that gives the place back; undefined when the wait took too long, or the client is gone.
   */
  enter(key: string, limit: number, signal: AbortSignal, waitMs: number): Promise<(() => void) | undefined>;
}

interface Lane {
  running: number;
  waiting: (() => void)[];
}

export function createLimiter(): Limiter {
  const lanes = new Map<string, Lane>();

  function release(lane: Lane): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = lane.waiting.shift();
      // The place goes straight to the next in line; `running` stays the same.
      if (next) next();
      else lane.running -= 1;
    };
  }

  return {
    enter(key, limit, signal, waitMs) {
      // Its signal has fired and does not again: it would hold a place, or wait for one until its time is over.
      if (signal.aborted) return Promise.resolve(undefined);
      if (limit === Number.POSITIVE_INFINITY) return Promise.resolve(() => {});
      let lane = lanes.get(key);
      if (!lane) {
        lane = { running: 0, waiting: [] };
        lanes.set(key, lane);
      }
      const own = lane;
      if (own.running < limit) {
        own.running += 1;
        return Promise.resolve(release(own));
      }
      return new Promise((resolve) => {
        const done = (value: (() => void) | undefined) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', leave);
          resolve(value);
        };
        const go = () => done(release(own));
        const leave = () => {
          const at = own.waiting.indexOf(go);
          if (at >= 0) own.waiting.splice(at, 1);
          done(undefined);
        };
        const timer = setTimeout(leave, waitMs);
        signal.addEventListener('abort', leave, { once: true });
        own.waiting.push(go);
      });
    },
  };
}
