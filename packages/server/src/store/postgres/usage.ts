import type { UsageReads } from '../reads.ts';
import { sumsFromRow, usageFromRow } from '../rows.ts';
import type { Sql, Value } from './pool.ts';
import { inScope } from './sessions.ts';

const SUMS = `model, sum(input_tokens)::bigint as input_tokens, sum(output_tokens)::bigint as output_tokens,
    sum(cache_read_input_tokens)::bigint as cache_read, sum(cache_creation_input_tokens)::bigint as cache_creation,
    sum(cost_usd) as cost`;

const AMOUNTS =
  'model, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens, cost_usd';

/** What the store answers about spending. */
export const usageReads = (sql: Sql): UsageReads => ({
  async sessionUsage(sessionId) {
    const rows = await sql.all(
      `select ${SUMS} from usage where session_id = $1 group by model order by model`,
      sessionId,
    );
    const turns = await sql.get(
      'select count(*) as n from turns where session_id = $1 and ended_at is not null and steers is null',
      sessionId,
    );
    return { turns: Number(turns?.n), rows: rows.map(usageFromRow) };
  },

  async sessionSums(ids) {
    const rows = await sql.all(
      `select asked.id, (select coalesce(sum(cost_usd), 0) from usage where session_id = asked.id) as cost,
         (select state from turns where session_id = asked.id and state in ('completed', 'failed', 'interrupted')
          order by position desc limit 1) as outcome
       from unnest($1::text[]) asked (id)`,
      ids,
    );
    return new Map(rows.map((row) => [String(row.id), sumsFromRow(row)]));
  },

  async totalUsage(scope) {
    const keys = await sql.all(
      'select key_id, sum(cost_usd) as cost from key_usage group by key_id order by key_id',
    );
    const costByKey = new Map(keys.map((row) => [String(row.key_id), Number(row.cost)]));
    const values: Value[] = [];
    const conditions = inScope(scope, values);
    if (conditions.length > 0) {
      const own = `session_id in (select id from sessions where ${conditions.join(' and ')} and hidden is null)`;
      const rows = await sql.all(
        `select ${SUMS} from usage where ${own} group by model order by model`,
        ...values,
      );
      const turns = await sql.get(
        `select count(*) as n from turns where ended_at is not null and ${own}`,
        ...values,
      );
      return { turns: Number(turns?.n), rows: rows.map(usageFromRow), costByKey };
    }
    const rows = await sql.all(
      `select ${SUMS} from (select ${AMOUNTS} from usage union all select ${AMOUNTS} from erased_usage) as every
       group by model order by model`,
    );
    const turns = await sql.get(
      // Without those of a session that is being imported: its usage comes last.
      `select (select count(*) from turns where ended_at is not null) +
              (select coalesce(sum(n), 0)::bigint from erased_turns) -
              (select count(*) from turns where ended_at is not null
                 and session_id in (select id from sessions where hidden = 'importing')) as n`,
    );
    return { turns: Number(turns?.n), rows: rows.map(usageFromRow), costByKey };
  },

  async sessionCost(sessionId) {
    const row = await sql.get(
      'select coalesce(sum(cost_usd), 0) as cost from usage where session_id = $1',
      sessionId,
    );
    return Number(row?.cost);
  },

  async keyCost(keyId) {
    const row = await sql.get(
      'select coalesce(sum(cost_usd), 0) as cost from key_usage where key_id = $1',
      keyId,
    );
    return Number(row?.cost);
  },
});
