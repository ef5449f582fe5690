import type { UsageOfDay } from './limits.ts';
import type { Store } from './store.ts';

/** Usage by day. */
export type DayReads = Pick<Store, 'usageByDay'>;

/** The beginning of the query; in PostgreSQL nodes add to different rows of a day. */
export const DAY_SUMS = `select day, tenant, maker, model, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
  sum(cache_read_input_tokens) as cache_read_input_tokens, sum(cache_creation_input_tokens) as cache_creation_input_tokens,
  sum(cost_usd) as cost_usd from usage_days`;

export const dayFromRow = (row: Record<string, unknown>): UsageOfDay => ({
  day: String(row.day),
  tenant: String(row.tenant),
  maker: String(row.maker),
  model: String(row.model),
  input_tokens: Number(row.input_tokens),
  output_tokens: Number(row.output_tokens),
  cache_read_input_tokens: Number(row.cache_read_input_tokens),
  cache_creation_input_tokens: Number(row.cache_creation_input_tokens),
  cost_usd: Number(row.cost_usd),
});
