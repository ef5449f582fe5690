import type { TurnError } from 'claude-agent-protocol';
import type { AgentMessage } from '../../agent/agent.ts';
import { event } from '../../events/log.ts';
import type { TurnRecord } from '../../store/store.ts';
import { assign, type Draft } from './draft.ts';
import { answered, type DueReport, type Own, type State, type Task } from './state.ts';
import { settleTurn } from './turn-end.ts';

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
 * Notes what a message says about background work. Measured on 2.1.330: when a task ends, `task_notification` comes
 * first, then the list without it, and 30 ms later the agent begins a turn of its own to report. It begins none
 * when a command was stopped, and when a running turn could take the news in.
 * @returns whether the agent has something to report now
 */
export function noteTasks(draft: Draft, message: AgentMessage): boolean {
  if (message.type !== 'system') return false;
  if (message.subtype === 'background_tasks_changed') {
    setTasks(draft, listed(draft.state, message.tasks as ListedTask[], draft.at));
  } else if (message.subtype === 'task_notification') {
    const { task_id, status, skip_transcript, ambient } = message as unknown as Notification;
    if (skip_transcript || ambient) return false;
    const { tasks, dueReport } = draft.state;
    const task = tasks.find(({ view }) => view.task_id === task_id);
    const sentence = `Background task ${task ? `"${task.view.description}"` : task_id}: ${status}.`;
    const roots = new Set([...(dueReport?.roots ?? []), ...(task?.roots ?? [])]);
    assign(draft, {
      dueReport: { roots: [...roots], sentences: [...(dueReport?.sentences ?? []), sentence] },
    });
    return true;
  }
  return false;
}

/** Notes which tasks run, and tells it. */
export function setTasks(draft: Draft, tasks: readonly Task[]): void {
  assign(draft, { tasks });
  const views = tasks.map(({ view }) => view);
  draft.changes.push(event(draft.state.record.id, 'session.tasks', { tasks: views }, null, draft.at));
}

function listed(state: State, tasks: readonly ListedTask[], now: string): Task[] {
  const byId = new Map(state.tasks.map((task) => [task.view.task_id, task]));
  const running = answered(state);
  const mine = running && 'roots' in running ? running.roots : running ? [running.turn.id] : [];
  return tasks.map((task) => {
    const known = byId.get(task.task_id);
    const parent = byId.get(task.parent_task_id ?? '');
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

// ---- the agent's report

/** Hands the due report to the turn that makes it; the session counts as busy until the agent is idle. */
export function takeReport(draft: Draft): DueReport {
  const { dueReport } = draft.state;
  assign(draft, { dueReport: dueReport && { roots: [], sentences: [] } });
  return dueReport ?? { roots: [], sentences: [] };
}

/** No report comes any more. */
export function dropReport(draft: Draft): void {
  const { dueReport, own, current } = draft.state;
  if (dueReport && !own && current?.phase !== 'taken') assign(draft, { dueReport: undefined });
}

/** Adds what a turn of the agent's own said to the results of the turns that it reports on. */
export function addReport(draft: Draft, { messages, roots }: Own, ended: TurnRecord): void {
  const { at } = draft;
  const unsettled = draft.state.unsettled.map((waiting) => {
    if (!waiting.result || !ended.result || !roots.includes(waiting.id)) return waiting;
    const result = {
      ...waiting.result,
      messages: [...waiting.result.messages, ...messages],
      cost_usd: waiting.result.cost_usd + ended.result.cost_usd,
      num_turns: waiting.result.num_turns + ended.result.num_turns,
      duration_ms: Math.max(0, Date.parse(at) - Date.parse(waiting.startedAt ?? at)),
    };
    const { id, sessionId, state } = waiting;
    draft.changes.push({ kind: 'update-turn', sessionId, id, from: [state], set: { result } });
    return { ...waiting, result };
  });
  assign(draft, { unsettled });
}

// ---- turns that wait for their background work

/** A turn that ended well waits for its background work, if it was sent so; another waits for nothing further. */
export function awaitSettling(draft: Draft, ended: TurnRecord): void {
  if (ended.waitFor !== 'background') return;
  if (ended.state === 'completed') assign(draft, { unsettled: [...draft.state.unsettled, ended] });
  else settle(draft, ended, null);
}

/** The background work of a turn is over, or given up (`error`). */
function settle(draft: Draft, turn: TurnRecord, error: TurnError | null): void {
  const { settled, changes } = settleTurn(turn, error, draft.at);
  assign(draft, { unsettled: draft.state.unsettled.filter(({ id }) => id !== turn.id) });
  draft.changes.push(...changes);
  draft.effects.push({ kind: 'turn-settled', turn: settled });
}

/** Stops waiting for the background work of any turn. */
export function settleAll(draft: Draft, error: TurnError): void {
  for (const turn of draft.state.unsettled) settle(draft, turn, error);
}

/** Settles every turn whose background work is over. */
export function settleOver(draft: Draft): void {
  for (const turn of draft.state.unsettled) {
    const { tasks, own, dueReport } = draft.state;
    const isMine = (roots: readonly string[]): boolean => roots.includes(turn.id);
    const goesOn =
      tasks.some(({ view, roots }) => !view.ambient && isMine(roots)) ||
      (own && isMine(own.roots)) ||
      (dueReport && isMine(dueReport.roots));
    if (!goesOn) settle(draft, turn, null);
  }
}

/** Ends all background work: it is gone with the process. */
export function endBackground(draft: Draft, error: TurnError): void {
  if (draft.state.tasks.length > 0) setTasks(draft, []);
  assign(draft, { dueReport: undefined });
  settleAll(draft, error);
}
