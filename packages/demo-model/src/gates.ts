/**
 * Gates hold an answer until a test says go. Both ends work in either order: `release` before a request arrives
 * lets the next one straight through, `reached` after one arrived resolves at once. Nothing polls.
 */
export interface Gates {
  /** Lets `count` requests pass (default 1; `Infinity` opens the gate for good). */
  release(name: string, count?: number): void;
  /** Resolves once `count` requests (default 1) have arrived at the gate since the model was created. */
  reached(name: string, count?: number): Promise<void>;
}

export interface GateKeeper extends Gates {
  /** A request arrives at the gate: resolves when released, rejects when the signal fires. */
  wait(name: string, signal: AbortSignal): Promise<void>;
}

interface Gate {
  arrived: number;
  permits: number;
  waiting: Set<() => void>;
  watchers: Set<{ count: number; resolve: () => void }>;
}

/** Names come from prompts too, so a server that runs for months must not keep every one. */
const MAX_IDLE_GATES = 1_000;

export function createGates(): GateKeeper {
  const gates = new Map<string, Gate>();

  function gate(name: string): Gate {
    let found = gates.get(name);
    if (!found) {
      if (gates.size >= MAX_IDLE_GATES) forgetOneIdle();
      found = { arrived: 0, permits: 0, waiting: new Set(), watchers: new Set() };
      gates.set(name, found);
    }
    return found;
  }

  function forgetOneIdle(): void {
    for (const [name, { waiting, watchers }] of gates) {
      if (waiting.size === 0 && watchers.size === 0) {
        gates.delete(name);
        return;
      }
    }
  }

  return {
    release(name, count = 1) {
      const it = gate(name);
      it.permits += count;
      for (const go of it.waiting) {
        if (it.permits <= 0) break;
        it.permits -= 1;
        it.waiting.delete(go);
        go();
      }
    },

    reached(name, count = 1) {
      const it = gate(name);
      if (it.arrived >= count) return Promise.resolve();
      return new Promise((resolve) => it.watchers.add({ count, resolve }));
    },

    wait(name, signal) {
      const it = gate(name);
      it.arrived += 1;
      for (const watcher of it.watchers) {
        if (it.arrived < watcher.count) continue;
        it.watchers.delete(watcher);
        watcher.resolve();
      }
      if (it.permits > 0) {
        it.permits -= 1;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const go = () => {
          signal.removeEventListener('abort', give);
          resolve();
        };
        const give = () => {
          it.waiting.delete(go);
          reject(signal.reason);
        };
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener('abort', give, { once: true });
        it.waiting.add(go);
      });
    },
  };
}
