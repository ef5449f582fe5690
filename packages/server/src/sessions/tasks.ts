import type { AgentMessage } from '../agent/agent.ts';
import { event } from '../events/log.ts';
import { answered, type SessionDraft, type State, set, type Task } from './state.ts';

/** A task as the SDK lists it in `background_tasks_changed`; each such message holds all of them. */
interface ListedTask {
  task_id: string;
  task_type: string;
  description: string;
  subagent_type?: string;
  parent_task_id?: string;
  ambient?: boolean;
}

interface Notification {
  task_id: string;
  status: string;
  skip_transcript?: boolean;
  ambient?: boolean;
}

/**
 * Notes what a message tells of background work. Measured on 2.1.330: when a task ends, `task_notification` comes
 * first, then the list without it, and 30 ms later the agent begins a turn of its own to report. It begins none
 * when a command was stopped, and when the news came in time for a turn that ran.
 * @returns whether the agent has news to report now
 */
export function noteTasks(draft: SessionDraft, message: AgentMessage, now: string): boolean {
  if (message.type !== 'system') return false;
  if (message.subtype === 'background_tasks_changed') {
    const tasks = listed(draft.state, message.tasks as ListedTask[], now);
    set(draft, { tasks });
    draft.write(
      event(draft.state.record.id, 'session.tasks', { tasks: tasks.map(({ view }) => view) }, null, now),
    );
  } else if (message.subtype === 'task_notification') {
    const { task_id, status, skip_transcript, ambient } = message as unknown as Notification;
    if (skip_transcript || ambient) return false;
    const { tasks, news } = draft.state;
    const task = tasks.find(({ view }) => view.task_id === task_id);
    const words = `Background task ${task ? `"${task.view.description}"` : task_id}: ${status}.`;
    set(draft, {
      news: {
        roots: [...new Set([...(news?.roots ?? []), ...(task?.roots ?? [])])],
        words: [...(news?.words ?? []), words],
      },
    });
    return true;
  }
  return false;
}

function listed(state: State, tasks: readonly ListedTask[], now: string): Task[] {
  const byId = new Map(state.tasks.map((task) => [task.view.task_id, task]));
  return tasks.map((task) => {
    const known = byId.get(task.task_id);
    const parent = byId.get(task.parent_task_id ?? '');
    const running = answered(state);
    const mine = running && 'roots' in running ? running.roots : running ? [running.turn.id] : [];
    return {
      roots: known?.roots ?? parent?.roots ?? mine,
      view: {
        task_id: task.task_id,
        type: task.task_type,
        description: task.description,
        subagent_type: task.subagent_type ?? null,
        parent_task_id: task.parent_task_id ?? null,
        turn_id: known?.view.turn_id ?? parent?.view.turn_id ?? running?.turn.id ?? null,
        started_at: known?.view.started_at ?? now,
        ambient: task.ambient ?? false,
      },
    };
  });
}
