import type { Change } from '../store.ts';
import type { Statements } from './statements.ts';

/** What a session has many of, each with its order and its size. Their last rows go with the session itself. */
const MANY = [
  { table: 'events', order: 'seq', bytes: 'octet_length(data)' },
  { table: 'turns', order: 'position', bytes: 'octet_length(input) + coalesce(octet_length(result), 0)' },
  { table: 'permissions', order: 'position', bytes: 'octet_length(tool_input) + octet_length(suggestions)' },
];

/** Removes a part of a hidden session; false if none is left. */
export function eraseRows(
  sql: Statements,
  { id, rows, bytes }: Extract<Change, { kind: 'erase-rows' }>,
): boolean {
  for (const { table, order, bytes: size } of MANY) {
    const found = sql.all(
      `select ${order} as place, ${size} as bytes from ${table} where session_id = ? order by ${order} limit ?`,
      id,
      rows,
    );
    if (found.length === 0) continue;
    let last = 0;
    for (let n = 0, sum = 0; n < found.length && sum < bytes; n++) {
      sum += Number(found[n]?.bytes);
      last = Number(found[n]?.place);
    }
    if (table === 'turns') countErasedTurns(sql, id, last);
    sql.run(`delete from ${table} where session_id = ? and ${order} <= ?`, id, last);
    return true;
  }
  return false;
}

/** Turns that have ended stay in the sums of all sessions, but for those of an import that was given up. */
function countErasedTurns(sql: Statements, id: string, upTo: number): void {
  sql.run(
    `update erased_turns set n = n + (select count(*) from turns where session_id = ?1 and position <= ?2
       and ended_at is not null and (select hidden from sessions where id = ?1) is not 'importing') where id = 1`,
    id,
    upTo,
  );
}

/** Removes a session; false if there is none. What it has used is added to the sums of erased sessions. */
export function eraseSession(sql: Statements, id: string): boolean {
  if (!sql.get('select 1 from sessions where id = ?', id)) return false;
  sql.run(
    `insert into erased_usage
       select model, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens, cost_usd
       from usage where session_id = ?
     on conflict (model) do update set
       input_tokens = input_tokens + excluded.input_tokens,
       output_tokens = output_tokens + excluded.output_tokens,
       cache_read_input_tokens = cache_read_input_tokens + excluded.cache_read_input_tokens,
       cache_creation_input_tokens = cache_creation_input_tokens + excluded.cache_creation_input_tokens,
       cost_usd = cost_usd + excluded.cost_usd`,
    id,
  );
  countErasedTurns(sql, id, Number.MAX_SAFE_INTEGER);
  sql.run('delete from usage where session_id = ?', id);
  sql.run('delete from permissions where session_id = ?', id);
  sql.run('delete from open_calls where session_id = ?', id);
  sql.run('delete from turns where session_id = ?', id);
  sql.run('delete from events where session_id = ?', id);
  sql.run('delete from conversations where session_id = ?', id);
  sql.run('delete from sessions where id = ?', id);
  return true;
}

/** Removes a session's oldest events, up to the one before `below`. */
export function trimEvents(sql: Statements, sessionId: string, below: number): void {
  sql.run(
    `update sessions set log_bytes = log_bytes - (select coalesce(sum(octet_length(data)), 0) from events
       where session_id = ?1 and seq < ?2) where id = ?1`,
    sessionId,
    below,
  );
  // The cut of the stream of all sessions, which has no agent messages.
  sql.run(
    `update trimmed set cursor = max(cursor, coalesce((select max(cursor) from events
       where session_id = ? and seq < ? and type <> 'agent.message'), 0)) where id = 1`,
    sessionId,
    below,
  );
  sql.run('delete from events where session_id = ? and seq < ?', sessionId, below);
}
