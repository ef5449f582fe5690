import type {
  AnswerItem,
  BackgroundTask,
  PendingCall,
  PermissionMode,
  SessionState,
  TurnError,
} from 'claude-agent-protocol';
import type { Spent, TurnEnd } from '../agent/agent.ts';
import { event } from '../events/log.ts';
import type { PermissionRecord, SessionRecord, TurnRecord } from '../store/store.ts';
import { answerItems, bookings, endTurn, type Interrupted } from './answer.ts';
import type { Draft } from './ledger.ts';
import { stateEvent } from './views.ts';

/** The turn of a message that runs. */
export interface Current {
  turn: TurnRecord;
  messages: readonly AnswerItem[];
  /** The agent has the message. */
  sent: boolean;
  /** The agent works on the message: what it says belongs to the answer. */
  taken: boolean;
}

/** A turn that the agent began by itself. */
export interface Own {
  turn: TurnRecord;
  messages: readonly AnswerItem[];
  /** Turns whose background work it reports on. */
  roots: readonly string[];
}

/** A background task, and the turns that began it: directly, or as the work of a turn of the agent's own. */
export interface Task {
  view: BackgroundTask;
  roots: readonly string[];
}

/** Tasks that ended and that the agent has not reported on yet. */
export interface News {
  roots: readonly string[];
  /** What is to be reported, in sentences. */
  words: readonly string[];
}

/**
 * All that a session is. Replaced as a whole, and only by what is committed.
 *
 *   asleep ──wake──▶ idle ──message──▶ running ──end──▶ idle, or background while tasks run
 *     ▲                ▲                  │ ▲                 │
 *     └──process ends──┘                  ▼ │answer           │ a task ends: the agent reports in a turn
 *                                       waiting               ▼ of its own
 *   closed ◀──close── any                                  running
 */
export interface State {
  record: SessionRecord;
  /** There is an agent process. */
  live: boolean;
  current: Current | undefined;
  own: Own | undefined;
  /** In the order in which they will run. */
  queue: readonly TurnRecord[];
  /** Permission requests that wait, oldest first. */
  pending: readonly PermissionRecord[];
  /** Hooks and tools of the caller's own that wait for an answer. */
  calls: readonly PendingCall[];
  tasks: readonly Task[];
  news: News | undefined;
  /** Turns that are over and wait for their background work. */
  unsettled: readonly TurnRecord[];
  /** What the log says last that the session is doing. */
  shown: SessionState;
}

export type SessionDraft = Draft<State>;

export const initialState = (record: SessionRecord): State => ({
  record,
  live: false,
  current: undefined,
  own: undefined,
  queue: [],
  pending: [],
  calls: [],
  tasks: [],
  news: undefined,
  unsettled: [],
  shown: record.status === 'closed' ? 'closed' : 'asleep',
});

function shownState(state: State): SessionState {
  if (state.record.status === 'closed') return 'closed';
  if (state.pending.length > 0) return 'waiting';
  if (state.current || state.own) return 'running';
  if (state.news || state.tasks.some(({ view }) => !view.ambient)) return 'background';
  return state.live ? 'idle' : 'asleep';
}

/** The turn that the agent works on; it may be busy with something of its own. */
export const answered = (state: State): Current | Own | undefined =>
  state.current?.taken ? state.current : state.own;

export function update(draft: SessionDraft, set: Partial<SessionRecord>): void {
  draft.state = { ...draft.state, record: { ...draft.state.record, ...set } };
  draft.write({ kind: 'update-session', id: draft.state.record.id, set });
}

/** Sets what only memory holds. */
export function set(draft: SessionDraft, changed: Partial<State>): void {
  draft.state = { ...draft.state, ...changed };
}

/** Tells what the session does now, if it is something else than before. */
export function noteState(draft: SessionDraft, defaultModel: string | undefined): void {
  const shown = shownState(draft.state);
  if (shown === draft.state.shown) return;
  set(draft, { shown });
  draft.write(stateEvent(draft.state.record, shown, defaultModel));
}

/** Notes another permission mode, and tells of it. */
export function noteMode(
  draft: SessionDraft,
  permissionMode: PermissionMode,
  defaultModel: string | undefined,
): void {
  const { record, shown } = draft.state;
  if (permissionMode === record.permissionMode || record.status === 'closed') return;
  update(draft, { permissionMode });
  draft.write(stateEvent(draft.state.record, shown, defaultModel));
}

