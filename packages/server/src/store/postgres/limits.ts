import { DAY_SUMS, type DayReads, dayFromRow } from '../day-usage.ts';
import type { LimitReads } from '../limits.ts';
import type { Sql, Value } from './pool.ts';
import { inScope } from './sessions.ts';

/** What the store answers about limits. 020-day-usage.sql counts in the same way when it decides. */
export const limitReads = (sql: Sql): LimitReads => ({
  async countOf(count, { of, id }) {
    const row =
      count === 'live_sessions'
        ? await sql.get(
            of === 'key'
              ? `select count(*) as n from sessions
                 where coalesce(created_by, 'local') = $1 and status = 'connected' and hidden is null`
              : `select count(*) as n from sessions where tenant = $1 and status = 'connected' and hidden is null`,
            id,
          )
        : await sql.get(
            `select count(*) as n from turns t where t.state = 'queued' and
               (select ${of === 'key' ? "coalesce(s.created_by, 'local')" : 's.tenant'} from sessions s where s.id = t.session_id) = $1`,
            id,
          );
    return Number(row?.n);
  },
  async usedOn(day, { of, id }) {
    const row = await sql.get(
      `select coalesce(sum(input_tokens + output_tokens + cache_creation_input_tokens), 0)::bigint as tokens,
         coalesce(sum(cost_usd), 0) as cost from usage_days where day = $1 and ${of === 'key' ? 'maker' : 'tenant'} = $2`,
      day,
      id,
    );
    return { tokens: Number(row?.tokens), costUsd: Number(row?.cost) };
  },
});

/** What the store answers about days. */
export const dayReads = (sql: Sql): DayReads => ({
  async usageByDay({ from, to, scope }) {
    const values: Value[] = [from, to];
    const conditions = ['day >= $1', 'day <= $2', ...inScope(scope, values, '', 'maker')];
    const rows = await sql.all(
      `${DAY_SUMS} where ${conditions.join(' and ')} group by day, tenant, maker, model`,
      ...values,
    );
    return rows.map(dayFromRow).sort((a, b) => (a.day < b.day ? -1 : 1));
  },
});
