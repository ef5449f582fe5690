/**
 * The least that running requests will cost. It counts against a budget together with what is spent; otherwise requests
 * that run at the same time would each see the same remainder.
 */
interface Reservations {
  /** Dollars that are reserved under a name. */
  of(name: string): number;
  /**
   * Reserves an amount, or the cost of the last request under the name when that was more. Returns the function that
   * ends the reservation.
   */
  add(name: string, dollars: number): () => void;
  /** Notes what a request under the name cost. */
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
        // Below a millionth of a cent it is a rounding error of the additions.
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
