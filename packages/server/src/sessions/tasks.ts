import type { BackgroundTask } from 'claude-agent-client';
import type { AgentMessage } from '../agent/agent.ts';

/** A task as the SDK lists it in `background_tasks_changed`; each such message holds all of them. */
interface ListedTask {
  task_id: string;
  task_type: string;
  description: string;
  subagent_type?: string;
  parent_task_id?: string;
  ambient?: boolean;
}

/**
 * The background tasks after a message that lists them; undefined when it tells of none.
 * @param turnId the turn that runs: what is new began in it
 */
export function readTasks(
  message: AgentMessage,
  before: readonly BackgroundTask[],
  turnId: string | null,
): BackgroundTask[] | undefined {
  if (message.type !== 'system' || message.subtype !== 'background_tasks_changed') return undefined;
  const now = new Date().toISOString();
  return (message.tasks as ListedTask[]).map((task) => ({
    task_id: task.task_id,
    type: task.task_type,
    description: task.description,
    subagent_type: task.subagent_type ?? null,
    parent_task_id: task.parent_task_id ?? null,
    ambient: task.ambient ?? false,
    ...(before.find(({ task_id }) => task_id === task.task_id) ?? { turn_id: turnId, started_at: now }),
  }));
}
