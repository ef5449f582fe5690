import type { UsageReads } from '../reads.ts';
import { sumsFromRow, usageFromRow } from '../rows.ts';
import type { UsageRow } from '../store.ts';
import { inScope } from './sessions.ts';
import type { Statements } from './statements.ts';

/** The sums by model, over the rows of a table or of a query. */
const sums = (from: string): string => `select model, sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens, sum(cache_read_input_tokens) as cache_read,
    sum(cache_creation_input_tokens) as cache_creation, sum(cost_usd) as cost
  from ${from} group by model order by model`;

const AMOUNTS =
  'model, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens, cost_usd';

/** What the store answers about spending. */
export const usageReads = (sql: Statements): UsageReads => ({
  async sessionUsage(sessionId) {
    const rows = sql.all(sums('usage where session_id = ?'), sessionId);
    const turns = sql.get(
      'select count(*) as n from turns where session_id = ? and ended_at is not null and steers is null',
      sessionId,
    );
    return { turns: Number(turns?.n), rows: rows.map(usageFromRow) };
  },

  async sessionSums(ids) {
    const rows = sql.all(
      `select value as id, (select coalesce(sum(cost_usd), 0) from usage where session_id = value) as cost,
         (select state from turns where session_id = value and state in ('completed', 'failed', 'interrupted')
          order by position desc limit 1) as outcome
       from json_each(?)`,
      JSON.stringify(ids),
    );
    return new Map(rows.map((row) => [String(row.id), sumsFromRow(row)]));
  },

  async totalUsage(scope) {
    const keys = sql.all('select key_id, cost_usd from key_usage order by key_id');
    const costByKey = new Map(keys.map((row) => [String(row.key_id), Number(row.cost_usd)]));
    const { conditions, values } = inScope(scope);
    if (conditions.length > 0) {
      const own = `session_id in (select id from sessions where ${conditions.join(' and ')} and hidden is null)`;
      const rows = sql.all(sums(`usage where ${own}`), ...values);
      const turns = sql.get(
        `select count(*) as n from turns where ended_at is not null and ${own}`,
        ...values,
      );
      return { turns: Number(turns?.n), rows: rows.map(usageFromRow), costByKey };
    }
    const all = `select ${AMOUNTS} from usage union all select ${AMOUNTS} from erased_usage`;
    const rows = sql.all(sums(`(${all})`));
    const turns = sql.get(
      // Without those of a session that is being imported: its usage comes last.
      `select count(*) + (select n from erased_turns where id = 1)
         - (select count(*) from turns where ended_at is not null
            and session_id in (select id from sessions where hidden = 'importing')) as n
       from turns where ended_at is not null`,
    );
    return { turns: Number(turns?.n), rows: rows.map(usageFromRow), costByKey };
  },

  async sessionCost(sessionId) {
    const row = sql.get(
      'select coalesce(sum(cost_usd), 0) as cost from usage where session_id = ?',
      sessionId,
    );
    return Number(row?.cost);
  },

  async keyCost(keyId) {
    return Number(sql.get('select cost_usd from key_usage where key_id = ?', keyId)?.cost_usd ?? 0);
  },
});

/** Adds to what a session has used of a model. */
export function addUsage(sql: Statements, sessionId: string, usage: UsageRow): void {
  sql.run(
    `insert into usage values (?, ?, ?, ?, ?, ?, ?) on conflict (session_id, model) do update set
       input_tokens = input_tokens + excluded.input_tokens,
       output_tokens = output_tokens + excluded.output_tokens,
       cache_read_input_tokens = cache_read_input_tokens + excluded.cache_read_input_tokens,
       cache_creation_input_tokens = cache_creation_input_tokens + excluded.cache_creation_input_tokens,
       cost_usd = cost_usd + excluded.cost_usd`,
    sessionId,
    usage.model,
    usage.inputTokens,
    usage.outputTokens,
    usage.cacheReadInputTokens,
    usage.cacheCreationInputTokens,
    usage.costUsd,
  );
}
