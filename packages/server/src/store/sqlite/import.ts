import { sessionColumns, turnColumns } from '../rows.ts';
import type { ImportedSession } from '../store.ts';
import type { Statements } from './statements.ts';
import { addUsage } from './usage.ts';

/** Takes over a whole session; false if one of its ids is taken. */
export function importSession(
  sql: Statements,
  { session, conversations, turns, events, usage }: ImportedSession,
): boolean {
  const ids = (list: readonly { id: string }[]): string => JSON.stringify(list.map(({ id }) => id));
  const taken =
    sql.get('select 1 from sessions where id = ?', session.id) ??
    sql.get(
      'select 1 from conversations where id in (select value from json_each(?)) limit 1',
      ids(conversations),
    ) ??
    sql.get('select 1 from turns where id in (select value from json_each(?)) limit 1', ids(turns));
  if (taken) return false;
  const bytes = events.reduce((sum, { json }) => sum + Buffer.byteLength(json), 0);
  sql.insert('sessions', { ...sessionColumns(session), log_bytes: bytes });
  for (const { id, afterSeq, fromDisk } of conversations) {
    sql.insert('conversations', {
      id,
      session_id: session.id,
      after_seq: afterSeq,
      from_disk: fromDisk ? 1 : 0,
    });
  }
  for (const turn of turns) sql.insert('turns', turnColumns(turn));
  for (const { seq, at, turnId, type, json } of events) {
    sql.insert('events', { session_id: session.id, seq, at, turn_id: turnId, type, data: json });
  }
  for (const row of usage) addUsage(sql, session.id, row);
  return true;
}
