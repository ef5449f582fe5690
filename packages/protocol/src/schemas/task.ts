import { z } from 'zod';
import { Timestamp, TurnId } from './common.ts';

/** Work that the agent does in the background: it goes on when the turn that began it is over. */
export const BackgroundTask = z
  .object({
    task_id: z.string(),
    type: z.string().meta({
      description: '`local_agent` is a subagent, `local_bash` a command; the agent knows further kinds',
    }),
    description: z.string(),
    subagent_type: z.string().nullable(),
    parent_task_id: z.string().nullable().meta({ description: 'The background task that began this one' }),
    turn_id: TurnId.nullable().meta({ description: 'The turn in which it began, when that is known' }),
    started_at: Timestamp,
    ambient: z.boolean().meta({
      description: 'A watcher that never ends by itself; it does not count as work and nobody waits for it',
    }),
  })
  .meta({ id: 'BackgroundTask' });
export type BackgroundTask = z.infer<typeof BackgroundTask>;
