import { createRates, type Rates, WINDOW_SECONDS } from '../rates.ts';
import type { Sql, Value } from './pool.ts';

/** The table of the counts (017-limits.sql), in the form that the library reads and writes. */
const TABLE = 'rates';

/**
 * Counts that all servers on the database share: exact, for one statement each. A key that has used up its limit costs none:
 * the node remembers until when. While the database fails, each node counts by itself.
 */
export function sharedRates(sql: Sql): Rates {
  // Our connections, with their own names of prepared statements: a pooler may be in between.
  const storeClient = {
    async query({ text, values = [] }: { text: string; values?: Value[] }) {
      const rows = await sql.all(text, ...values);
      return { rows, rowCount: rows.length };
    },
  };
  return createRates(({ RateLimiterMemory, RateLimiterPostgres }, limit) => {
    const window = { points: limit, duration: WINDOW_SECONDS };
    return new RateLimiterPostgres({
      ...window,
      storeClient,
      storeType: 'client',
      tableName: TABLE,
      tableCreated: true,
      keyPrefix: '',
      inMemoryBlockOnConsumed: limit,
      insuranceLimiter: new RateLimiterMemory({ ...window, keyPrefix: '' }),
    });
  });
}
