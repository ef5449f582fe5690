/** What is limited by number: sessions that are not closed, messages that wait. */
export type Counted = 'live_sessions' | 'queued_turns';

/** A key, a subject or the machine (`local`), or a tenant. */
export interface CountedOf {
  of: 'key' | 'tenant';
  id: string;
}

/** What was used on one day of UTC. Tokens are those that limits count: without what was read from caches. */
export interface DayUsage {
  tokens: number;
  costUsd: number;
}

/** The questions of limits. */
export interface LimitReads {
  /** How many of them there are now. */
  countOf(count: Counted, whose: CountedOf): Promise<number>;
  /** @param day as 2026-11-29 */
  usedOn(day: string, whose: CountedOf): Promise<DayUsage>;
}

/** What was used on one day, of one model, by one maker. */
export interface UsageOfDay {
  day: string;
  tenant: string;
  maker: string;
  model: string;
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
  cost_usd: number;
}
