import type { Statements } from './statements.ts';

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
  sql.run(
    `update erased_turns set n = n +
       (select count(*) from turns where session_id = ? and ended_at is not null) where id = 1`,
    id,
  );
  sql.run('delete from usage where session_id = ?', id);
  sql.run('delete from permissions where session_id = ?', id);
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
  sql.run('delete from events where session_id = ? and seq < ?', sessionId, below);
}
