import type { Agent } from '../agent/agent.ts';
import { storageFailed } from '../errors.ts';
import type { Feed } from '../events/feed.ts';
import type { Store } from '../store/store.ts';
import { trimLog } from './retention.ts';

export interface EraseDeps {
  store: Store;
  agent: Agent;
  feed: Feed;
}

/**
 * Removes a closed session: the agent's files of all its conversations, its events in small transactions, and its
 * record last, so that a request that failed half-way can be sent again.
 * @throws AppError 503 when something cannot be removed
 */
export async function eraseSession({ store, agent, feed }: EraseDeps, id: string): Promise<void> {
  const conversations = await store.conversations(id);
  try {
    await agent.erase([id, ...conversations.map((each) => each.id)]);
    await trimLog(store, id, () => true);
    // Refused only when it is gone already.
    await store.write([{ kind: 'erase-session', id }]);
  } catch (error) {
    throw storageFailed(error);
  }
  feed.endSession(id);
}
