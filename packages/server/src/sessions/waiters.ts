import { problem } from '../errors.ts';
import type { Store, TurnRecord } from '../store/store.ts';

/** Callers that wait for the end of a turn. */
export interface Waiters {
  /** From now on the turn's end can be waited for. */
  expect(turnId: string): void;
  /** undefined when the end of this turn is not expected. */
  ended(turnId: string): Promise<TurnRecord> | undefined;
  /** Settles when the turn is over, however it went; at once when it is not expected to end. */
  over(turnId: string): Promise<void>;
  resolve(turn: TurnRecord): void;
  reject(turnId: string, error: unknown): void;
  rejectAll(error: unknown): void;
}

export function createWaiters(): Waiters {
  const waiters = new Map<string, PromiseWithResolvers<TurnRecord>>();

  const take = (turnId: string): PromiseWithResolvers<TurnRecord> | undefined => {
    const waiter = waiters.get(turnId);
    waiters.delete(turnId);
    return waiter;
  };

  return {
    expect(turnId) {
      const waiter = Promise.withResolvers<TurnRecord>();
      // It may fail without anyone waiting.
      waiter.promise.catch(() => {});
      waiters.set(turnId, waiter);
    },
    ended: (turnId) => waiters.get(turnId)?.promise,
    async over(turnId) {
      await waiters.get(turnId)?.promise.catch(() => {});
    },
    resolve: (turn) => take(turn.id)?.resolve(turn),
    reject: (turnId, error) => take(turnId)?.reject(error),
    rejectAll(error) {
      for (const turnId of [...waiters.keys()]) take(turnId)?.reject(error);
    },
  };
}

/** Nothing more comes of a turn; a message that another turn took in has no end of its own. */
export const hasEnded = ({ result, state }: TurnRecord): boolean => result !== null || state === 'steered';

/**
 * Waits for the end of a turn, or takes it from the store.
 * @throws AppError 404 when there is no such turn, 503 when the turn goes on at the next start
 */
export async function awaitTurn(
  { id, store, isDraining }: { id: string; store: Pick<Store, 'getTurn'>; isDraining(): boolean },
  waiters: Waiters,
  turnId: string,
  isOver: (turn: TurnRecord) => boolean,
): Promise<TurnRecord> {
  const waiting = waiters.ended(turnId);
  if (waiting) return waiting;
  const turn = await store.getTurn(id, turnId);
  if (turn && isOver(turn)) return turn;
  // A shutdown has given its callers up already. The same request, under its key, waits at the next start.
  if (turn && isDraining()) throw problem('server_stopping', { kept: true });
  throw problem('turn_not_found', { sessionId: id, id: turnId });
}
