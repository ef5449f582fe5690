import type { BudgetAnswer } from './hooks.ts';

/** One budget that a call is held against. */
export interface Budget {
  /** The key of its reservations. */
  name: string;
  limit: number;
  /** Dollars booked so far. */
  spent(): number | Promise<number>;
  /** The error message when `spent` dollars, booked or reserved, use it up. */
  refusal(spent: number): string;
}

/** Holds calls against budgets while they run. */
export interface Budgets {
  /**
   * Reserves the cost of a call in all its budgets, or refuses the call.
   * @param estimate returns the cost of its input in dollars, undefined when the price is unknown
   */
  reserve(budgets: readonly Budget[], estimate: () => Promise<number | undefined>): Promise<BudgetAnswer>;
  /** Notes what a call under a budget's name cost: the next one reserves at least as much. */
  learn(name: string, dollars: number): void;
}

const unpriced =
  'The price of this model is unknown, so its cost cannot be held against a budget. Set its `prices` in the ' +
  'configuration, under `providers.<id>.models.<model>` (0 for your own model), or use it without a budget.';

export function createBudgets(): Budgets {
  const reservations = createReservations();
  return {
    learn: reservations.learn,
    async reserve(budgets, estimate) {
      if (budgets.length === 0) return { ok: true };
      const least = await estimate();
      if (least === undefined) return { ok: false, message: unpriced };
      // Read after the estimate: no other call may come between this read and the reservation.
      const spent = await Promise.all(budgets.map((budget) => budget.spent()));
      for (const [at, { name, limit, refusal }] of budgets.entries()) {
        const used = (spent[at] ?? 0) + reservations.of(name);
        if (used >= limit) return { ok: false, message: refusal(used) };
      }
      const releases = budgets.map(({ name }) => reservations.add(name, least));
      return {
        ok: true,
        release() {
          for (const release of releases) release();
        },
      };
    },
  };
}

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

function createReservations(): Reservations {
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
