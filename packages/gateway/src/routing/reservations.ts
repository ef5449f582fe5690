/**
 * What requests that still run will cost at least: held against a budget together with what is spent, so that many at
 * once do not each see the same rest of it.
 */
export interface Reservations {
  /** Dollars that are reserved under a name. */
  of(name: string): number;
  /** Reserves so much, or what the last request under the name came to when that was more; gives the way to end it. */
  add(name: string, dollars: number): () => void;
  /** What a request under the name came to. */
  learn(name: string, dollars: number): void;
}

const mostNames = 10_000;

export function createReservations(): Reservations {
  const reserved = new Map<string, number>();
  const last = new Map<string, number>();
  return {
    of: (name) => reserved.get(name) ?? 0,
    add(name, dollars) {
      const amount = Math.max(dollars, last.get(name) ?? 0);
      reserved.set(name, (reserved.get(name) ?? 0) + amount);
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        const left = (reserved.get(name) ?? 0) - amount;
        // Below a millionth of a cent it is what adding and subtracting leaves.
        if (left < 1e-8) reserved.delete(name);
        else reserved.set(name, left);
      };
    },
    learn(name, dollars) {
      if (last.size >= mostNames) last.clear();
      last.set(name, dollars);
    },
  };
}
