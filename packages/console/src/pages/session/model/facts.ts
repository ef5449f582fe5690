import type {
  BackgroundTask,
  PermissionMode,
  SessionEvent,
  SessionState,
  Turn,
  UserInput,
} from 'claude-agent-protocol';
import { type AgentFacts, readInit } from './agent-message.ts';

/** A message that waits for its turn. */
export interface QueuedMessage {
  turnId: string;
  message: UserInput;
  at: string;
  /** The running turn that it was given to, which has not taken it yet. */
  steers: string | undefined;
}

export interface RunningTurn {
  id: string;
  startedAt: string;
  /** Its place among the turns that wait for an agent process, 1 for the next; 0 when it has one. */
  position: number;
}

/** What the log says about the session itself. */
export interface SessionFacts {
  state: SessionState;
  model: string | null;
  mode: PermissionMode;
  title: string | null;
  cwd: string | undefined;
}

/** A value that the newest event decides, in whichever order the pages come. */
interface Latest<T> {
  seq: number;
  value: T;
}

const newer = <T>(known: Latest<T> | undefined, seq: number, value: T): Latest<T> =>
  known && known.seq > seq ? known : { seq, value };

/** The session's state, its agent and its background tasks, as the newest of the loaded events have them. */
export function createNews() {
  let session: Latest<SessionFacts> | undefined;
  let agent: Latest<AgentFacts> | undefined;
  let tasks: Latest<readonly BackgroundTask[]> | undefined;
  return {
    session: () => session?.value,
    agent: () => agent?.value,
    tasks: () => tasks?.value,
    take({ seq, type, data }: SessionEvent): void {
      if (type === 'session.created') {
        const { cwd, model, permission_mode: mode, title } = data;
        session = newer(session, seq, { state: 'idle', model, mode, title, cwd });
      } else if (type === 'session.state') {
        const { state, model, permission_mode: mode, title, cwd } = data;
        session = newer(session, seq, { state, model, mode, title, cwd: cwd ?? session?.value.cwd });
      } else if (type === 'session.tasks') {
        tasks = newer(tasks, seq, data.tasks);
      } else if (type === 'agent.message' && data.type === 'system' && data.subtype === 'init') {
        agent = newer(agent, seq, readInit(data));
      }
    },
  };
}

/** What is known of one turn, from its events or from the list of turns. */
export interface TurnFacts {
  id: string;
  message?: UserInput | undefined;
  queuedAt?: string;
  /** It was given to this turn while that ran. */
  steers?: string | undefined;
  /** That turn has taken it. */
  taken?: boolean;
  startedAt?: string | undefined;
  position?: { seq: number; value: number };
  ended?: boolean;
}

/** The turns of a session, in whichever order their events come. */
export function createTurns() {
  const turns = new Map<string, TurnFacts>();
  /** Made once for each change: deltas, of which there are hundreds a second, do not change them. */
  let summary: TurnsSummary | undefined;
  const change = (id: string): TurnFacts => {
    summary = undefined;
    const facts = turns.get(id) ?? { id };
    turns.set(id, facts);
    return facts;
  };
  return {
    /** The facts of a turn, to be changed. */
    change,
    get: (id: string): Readonly<TurnFacts> | undefined => turns.get(id),
    /** A turn of the list: its events may not be loaded. */
    know(turn: Turn): TurnFacts {
      const facts = change(turn.turn_id);
      facts.message ??= turn.message;
      if (facts.queuedAt === undefined) {
        facts.queuedAt = turn.created_at;
        if (turn.steers !== null) facts.steers = turn.steers;
      }
      if (turn.started_at !== null) facts.startedAt ??= turn.started_at;
      if (turn.state === 'steered') facts.taken = true;
      if (turn.ended_at !== null) facts.ended = true;
      return facts;
    },
    summary(): TurnsSummary {
      summary ??= summaryOf([...turns.values()]);
      return summary;
    },
  };
}

export interface TurnsSummary {
  queue: readonly QueuedMessage[];
  running: RunningTurn | undefined;
  /** Turns that are over: a call of theirs without a result never gets one. */
  ended: ReadonlySet<string>;
}

function summaryOf(turns: readonly TurnFacts[]): TurnsSummary {
  const queue: QueuedMessage[] = [];
  let running: TurnFacts | undefined;
  const ended = new Set<string>();
  for (const turn of turns) {
    const { id, message, queuedAt: at, startedAt, taken, steers } = turn;
    if (turn.ended) ended.add(id);
    else if (startedAt !== undefined) {
      if (startedAt >= (running?.startedAt ?? '')) running = turn;
    } else if (message !== undefined && at !== undefined && !taken)
      queue.push({ turnId: id, message, at, steers });
  }
  // What is for the running turn comes before what has a turn of its own.
  const rank = ({ steers, at }: QueuedMessage): string => `${steers === undefined ? 1 : 0}${at}`;
  queue.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  return {
    queue,
    running: running && {
      id: running.id,
      startedAt: running.startedAt ?? '',
      position: running.position?.value ?? 0,
    },
    ended,
  };
}
