import { permissionFromRow, type ReadRow, turnFromRow } from '../rows.ts';
import type { CallRecord, Store } from '../store.ts';
import type { Sql } from './pool.ts';

type Reads = Pick<Store, 'openTurns' | 'unsettledTurns' | 'pendingPermissions' | 'sessionsWithTasks'>;

const callFromRow = (row: ReadRow): CallRecord => ({
  id: String(row.id),
  sessionId: String(row.session_id),
  turnId: row.turn_id === null ? null : String(row.turn_id),
  kind: row.kind as CallRecord['kind'],
});

/** What sessions have not finished: a node asks for those that it takes over. */
export const openWorkRead = (sql: Sql, reads: Reads): Pick<Store, 'openWork'> => ({
  async openWork(ids) {
    if (!ids) {
      return {
        queued: await reads.openTurns('queued'),
        running: await reads.openTurns('running'),
        unsettled: await reads.unsettledTurns(),
        pending: (await reads.pendingPermissions()).permissions,
        calls: (await sql.all('select * from open_calls')).map(callFromRow),
        withTasks: await reads.sessionsWithTasks(),
      };
    }
    const of = (text: string): Promise<ReadRow[]> => sql.all(text, ids);
    const [openTurns, unsettled, pending, calls, withTasks] = await Promise.all([
      of(`select * from turns where session_id = any($1::text[]) and state in ('queued', 'running')
          order by session_id, position`),
      of(`select * from turns where session_id = any($1::text[])
            and wait_for = 'background' and ended_at is not null and settled_at is null
          order by session_id, position`),
      of(`select * from permissions where session_id = any($1::text[]) and state = 'pending'
          order by session_id, position`),
      of('select * from open_calls where session_id = any($1::text[])'),
      of(
        `select id from sessions where id = any($1::text[]) and tasks_seq is not null order by tasks_cursor`,
      ),
    ]);
    const open = openTurns.map(turnFromRow);
    return {
      queued: open.filter(({ state }) => state === 'queued'),
      running: open.filter(({ state }) => state === 'running'),
      unsettled: unsettled.map(turnFromRow),
      pending: pending.map(permissionFromRow),
      calls: calls.map(callFromRow),
      withTasks: withTasks.map(({ id }) => String(id)),
    };
  },
});
