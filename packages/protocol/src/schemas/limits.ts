import { z } from 'zod';
import { LIMIT_HOLDERS, LIMITS } from '../reasons.ts';
import { Timestamp } from './common.ts';

/** What a key, a tenant or everybody may use. What is left out has no limit, or that of the configuration for all. */
export const Limits = z
  .strictObject({
    requests_per_minute: z.int().min(1).max(1_000_000_000).optional().meta({
      description: 'Requests in a minute that begins with the first one; calls of models count, too',
    }),
    live_sessions: z.int().min(1).max(1_000_000_000).optional().meta({
      description: 'Sessions that are not closed',
    }),
    queued_turns: z.int().min(1).max(1_000_000_000).optional().meta({
      description: 'Messages that wait behind others, in all sessions',
    }),
    tokens_per_day: z.int().min(1).max(1e15).optional().meta({
      description:
        'Input, output and what is written to caches; a day is one of UTC. What is read from caches does not count',
    }),
    usd_per_day: z.number().positive().max(1e9).optional().meta({ description: 'A day is one of UTC' }),
  })
  .meta({ id: 'Limits' });
export type Limits = z.infer<typeof Limits>;

/** A limit that applies to the caller. */
const LimitState = z
  .object({
    limit: z.enum(LIMITS),
    of: z.enum(LIMIT_HOLDERS).meta({ description: "Whose: the caller's own, or its tenant's" }),
    id: z.string().meta({ description: 'Of the key, or the name of the tenant' }),
    max: z.number(),
    used: z.number(),
    resets_at: Timestamp.nullable().meta({
      description:
        'When it is counted from 0 again; null where it goes down as sessions and turns end, or is unused',
    }),
  })
  .meta({ id: 'LimitState' });
export type LimitState = z.infer<typeof LimitState>;

export const LimitStates = z.object({ limits: z.array(LimitState) }).meta({ id: 'LimitStates' });