/** What a session does besides its own state. */
export interface Effects {
  /** Starts the work on the current turn. */
  run(turn: TurnRecord): void;
  expect(turn: TurnRecord): void;
  ended(turn: TurnRecord): void;
  settled(turn: TurnRecord): void;
  /** Why a turn was told to end, if it was. */
  stopped(turnId: string): Interrupted | undefined;
}

/** Makes a turn, whose row says that it runs, the current one. */
export function begin(draft: SessionDraft, effects: Effects, turn: TurnRecord): void {
  set(draft, { current: { turn, messages: [], sent: false, taken: false } });
  draft.write(event(turn.sessionId, 'turn.started', { initiator: turn.initiator }, turn.id));
  draft.after(() => effects.run(turn));
}

/** Makes the first queued turn the current one, if nothing else runs. */
export function beginNext(draft: SessionDraft, effects: Effects, now: string): void {
  const { current, own, queue } = draft.state;
  const [first, ...rest] = queue;
  if (current || own || !first) return;
  const turn: TurnRecord = { ...first, state: 'running', startedAt: now };
  set(draft, { queue: rest });
  draft.write({
    kind: 'update-turn',
    id: turn.id,
    from: ['queued'],
    set: { state: 'running', startedAt: now },
  });
  begin(draft, effects, turn);
}

/** Begins a turn of the agent's own: the report on its background tasks, mostly. */
export function beginOwn(draft: SessionDraft, effects: Effects, turnId: string, now: string): void {
  const { record, news } = draft.state;
  const turn: TurnRecord = {
    id: turnId,
    sessionId: record.id,
    state: 'running',
    initiator: 'agent',
    input: news?.words.length ? news.words.join('\n') : 'The agent began this turn by itself.',
    idempotencyKey: null,
    inputHash: '',
    waitFor: 'turn',
    urgent: false,
    createdAt: now,
    startedAt: now,
    endedAt: null,
    settledAt: null,
    result: null,
  };
  // The news are in this turn's hands now; that there were some is known until the agent is idle.
  set(draft, {
    own: { turn, messages: [], roots: news?.roots ?? [] },
    news: news && { roots: [], words: [] },
  });
  draft.write(
    { kind: 'insert-turn', turn },
    event(turn.sessionId, 'turn.started', { initiator: 'agent', message: turn.input }, turn.id, now),
  );
  draft.after(() => effects.expect(turn));
}

/** How a turn ends, when it is not by its own result. */
export interface How {
  end?: TurnEnd | undefined;
  /** Without the agent's own word: what model calls have used until then. */
  cut?: Spent | undefined;
  /** The agent never had the message. */
  unsent?: boolean | undefined;
  error: TurnError | null;
  interrupted?: Interrupted | undefined;
}

/** Ends the current turn. */
export function endCurrent(draft: SessionDraft, effects: Effects, how: How, now: string): void {
  const { current } = draft.state;
  if (!current) return;
  const { turn, messages } = current;
  const interrupted = how.interrupted ?? effects.stopped(turn.id);
  const { ended, changes } = endTurn(turn, { ...how, interrupted, messages: [...messages] }, now);
  set(draft, { current: undefined });
  draft.write(...changes);
  update(draft, { lastActivity: now });
  draft.after(() => effects.ended(ended));
  afterEnd(draft, effects, ended, now);
}

/** Ends whatever runs (and fits) without the agent's own word; what was spent is booked in any case. */
export function cutTurns(
  draft: SessionDraft,
  effects: Effects,
  { cut, ...how }: How,
  now: string,
  fits: (running: Current | Own) => boolean = () => true,
): void {
  const { current, own } = draft.state;
  const endsOwn = own !== undefined && fits(own);
  const ends = current !== undefined && fits(current);
  if (endsOwn) endOwn(draft, effects, { ...how, cut }, now);
  if (ends) endCurrent(draft, effects, endsOwn ? how : { ...how, cut }, now);
  if (!endsOwn && !ends) draft.write(...bookings(draft.state.record.id, cut));
}

/** Ends a turn that never began. */
export function endQueued(
  draft: SessionDraft,
  effects: Effects,
  turn: TurnRecord,
  interrupted: Interrupted,
  now: string,
): TurnRecord {
  const { ended, changes } = endTurn(turn, { messages: [], error: null, interrupted }, now);
  set(draft, { queue: draft.state.queue.filter(({ id }) => id !== turn.id) });
  draft.write(...changes);
  draft.after(() => effects.ended(ended));
  afterEnd(draft, effects, ended, now);
  return ended;
}

