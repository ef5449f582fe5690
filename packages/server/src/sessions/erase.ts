import type { Agent } from '../agent/agent.ts';
import type { Ownership } from '../cluster/ownership.ts';
import { AppError, problem, storageFailed } from '../errors.ts';
import type { Feed } from '../events/feed.ts';
import type { Store } from '../store/store.ts';
import type { Workspaces } from '../workspaces/workspaces.ts';
import { inSteps, STEP_BYTES } from './steps.ts';

/** Removes sessions for good. */
export interface Eraser {
  /**
   * Removes a closed session. From the first commit on nobody finds it; then go its workspace, the agent's files of
   * all its conversations, its rows in small transactions, and its record last. A request that failed half-way can be sent again.
   * @throws AppError 503 when something cannot be removed, or the server stops
   */
  erase(id: string): Promise<void>;
  /** Whether an erasure or an import of this session has begun. */
  isHidden(id: string, why: 'erasing' | 'importing'): Promise<boolean>;
  /** Removes what there is of a session that did not come whole. @throws when the store cannot write */
  drop(id: string): Promise<void>;
  /** Finishes in the background what a dead server was erasing, and removes what it was importing. */
  finish(): void;
  /** Settles when nothing is removed any more. */
  stop(): Promise<void>;
}

export interface EraseDeps {
  store: Store;
  agent: Agent;
  feed: Feed;
  ownership: Ownership;
  workspaces: Pick<Workspaces, 'erase'>;
  onError(error: unknown, what: string): void;
}

export function createEraser({ store, agent, feed, ownership, workspaces, onError }: EraseDeps): Eraser {
  let stopped = false;
  let finishing: Promise<void> = Promise.resolve();
  const running = new Set<Promise<void>>();

  const drop = async (id: string): Promise<void> => {
    await inSteps(async (rows) => {
      // The next start goes on.
      if (stopped) throw problem('server_stopping', { kept: false });
      return (await store.write([{ kind: 'erase-rows', id, rows, bytes: STEP_BYTES }])).ok;
    });
    // Refused only when it is gone already.
    await store.write([{ kind: 'erase-session', id }]);
    await store.webhooks.forget(id);
  };

  const remove = async (id: string): Promise<void> => {
    try {
      const of = await store.whose(id);
      // Refused when an earlier request got this far.
      await store.write([{ kind: 'hide-session', id }]);
      feed.erased(id, of);
      await workspaces.erase(id);
      const conversations = await store.conversations(id);
      await agent.erase([id, ...conversations.map((each) => each.id)], id);
      await drop(id);
    } catch (error) {
      throw error instanceof AppError ? error : storageFailed(error);
    }
  };

  const erase = async (id: string): Promise<void> => {
    const work = remove(id);
    running.add(work);
    await work.finally(() => running.delete(work));
  };

  const finish = async (): Promise<void> => {
    for (const { id, why } of await store.hiddenSessions()) {
      if (stopped) return;
      // Another node may be at it.
      if (!(await ownership.acquire(id)).owned) continue;
      await (why === 'erasing' ? erase(id) : drop(id)).catch(
        (error: unknown) => stopped || onError(error, `erase session ${id}`),
      );
    }
  };

  return {
    erase,
    drop,
    isHidden: async (id, why) =>
      (await store.hiddenSessions()).some((each) => each.id === id && each.why === why),
    finish() {
      finishing = finish().catch((error: unknown) => onError(error, 'find sessions to erase'));
    },
    async stop() {
      stopped = true;
      await Promise.allSettled([finishing, ...running]);
    },
  };
}
