import type { TurnReads } from '../reads.ts';
import { turnFromRow } from '../rows.ts';
import type { Sql, Value } from './pool.ts';

/** What the store answers about turns. */
export const turnReads = (sql: Sql): TurnReads => ({
  async getTurn(sessionId, turnId) {
    const row = await sql.get('select * from turns where session_id = $1 and id = $2', sessionId, turnId);
    return row && turnFromRow(row);
  },

  async knownTurns(sessionId, ids) {
    const rows = await sql.all(
      `select id from turns where session_id = $1 and id = any($2::text[]) union all
       select continued_as from turns where session_id = $1 and continued_as = any($2::text[])`,
      sessionId,
      ids,
    );
    return new Set(rows.map((row) => String(row.id)));
  },

  async getTurnByKey(sessionId, key) {
    const row = await sql.get(
      'select * from turns where session_id = $1 and idempotency_key = $2',
      sessionId,
      key,
    );
    return row && turnFromRow(row);
  },

  async listTurns({ sessionId, state, after, limit }) {
    // A message that was given to a running turn is no turn itself.
    const conditions = ['session_id = $1', 'steers is null'];
    const values: Value[] = [sessionId, limit];
    if (state !== undefined) conditions.push(`state = $${values.push(state)}`);
    if (after !== undefined) {
      const id = values.push(after);
      conditions.push(`position > (select position from turns where session_id = $1 and id = $${id})`);
    }
    const where = conditions.join(' and ');
    const rows = await sql.all(`select * from turns where ${where} order by position limit $2`, ...values);
    return rows.map(turnFromRow);
  },

  async openTurns(state) {
    // The second condition is that of the index turns_open, which holds nothing else.
    const rows = await sql.all(
      "select * from turns where state = $1 and state in ('queued', 'running') order by position",
      state,
    );
    return rows.map(turnFromRow);
  },

  async unsettledTurns() {
    // The condition of the index turns_unsettled.
    const rows = await sql.all(
      `select * from turns where wait_for = 'background' and ended_at is not null and settled_at is null
       order by position`,
    );
    return rows.map(turnFromRow);
  },
});
