import { problem } from '../errors.ts';
import type { Store, TurnRecord } from '../store/store.ts';
import type { ProcessHandle } from './process.ts';
import type { SessionActor } from './session-actor.ts';

export interface CancelDeps {
  id: string;
  store: Store;
  actor: SessionActor;
  process: ProcessHandle;
}

/** Takes back a message that waits: in the queue, or for the running turn to take it in. */
export function createCancel({ id, store, actor, process }: CancelDeps) {
  /** @throws AppError 404, 409 */
  return async (turnId: string): Promise<TurnRecord> => {
    const outcome = await actor.call({ kind: 'cancel', turnId });
    const cancelled = outcome.ok && outcome.effects.find((effect) => effect.kind === 'turn-ended');
    if (cancelled) return cancelled.turn;
    const live = process.live();
    const isHanded = actor.state().handed.includes(turnId);
    if (live && isHanded && (await process.ask(() => live.withdraw(turnId)))) {
      // It has happened: the agent will not come back to it.
      await actor.written({ kind: 'cancel', turnId, withdrawn: true });
    }
    const turn = await store.getTurn(id, turnId);
    if (!turn) throw problem('turn_not_found', { sessionId: id, id: turnId });
    if (isHanded && turn.result?.error?.code === 'cancelled') return turn;
    const { endedAt, steers } = turn;
    throw problem('turn_not_queued', { sessionId: id, ended: endedAt !== null, steers });
  };
}
