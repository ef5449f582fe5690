import type { AnswerItem, BackgroundTask, PendingCall, SessionState } from 'claude-agent-protocol';
import type { Decision } from '../../agent/agent.ts';
import type { PermissionRecord, SessionRecord, TurnRecord } from '../../store/store.ts';
import type { Interruption } from './reasons.ts';

/** The turn of a message that runs. */
export interface Current {
  turn: TurnRecord;
  messages: readonly AnswerItem[];
  /**
   * `starting`: the message waits for a process; `sent`: the process has it; `taken`: the agent works on it, and its
   * messages belong to the answer.
   */
  phase: 'starting' | 'sent' | 'taken';
  /** Why the turn was told to end, if it was: an intention, so it is in memory only. */
  stop: Interruption | undefined;
  /** The log says that it waits for a process of another session to end: the agent does not have its message. */
  waits: boolean;
  /** What it cost in processes before the present one. */
  parkedCostUsd: number;
}

/** A turn that waits for a permission without a process. */
export interface Parked {
  turnId: string;
  requestId: string;
  toolUseId: string;
  /** The answer, for the process that asks again. */
  decision: Decision | undefined;
  /** The process that asked; it may still be about to end. */
  process: number | undefined;
  /** Processes that were started to ask again. */
  starts: number;
}

/** A turn that the agent began by itself. */
export interface Own {
  turn: TurnRecord;
  messages: readonly AnswerItem[];
  /** Turns whose background work it reports on. */
  roots: readonly string[];
  stop: Interruption | undefined;
}

/** A background task, and the turns that began it: directly, or as the work of a turn of the agent's own. */
export interface Task {
  view: BackgroundTask;
  roots: readonly string[];
}

/** Ended tasks that the agent has not reported on yet. */
export interface DueReport {
  roots: readonly string[];
  /** One sentence a task. */
  sentences: readonly string[];
}

/** The whole state of a session. Replaced, never changed in place, and only after a commit. */
export interface State {
  record: SessionRecord;
  /** The server's default, for sessions without a model of their own. */
  defaultModel: string | undefined;
  /** Number of the agent process, when there is one. */
  process: number | undefined;
  /** It is being closed: no further turn begins. */
  closing: boolean;
  /** The server shuts down: no further turn begins, and queued ones stay queued. */
  draining: boolean;
  current: Current | undefined;
  /** Of `current`: it waits for a permission without a process. */
  parked: Parked | undefined;
  own: Own | undefined;
  /** In the order in which they will run. */
  queue: readonly TurnRecord[];
  /** Messages for the running turn that the agent has not taken, oldest first. */
  steering: readonly TurnRecord[];
  /** Ids of those, and of queued messages, that the agent has in its own queue: it begins them by itself. */
  handed: readonly string[];
  /** Permission requests that wait, oldest first. */
  pending: readonly PermissionRecord[];
  /** Calls of the caller's hooks and tools that wait for an answer, oldest first. */
  calls: readonly PendingCall[];
  tasks: readonly Task[];
  dueReport: DueReport | undefined;
  /** Ended turns that wait for their background work. */
  unsettled: readonly TurnRecord[];
  /** The session's state according to its newest event. */
  shown: SessionState;
}

/** A session without a process, as the store has it when nothing of it is open. */
export const initialState = (record: SessionRecord, defaultModel: string | undefined): State => ({
  record,
  defaultModel,
  process: undefined,
  closing: false,
  draining: false,
  current: undefined,
  parked: undefined,
  own: undefined,
  queue: [],
  steering: [],
  handed: [],
  pending: [],
  calls: [],
  tasks: [],
  dueReport: undefined,
  unsettled: [],
  shown: record.status === 'closed' ? 'closed' : 'asleep',
});

/** Whether the store has all there is of it: made of its record, the state would be the same. */
export function isAtRest(state: State): boolean {
  const made = initialState(state.record, state.defaultModel);
  const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
  return (Object.keys(made) as (keyof State)[]).every(
    (key) => state[key] === made[key] || (isEmpty(state[key]) && isEmpty(made[key])),
  );
}

export const isClosed = ({ record }: State): boolean => record.status === 'closed';

/** What the session does, in the API's words. */
export function shownState(state: State): SessionState {
  if (isClosed(state)) return 'closed';
  if (state.pending.length > 0) return 'waiting';
  if (state.current || state.own) return 'running';
  if (state.dueReport || state.tasks.some(({ view }) => !view.ambient)) return 'background';
  return state.process === undefined ? 'asleep' : 'idle';
}

/** Whether nothing uses the process, so that it can be let go. */
export const canSleep = (state: State): boolean =>
  state.process !== undefined &&
  shownState(state) === 'idle' &&
  !state.closing &&
  !state.draining &&
  state.queue.length === 0 &&
  state.calls.length === 0 &&
  state.tasks.length === 0 &&
  state.unsettled.length === 0;

/** Whether the process can be let go although a turn begins: another gets the message. */
export const canYield = (state: State): boolean =>
  state.current?.phase === 'starting' &&
  !state.parked &&
  state.steering.length === 0 &&
  canSleep({ ...state, current: undefined, queue: [] });

/** The turn that the agent works on: a message that it has taken, or a turn of its own. */
export const answered = (state: State): Current | Own | undefined =>
  state.current?.phase === 'taken' ? state.current : state.own;

/** Ids of the turns that run: the agent's own, and that of a message. */
export const runningTurns = ({ own, current }: State): string[] =>
  [own, current].flatMap((running) => (running ? [running.turn.id] : []));

/** The turn that a question belongs to; a subagent in the background belongs to the turn that began it. */
export function turnOf(state: State, agentId: string | null = null): string | null {
  const task = agentId === null ? undefined : state.tasks.find(({ view }) => view.task_id === agentId);
  return task ? task.view.turn_id : ((answered(state) ?? state.current)?.turn.id ?? null);
}
