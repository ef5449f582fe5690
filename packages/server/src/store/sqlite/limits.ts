import { DAY_SUMS, type DayReads, dayFromRow } from '../day-usage.ts';
import type { LimitReads } from '../limits.ts';
import type { Change, Counted, UsageRow } from '../store.ts';
import { inScope } from './sessions.ts';
import type { Statements } from './statements.ts';

/** The queries that count, by whose they are. Sessions without a maker are the machine's. */
const COUNTS = {
  live_sessions: {
    key: `select count(*) as n from sessions where coalesce(created_by, 'local') = ? and status = 'connected' and hidden is null`,
    tenant: `select count(*) as n from sessions where tenant = ? and status = 'connected' and hidden is null`,
  },
  // From the few messages that wait to their sessions, not the other way; the index is of those that wait or run.
  queued_turns: {
    key: `select count(*) as n from turns t where t.state = 'queued' and t.state in ('queued', 'running')
      and (select coalesce(created_by, 'local') from sessions where id = t.session_id) = ?`,
    tenant: `select count(*) as n from turns t where t.state = 'queued' and t.state in ('queued', 'running')
      and (select tenant from sessions where id = t.session_id) = ?`,
  },
} as const;

const SUMS = `select coalesce(sum(input_tokens + output_tokens + cache_creation_input_tokens), 0) as tokens,
  coalesce(sum(cost_usd), 0) as cost from usage_days`;
const USED = {
  key: `${SUMS} where day = ? and maker = ?`,
  tenant: `${SUMS} where day = ? and tenant = ?`,
};

const countNow = (sql: Statements, count: Counted, of: 'key' | 'tenant', id: string): number =>
  Number(sql.get(COUNTS[count][of], id)?.n);

/** What the store answers about limits. */
export const limitReads = (sql: Statements): LimitReads => ({
  async countOf(count, { of, id }) {
    return countNow(sql, count, of, id);
  },
  async usedOn(day, { of, id }) {
    const row = sql.get(USED[of], day, id);
    return { tokens: Number(row?.tokens), costUsd: Number(row?.cost) };
  },
});

/** What the store answers about days. */
export const dayReads = (sql: Statements): DayReads => ({
  async usageByDay({ from, to, scope }) {
    const { conditions, values } = inScope(scope, 'maker');
    return sql
      .all(
        `${DAY_SUMS} where ${['day >= ?', 'day <= ?', ...conditions].join(' and ')} group by day, tenant, maker, model`,
        from,
        to,
        ...values,
      )
      .map(dayFromRow)
      .sort((a, b) => (a.day < b.day ? -1 : 1));
  },
});

/** False when there are more than allowed. */
export function isWithin(sql: Statements, change: Extract<Change, { kind: 'limit' }>): boolean {
  const { count, maker, tenant, maxOfMaker, maxOfTenant } = change;
  if (maxOfMaker !== undefined && countNow(sql, count, 'key', maker) > maxOfMaker) return false;
  return maxOfTenant === undefined || countNow(sql, count, 'tenant', tenant) <= maxOfTenant;
}

/** Adds to what a maker has used today. */
export function addDayUsage(sql: Statements, tenant: string, maker: string, usage: UsageRow): void {
  sql.run(
    `insert into usage_days values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (day, maker, tenant, model) do update set
       input_tokens = input_tokens + excluded.input_tokens,
       output_tokens = output_tokens + excluded.output_tokens,
       cache_read_input_tokens = cache_read_input_tokens + excluded.cache_read_input_tokens,
       cache_creation_input_tokens = cache_creation_input_tokens + excluded.cache_creation_input_tokens,
       cost_usd = cost_usd + excluded.cost_usd`,
    new Date().toISOString().slice(0, 10),
    maker,
    tenant,
    usage.model,
    usage.inputTokens,
    usage.outputTokens,
    usage.cacheReadInputTokens,
    usage.cacheCreationInputTokens,
    usage.costUsd,
  );
}

/** The same of a session's maker. */
export function addDayUsageOf(sql: Statements, sessionId: string, usage: UsageRow): void {
  const row = sql.get(
    "select tenant, coalesce(created_by, 'local') as maker from sessions where id = ?",
    sessionId,
  );
  if (row) addDayUsage(sql, String(row.tenant), String(row.maker), usage);
}
