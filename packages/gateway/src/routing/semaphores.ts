/** Releases a permit; calling it again does nothing. */
export type Release = () => void;

/** One semaphore for each provider: only so many requests run at a time, the others queue in order. */
export interface Semaphores {
  /**
   * Waits for a permit and gives the function that releases it; undefined when the wait took too long, or the client
   * has gone.
   */
  acquire(key: string, permits: number, signal: AbortSignal, waitMs: number): Promise<Release | undefined>;
}

interface Semaphore {
  held: number;
  queue: (() => void)[];
}

export function createSemaphores(): Semaphores {
  const semaphores = new Map<string, Semaphore>();

  function releaseOf(semaphore: Semaphore): Release {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = semaphore.queue.shift();
      // The permit goes straight to the next in the queue; `held` stays the same.
      if (next) next();
      else semaphore.held -= 1;
    };
  }

  return {
    acquire(key, permits, signal, waitMs) {
      // The signal has fired and will not fire again: the request would hold its permit, or queue until the time-out.
      if (signal.aborted) return Promise.resolve(undefined);
      if (permits === Number.POSITIVE_INFINITY) return Promise.resolve(() => {});
      const semaphore = semaphores.get(key) ?? { held: 0, queue: [] };
      semaphores.set(key, semaphore);
      if (semaphore.held < permits) {
        semaphore.held += 1;
        return Promise.resolve(releaseOf(semaphore));
      }
      return new Promise((resolve) => {
        const settle = (release: Release | undefined) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', giveUp);
          resolve(release);
        };
        const grant = () => settle(releaseOf(semaphore));
        const giveUp = () => {
          const at = semaphore.queue.indexOf(grant);
          if (at >= 0) semaphore.queue.splice(at, 1);
          settle(undefined);
        };
        const timer = setTimeout(giveUp, waitMs);
        signal.addEventListener('abort', giveUp, { once: true });
        semaphore.queue.push(grant);
      });
    },
  };
}
