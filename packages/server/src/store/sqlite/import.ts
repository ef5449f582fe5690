import { sessionColumns, turnColumns } from '../rows.ts';
import type { ImportedRows, SessionRecord, UsageRow } from '../store.ts';
import type { Statements } from './statements.ts';
import { addUsage } from './usage.ts';

/** Begins to take a session over; false if its id is taken. */
export function beginImport(sql: Statements, session: SessionRecord): boolean {
  if (sql.get('select 1 from sessions where id = ?', session.id)) return false;
  sql.insert('sessions', { ...sessionColumns(session), log_bytes: 0, hidden: 'importing' });
  return true;
}

/** Adds rows to a session that is being taken over; false if one of their ids or keys is taken. */
export function importRows(
  sql: Statements,
  { sessionId, conversations, turns, events }: ImportedRows,
): boolean {
  for (const { id, afterSeq, fromDisk } of conversations) {
    const { changed } = sql.run(
      'insert or ignore into conversations (id, session_id, after_seq, from_disk) values (?, ?, ?, ?)',
      id,
      sessionId,
      afterSeq,
      fromDisk ? 1 : 0,
    );
    if (changed === 0) return false;
  }
  for (const turn of turns) {
    const taken = sql.get(
      'select 1 from turns where id = ?1 union all select 1 from turns where session_id = ?2 and idempotency_key = ?3',
      turn.id,
      sessionId,
      turn.idempotencyKey,
    );
    if (taken) return false;
    sql.insert('turns', turnColumns(turn));
  }
  const tenant = sql.get('select tenant from sessions where id = ?', sessionId)?.tenant ?? null;
  let bytes = 0;
  for (const { seq, at, turnId, type, json } of events) {
    bytes += Buffer.byteLength(json);
    const of = type === 'agent.message' ? null : tenant;
    sql.insert('events', { session_id: sessionId, seq, at, turn_id: turnId, type, data: json, tenant: of });
  }
  sql.run('update sessions set log_bytes = log_bytes + ? where id = ?', bytes, sessionId);
  return true;
}

/** Ends the import of a session; false if none has begun. */
export function endImport(sql: Statements, id: string, usage: readonly UsageRow[]): boolean {
  const { changed } = sql.run("update sessions set hidden = null where id = ? and hidden = 'importing'", id);
  if (changed === 0) return false;
  for (const row of usage) addUsage(sql, id, row);
  return true;
}
