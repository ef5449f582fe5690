import { historyEntry } from '../history-entry.ts';
import type { EventReads } from '../reads.ts';
import { eventFromRow, logSizeFromRow } from '../rows.ts';
import { inScope } from './sessions.ts';
import type { Statements } from './statements.ts';

/** The condition of the index events_history (013-steer-and-continue.sql), word for word. */
export const IN_HISTORY = `type in ('turn.started', 'turn.steered')
  or (type = 'agent.message' and data ->> '$.type' in ('user', 'assistant')
      and data ->> '$.parent_tool_use_id' is null)`;

/** What the store answers from the event log. */
export const eventReads = (sql: Statements): EventReads => ({
  async readEvents(sessionId, after, limit) {
    return sql
      .all(
        'select * from events where session_id = ? and seq > ? order by seq limit ?',
        sessionId,
        after,
        limit,
      )
      .map(eventFromRow);
  },

  async firstSeq(sessionId) {
    const found = sql.get(
      `select coalesce((select min(seq) from events where session_id = ?1),
                       (select last_seq + 1 from sessions where id = ?1), 1) as seq`,
      sessionId,
    );
    return Number(found?.seq);
  },

  async logSizes(after, limit) {
    const rows = sql.all(
      // The page first: what is asked of each log would otherwise be asked of all.
      `select s.id, s.last_seq, s.log_bytes, e.seq as first_seq, e.at, c.after_seq,
         (select iif(json_array_length(data, '$.tasks') > 0, seq, null) from events
          where type = 'session.tasks' and session_id = s.id order by cursor desc limit 1) as tasks_seq
       from (select id, last_seq, log_bytes, conversation_id from sessions where id > ? order by id limit ?) s
       left join events e on e.session_id = s.id
         and e.seq = (select min(seq) from events where session_id = s.id)
       left join conversations c on c.id = s.conversation_id`,
      after,
      limit,
    );
    return rows.map(logSizeFromRow);
  },

  async oldestEvents(sessionId, limit) {
    return sql
      .all(
        `select seq, at, octet_length(data) as bytes from events
         where session_id = ? order by seq limit ?`,
        sessionId,
        limit,
      )
      .map((row) => ({ seq: Number(row.seq), at: String(row.at), bytes: Number(row.bytes) }));
  },

  async history(sessionId, { after, until, limit, offset }) {
    const rows = sql.all(
      // A turn that the agent began by itself has no user's prompt.
      `select e.turn_id, e.type, e.data, t.input from
         (select turn_id, type, data, seq from events where session_id = ? and seq > ? and seq <= ?
            and (${IN_HISTORY})) e
       left join turns t on t.id = e.turn_id and e.type = 'turn.started'
       where e.type <> 'turn.started' or t.initiator = 'user'
       order by e.seq limit ? offset ?`,
      sessionId,
      after,
      until,
      limit,
      offset,
    );
    return rows.map((row) => ({
      turnId: row.turn_id === null ? null : String(row.turn_id),
      entry: historyEntry(row),
    }));
  },

  async turnStart(sessionId, turnId) {
    // Each type has an index of its own, so each is asked for by itself. The plus leaves SQLite that one alone.
    const found = sql.get(
      `select coalesce((select seq from events where turn_id = ?1 and type = 'turn.queued' and +session_id = ?2),
                       (select seq from events where turn_id = ?1 and type = 'turn.started' and +session_id = ?2)) as seq`,
      turnId,
      sessionId,
    );
    return typeof found?.seq === 'number' ? found.seq : undefined;
  },

  async readControlEvents(after, limit, scope) {
    const { conditions, values } = inScope(scope);
    if (conditions.length > 0) {
      // The tenant stands in the event too, under an index. Who made the session does not.
      return sql
        .all(
          `select e.*, s.created_by from events e join sessions s on s.id = e.session_id
           where e.tenant = ? and e.cursor > ? and e.type <> 'agent.message' and s.hidden is null
             and ${conditions.map((each) => `s.${each}`).join(' and ')}
           order by e.cursor limit ?`,
          ...values.slice(0, 1),
          after,
          ...values,
          limit,
        )
        .map(eventFromRow);
    }
    return sql
      .all(
        `select * from events where cursor > ? and type <> 'agent.message'
           and session_id not in (select id from sessions where hidden is not null)
         order by cursor limit ?`,
        after,
        limit,
      )
      .map(eventFromRow);
  },

  async lastCursor() {
    return lastCursor(sql);
  },

  async trimmedCursor() {
    return Number(sql.get('select cursor from trimmed where id = 1')?.cursor);
  },

  async sessionsWithTasks() {
    const rows = sql.all(
      `select session_id from events where cursor in
         (select max(cursor) from events where type = 'session.tasks' group by session_id)
       and json_array_length(data, '$.tasks') > 0
       order by cursor`,
    );
    return rows.map((row) => String(row.session_id));
  },
});

/** Cursor of the newest event; 0 before the first. */
export const lastCursor = (sql: Statements): number =>
  Number(sql.get('select coalesce(max(cursor), 0) as n from events')?.n);
