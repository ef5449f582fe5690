import { permissionColumns, sessionColumns, turnColumns } from '../rows.ts';
import type { Change, NewEvent, StoredEvent, TurnRecord } from '../store.ts';
import { beginImport, endImport, importRows } from './import.ts';
import { addDayUsage, addDayUsageOf, isWithin } from './limits.ts';
import { eraseRows, eraseSession, trimEvents } from './removal.ts';
import type { Statements } from './statements.ts';
import { addUsage } from './usage.ts';

/** Applies one change. Returns the event if it appends one; false if its condition does not hold. */
export type Apply = (change: Change) => StoredEvent | boolean;

/** The writing half of the store: one SQL statement or two for each kind of change. */
export function createApply(sql: Statements): Apply {
  return (change) => {
    switch (change.kind) {
      case 'owned':
        // One server has this database for itself, so a session's first fencing number is its only one.
        return (
          change.fence === 0 && sql.get('select 1 from sessions where id = ?', change.sessionId) !== undefined
        );
      case 'insert-session': {
        const { session } = change;
        if (sql.get('select 1 from sessions where id = ?', session.id)) return false;
        sql.insert('sessions', { ...sessionColumns(session), last_seq: 0 });
        return beginConversation(sql, session.conversationId, session.id, session.hasTranscript);
      }
      case 'update-session':
        return sql.update('sessions', sessionColumns(change.set), 'id = ?', change.id) === 1;
      case 'insert-conversation':
        return beginConversation(sql, change.id, change.sessionId, false);
      case 'count-message':
        return (
          sql.run('update sessions set message_count = message_count + 1 where id = ?', change.id).changed ===
          1
        );
      case 'insert-turn':
        return insertTurn(sql, change.turn);
      case 'update-turn': {
        const marks = change.from.map(() => '?').join(', ');
        const where = `id = ? and session_id = ? and state in (${marks})`;
        const { id, sessionId, from } = change;
        return sql.update('turns', turnColumns(change.set), where, id, sessionId, ...from) === 1;
      }
      case 'insert-permission':
        sql.insert('permissions', permissionColumns(change.permission));
        return true;
      case 'settle-permission': {
        const { state, reason, resolvedAt, resolvedBy, decision } = change;
        const set = permissionColumns({ state, reason, resolvedAt, resolvedBy, decision });
        const where = "id = ? and session_id = ? and state = 'pending'";
        return sql.update('permissions', set, where, change.id, change.sessionId) === 1;
      }
      case 'insert-call': {
        const { id, sessionId, turnId, kind } = change.call;
        sql.insert('open_calls', { id, session_id: sessionId, turn_id: turnId, kind });
        return true;
      }
      case 'delete-call':
        sql.run('delete from open_calls where id = ? and session_id = ?', change.id, change.sessionId);
        return true;
      case 'add-usage':
        addUsage(sql, change.sessionId, change.usage);
        addDayUsageOf(sql, change.sessionId, change.usage);
        return true;
      case 'add-day-usage':
        addDayUsage(sql, change.tenant, change.maker, change.usage);
        return true;
      case 'limit':
        return isWithin(sql, change);
      case 'add-key-usage':
        sql.run(
          `insert into key_usage values (?, ?)
           on conflict (key_id) do update set cost_usd = cost_usd + excluded.cost_usd`,
          change.keyId,
          change.costUsd,
        );
        return true;
      case 'event':
        return append(sql, change.event);
      case 'begin-import':
        return beginImport(sql, change.session);
      case 'import-rows':
        return importRows(sql, change.rows);
      case 'end-import':
        return endImport(sql, change.id, change.usage);
      case 'hide-session':
        return (
          sql.run("update sessions set hidden = 'erasing' where id = ? and hidden is null", change.id)
            .changed === 1
        );
      case 'erase-rows':
        return eraseRows(sql, change);
      case 'erase-session':
        return eraseSession(sql, change.id);
      case 'trim-events':
        trimEvents(sql, change.sessionId, change.below);
        return true;
    }
  };
}

/** Begins a conversation behind its session's newest event; false if its id is taken. */
function beginConversation(sql: Statements, id: string, sessionId: string, fromDisk: boolean): boolean {
  const { changed } = sql.run(
    'insert or ignore into conversations select ?, id, last_seq, ? from sessions where id = ?',
    id,
    fromDisk ? 1 : 0,
    sessionId,
  );
  return changed === 1;
}

function insertTurn(sql: Statements, turn: TurnRecord): boolean {
  const { sessionId, idempotencyKey } = turn;
  const taken =
    idempotencyKey !== null &&
    sql.get('select 1 from turns where session_id = ? and idempotency_key = ?', sessionId, idempotencyKey);
  if (taken) return false;
  sql.insert('turns', turnColumns(turn));
  return true;
}

function append(sql: Statements, event: NewEvent): StoredEvent {
  const row = sql.get(
    `update sessions set last_seq = last_seq + 1, log_bytes = log_bytes + ? where id = ? returning last_seq, tenant`,
    Buffer.byteLength(event.json),
    event.sessionId,
  );
  if (!row) throw new Error(`no session ${event.sessionId} to append to`);
  const seq = Number(row.last_seq);
  const { rowid } = sql.run(
    'insert into events (session_id, seq, at, turn_id, type, data, tenant) values (?, ?, ?, ?, ?, ?, ?)',
    event.sessionId,
    seq,
    event.at,
    event.turnId,
    event.type,
    event.json,
    event.type === 'agent.message' ? null : (row.tenant ?? null),
  );
  return { ...event, seq, cursor: rowid };
}
