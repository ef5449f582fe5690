import { historyEntry } from '../history-entry.ts';
import type { EventReads } from '../reads.ts';
import { eventFromRow, logSizeFromRow } from '../rows.ts';
import type { Sql, Value } from './pool.ts';
import { inScope } from './sessions.ts';

const COLUMNS = 'session_id, seq, cursor, at, turn_id, type, data';

/** Cursor of the newest control event behind which none can appear; 0 before the first. */
export const LAST_CURSOR = `select coalesce(max(cursor), 0) as cursor from events
  where type <> 'agent.message' and cursor is not null and cursor < cursor_limit()`;

/** What the store answers from the event log. */
export const eventReads = (sql: Sql): EventReads => ({
  async readEvents(sessionId, after, limit) {
    const rows = await sql.all(
      `select ${COLUMNS} from events where session_id = $1 and seq > $2 order by seq limit $3`,
      sessionId,
      after,
      limit,
    );
    return rows.map(eventFromRow);
  },

  async firstSeq(sessionId) {
    const found = await sql.get(
      `select coalesce((select min(seq) from events where session_id = $1),
                       (select last_seq + 1 from sessions where id = $1), 1) as seq`,
      sessionId,
    );
    return Number(found?.seq);
  },

  async logSizes(after, limit) {
    const rows = await sql.all(
      // The page first: what is asked of each log would otherwise be asked of all.
      `select s.id, s.last_seq, s.log_bytes, s.tasks_seq, e.seq as first_seq, e.at, c.after_seq
       from (select id, last_seq, log_bytes, tasks_seq, conversation_id from sessions
             where id > $1 order by id limit $2) s
       left join lateral (select seq, at from events where session_id = s.id order by seq limit 1) e on true
       left join conversations c on c.id = s.conversation_id
       order by s.id`,
      after,
      limit,
    );
    return rows.map(logSizeFromRow);
  },

  async oldestEvents(sessionId, limit) {
    const rows = await sql.all(
      'select seq, at, bytes from events where session_id = $1 order by seq limit $2',
      sessionId,
      limit,
    );
    return rows.map((row) => ({ seq: Number(row.seq), at: String(row.at), bytes: Number(row.bytes) }));
  },

  async history(sessionId, { after, until, limit, offset }) {
    const rows = await sql.all(
      // A turn that the agent began by itself has no user's prompt.
      `select e.turn_id, e.type, e.data, t.input from events e
       left join turns t on t.session_id = e.session_id and t.id = e.turn_id and e.type = 'turn.started'
       where e.session_id = $1 and e.seq > $2 and e.seq <= $3 and e.history
         and (e.type <> 'turn.started' or t.initiator = 'user')
       order by e.seq limit $4 offset $5`,
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
    // The types are those of the index events_turn_start.
    const found = await sql.get(
      `select seq from events
       where session_id = $1 and turn_id = $2 and type in ('turn.queued', 'turn.started') order by seq limit 1`,
      sessionId,
      turnId,
    );
    return found && Number(found.seq);
  },

  async readControlEvents(after, limit, scope) {
    const values: Value[] = [after, limit];
    const conditions = inScope(scope, values, 's.');
    if (scope) {
      const rows = await sql.all(
        // The tenant stands in the event too, under an index. Who made the session does not.
        `select ${COLUMNS.replaceAll(/\w+/g, 'e.$&')}, e.tenant, s.created_by
         from events e join sessions s on s.id = e.session_id
         where ${[...(scope.tenant === undefined ? [] : ['e.tenant = $3']), ...conditions, 's.hidden is null'].join(' and ')}
           and e.cursor > $1 and e.cursor < cursor_limit() and e.type <> 'agent.message' and e.cursor is not null
         order by e.cursor limit $2`,
        ...values,
      );
      return rows.map(eventFromRow);
    }
    const rows = await sql.all(
      `select ${COLUMNS} from events
       where cursor > $1 and cursor < cursor_limit() and type <> 'agent.message' and cursor is not null
         and session_id not in (select id from sessions where hidden is not null)
       order by cursor limit $2`,
      after,
      limit,
    );
    return rows.map(eventFromRow);
  },

  async lastCursor() {
    return Number((await sql.get(LAST_CURSOR))?.cursor);
  },

  async trimmedCursor() {
    return Number((await sql.get('select coalesce(max(cursor), 0) as cursor from trimmed'))?.cursor);
  },

  async sessionsWithTasks() {
    const rows = await sql.all('select id from sessions where tasks_seq is not null order by tasks_cursor');
    return rows.map((row) => String(row.id));
  },
});
