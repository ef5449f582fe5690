import type { TurnReads } from '../reads.ts';
import { turnFromRow } from '../rows.ts';
import type { Statements } from './statements.ts';

/** What the store answers about turns. */
export const turnReads = (sql: Statements): TurnReads => ({
  async getTurn(sessionId, turnId) {
    const row = sql.get('select * from turns where id = ? and session_id = ?', turnId, sessionId);
    return row && turnFromRow(row);
  },

  async knownTurns(sessionId, ids) {
    const rows = sql.all(
      // The plus leaves SQLite the index of continued_as alone.
      `select id from turns where id in (select value from json_each(?1)) and session_id = ?2 union all
       select continued_as from json_each(?1) cross join turns on continued_as = value where +session_id = ?2`,
      JSON.stringify(ids),
      sessionId,
    );
    return new Set(rows.map((row) => String(row.id)));
  },

  async getTurnByKey(sessionId, key) {
    const row = sql.get('select * from turns where session_id = ? and idempotency_key = ?', sessionId, key);
    return row && turnFromRow(row);
  },

  async listTurns({ sessionId, state, after, limit }) {
    // A message that was given to a running turn is no turn itself.
    const conditions = ['session_id = ?', 'steers is null'];
    const values = [sessionId];
    if (state !== undefined) {
      conditions.push('state = ?');
      values.push(state);
    }
    if (after !== undefined) {
      conditions.push('position > (select position from turns where id = ?)');
      values.push(after);
    }
    const where = conditions.join(' and ');
    return sql
      .all(`select * from turns where ${where} order by position limit ?`, ...values, limit)
      .map(turnFromRow);
  },

  async openTurns(state) {
    // The second condition is that of the index turns_open; without it SQLite reads the whole table.
    return sql
      .all("select * from turns where state = ? and state in ('queued', 'running') order by position", state)
      .map(turnFromRow);
  },

  async unsettledTurns() {
    // The condition of the index turns_unsettled, word for word.
    return sql
      .all(
        `select * from turns where wait_for = 'background' and ended_at is not null and settled_at is null
         order by position`,
      )
      .map(turnFromRow);
  },
});