/** A turn that did not end well waits for nothing further. */
function afterEnd(draft: SessionDraft, effects: Effects, ended: TurnRecord, now: string): void {
  if (ended.waitFor !== 'background') return;
  if (ended.state === 'completed') set(draft, { unsettled: [...draft.state.unsettled, ended] });
  else settle(draft, effects, ended, null, now);
}

/** Ends the agent's own turn; what it said is also an answer to the turns whose background work it was. */
export function endOwn(draft: SessionDraft, effects: Effects, how: How, now: string): void {
  const { own } = draft.state;
  if (!own) return;
  const { turn, messages, roots } = own;
  const interrupted = how.interrupted ?? effects.stopped(turn.id);
  const { ended, changes } = endTurn(turn, { ...how, interrupted, messages: [...messages] }, now);
  draft.write(...changes);
  const unsettled = draft.state.unsettled.map((waiting) => {
    if (!waiting.result || !ended.result || !roots.includes(waiting.id)) return waiting;
    const result = {
      ...waiting.result,
      messages: [...waiting.result.messages, ...messages],
      cost_usd: waiting.result.cost_usd + ended.result.cost_usd,
      num_turns: waiting.result.num_turns + ended.result.num_turns,
      duration_ms: Math.max(0, Date.parse(now) - Date.parse(waiting.startedAt ?? now)),
    };
    draft.write({ kind: 'update-turn', id: waiting.id, from: [waiting.state], set: { result } });
    return { ...waiting, result };
  });
  set(draft, { own: undefined, unsettled });
  update(draft, { lastActivity: now });
  draft.after(() => effects.ended(ended));
}

/** The background work of a turn is over, or given up (`error`). */
export function settle(
  draft: SessionDraft,
  effects: Effects,
  turn: TurnRecord,
  error: TurnError | null,
  now: string,
): void {
  const { settled, changes } = settleTurn(turn, error, now);
  set(draft, { unsettled: draft.state.unsettled.filter(({ id }) => id !== turn.id) });
  draft.write(...changes);
  draft.after(() => effects.settled(settled));
}

/** The turn with its background work over, and what has to be written for that. */
export function settleTurn(turn: TurnRecord, error: TurnError | null, settledAt: string) {
  const { result } = turn;
  const whole = result && error ? { ...result, is_error: true, error } : result;
  return {
    settled: { ...turn, settledAt, result: whole },
    changes: [
      { kind: 'update-turn' as const, id: turn.id, from: [turn.state], set: { settledAt, result: whole } },
      ...(whole ? [event(turn.sessionId, 'turn.settled', { result: whole }, turn.id, settledAt)] : []),
    ],
  };
}

/** Settles every turn whose background work is over. */
export function settleOver(draft: SessionDraft, effects: Effects, now: string): void {
  for (const turn of draft.state.unsettled) {
    const { tasks, own, news } = draft.state;
    const isMine = (roots: readonly string[]): boolean => roots.includes(turn.id);
    const goesOn =
      tasks.some(({ view, roots }) => !view.ambient && isMine(roots)) ||
      (own && isMine(own.roots)) ||
      (news && isMine(news.roots));
    if (!goesOn) settle(draft, effects, turn, null, now);
  }
}

/** Everything that the agent did in the background is gone with its process. */
export function endBackground(
  draft: SessionDraft,
  effects: Effects,
  error: TurnError | null,
  now: string,
): void {
  if (draft.state.tasks.length > 0) {
    draft.write(event(draft.state.record.id, 'session.tasks', { tasks: [] }, null, now));
  }
  set(draft, { tasks: [], news: undefined });
  for (const turn of draft.state.unsettled) settle(draft, effects, turn, error, now);
}

/** What the agent said, in the place where it belongs. */
export function addAnswer(draft: SessionDraft, message: Parameters<typeof answerItems>[0]): void {
  const items = answerItems(message);
  if (items.length === 0) return;
  const { current, own } = draft.state;
  if (current?.taken) set(draft, { current: { ...current, messages: [...current.messages, ...items] } });
  else if (own) set(draft, { own: { ...own, messages: [...own.messages, ...items] } });
}
