import type { Store } from '../store.ts';

type Reads = Pick<Store, 'openTurns' | 'unsettledTurns' | 'pendingPermissions' | 'sessionsWithTasks'>;

/**
 * What sessions have not finished, put together from what all of them have: a server with a database of its own asks
 * for all, once, when it starts.
 */
export const openWorkRead = (reads: Reads): Pick<Store, 'openWork'> => ({
  async openWork(sessionIds) {
    const wanted = sessionIds && new Set(sessionIds);
    const of = <T extends { sessionId: string }>(all: readonly T[]): T[] =>
      all.filter(({ sessionId }) => wanted?.has(sessionId) ?? true);
    return {
      queued: of(await reads.openTurns('queued')),
      running: of(await reads.openTurns('running')),
      unsettled: of(await reads.unsettledTurns()),
      pending: of((await reads.pendingPermissions()).permissions),
      withTasks: (await reads.sessionsWithTasks()).filter((id) => wanted?.has(id) ?? true),
    };
  },
});
