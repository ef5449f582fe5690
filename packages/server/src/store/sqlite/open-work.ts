import type { CallRecord, Store } from '../store.ts';
import type { Statements } from './statements.ts';

type Reads = Pick<Store, 'openTurns' | 'unsettledTurns' | 'pendingPermissions' | 'sessionsWithTasks'>;

/** The calls of hooks and custom tools that wait for an answer, in all sessions. */
const openCalls = (sql: Statements): CallRecord[] =>
  sql.all('select id, session_id, turn_id, kind from open_calls').map((row) => ({
    id: String(row.id),
    sessionId: String(row.session_id),
    turnId: row.turn_id === null ? null : String(row.turn_id),
    kind: row.kind as CallRecord['kind'],
  }));

/**
 * What sessions have not finished, put together from what all of them have: a server with a database of its own asks
 * for all, once, when it starts.
 */
export const openWorkRead = (sql: Statements, reads: Reads): Pick<Store, 'openWork'> => ({
  async openWork(sessionIds) {
    const wanted = sessionIds && new Set(sessionIds);
    const of = <T extends { sessionId: string }>(all: readonly T[]): T[] =>
      all.filter(({ sessionId }) => wanted?.has(sessionId) ?? true);
    return {
      queued: of(await reads.openTurns('queued')),
      running: of(await reads.openTurns('running')),
      unsettled: of(await reads.unsettledTurns()),
      calls: of(openCalls(sql)),
      pending: of((await reads.pendingPermissions()).permissions),
      withTasks: (await reads.sessionsWithTasks()).filter((id) => wanted?.has(id) ?? true),
    };
  },
});
