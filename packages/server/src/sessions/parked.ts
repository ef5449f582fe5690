import type { TranscriptMessage } from '../agent/agent.ts';
import type { PermissionRecord, SessionRecord, Store } from '../store/store.ts';
import { readTurn } from './history.ts';
import type { Current, Parked } from './machine/state.ts';

/** A turn that outlives its server: it waits for a permission without a process, or goes on in another. */
export interface RestoredTurn {
  current: Current;
  parked: Parked | undefined;
  /** The request, while it is not answered. */
  pending: readonly PermissionRecord[];
}

/** What was said in a turn on its main thread, its prompt first, by the log. */
export async function parkedSaid(
  store: Store,
  record: SessionRecord,
  turnId: string,
): Promise<TranscriptMessage[]> {
  const said = await readTurn(store, record, turnId);
  // The agent keeps a message that the turn took in under an id of its own, and in another form.
  const prompts = await store.knownTurns(
    record.id,
    said.map(({ uuid }) => uuid),
  );
  return said.filter(({ uuid }) => uuid === turnId || !prompts.has(uuid));
}
