import { z } from 'zod';
import { Timestamp, TurnId } from './common.ts';

/** Background work of the agent: it continues after the turn that started it. */
export const BackgroundTask = z
  .object({
    task_id: z.string(),
    type: z.string().meta({
      description: '`local_agent` is a subagent, `local_bash` a command; the agent has other kinds',
    }),
    description: z.string(),
    subagent_type: z.string().nullable(),
    parent_task_id: z.string().nullable().meta({ description: 'The background task that started this one' }),
    turn_id: TurnId.nullable().meta({ description: 'The turn that started it, if known' }),
    started_at: Timestamp,
    ambient: z.boolean().meta({
      description:
        'A watcher that does not end by itself: it does not count as work, and nothing waits for it',
    }),
  })
  .meta({ id: 'BackgroundTask' });
export type BackgroundTask = z.infer<typeof BackgroundTask>;
