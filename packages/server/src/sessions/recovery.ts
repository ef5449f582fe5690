import { randomUUID } from 'node:crypto';
import type { AnswerItem } from 'claude-agent-protocol';
import type { Agent, AgentMessage, Spent, TranscriptMessage } from '../agent/agent.ts';
import type { Tally } from '../agent/tally.ts';
import type { Ownership } from '../cluster/ownership.ts';
import { event, type Log } from '../events/log.ts';
import { dataOf, isEvent } from '../events/stored.ts';
import type {
  CallRecord,
  PermissionRecord,
  SessionRecord,
  Store,
  StoredEvent,
  TurnRecord,
} from '../store/store.ts';
import { resolveCall } from './machine/permissions.ts';
import { initialState, type State } from './machine/state.ts';
import { answerItems } from './machine/turn-end.ts';
import { decide } from './machine.ts';
import type { RestoredTurn } from './parked.ts';

export interface RecoveryDeps {
  store: Store;
  log: Log;
  agent: Pick<Agent, 'parkable' | 'taken'>;
  ownership: Pick<Ownership, 'isShared'>;
  defaultModel: string | undefined;
  /** Counts the usage that a session's agent reported; undefined where the gateway has booked it. */
  tally(session: SessionRecord): Tally | undefined;
}

/** The open parts of a session that a dead server left. */
interface Open {
  running: TurnRecord[];
  /** Messages for a running turn that the agent had not taken. */
  steering: TurnRecord[];
  /** Messages behind it. */
  queued: TurnRecord[];
  unsettled: TurnRecord[];
  pending: PermissionRecord[];
  calls: CallRecord[];
  hadTasks: boolean;
}

/**
 * Settles everything that a dead server left open, before the first request: in all sessions, or in these, which have
 * no actor. A running turn is interrupted and does not run again by itself (it may have changed files). A pending
 * permission expires, unless it is durable: then its turn goes on waiting. Calls of hooks and custom tools are
 * resolved without an answer. Queued turns stay queued.
 * @returns the turns that go on waiting, by session
 */
export async function settleOrphans(
  deps: RecoveryDeps,
  sessionIds?: readonly string[],
): Promise<Map<string, RestoredTurn>> {
  const { store, log, defaultModel, tally } = deps;
  const at = new Date().toISOString();
  const found = await findOpen(store, sessionIds);
  const records = await store.getSessions([...found.keys()]);
  const waiting = new Map<string, RestoredTurn>();
  for (const [sessionId, open] of found) {
    const record = records.get(sessionId);
    if (!record) continue;
    const begun = open.running.length === 0 && (await beginTaken(deps, record, open, at));
    if (!begun && isQueueOnly(open)) continue;
    // No process waits for these any more, whatever becomes of their turn.
    const unanswered = open.calls.flatMap((call) => resolveCall(call, 'server_restarted', at));
    if (unanswered.length > 0) await log.write(sessionId, unanswered);
    const calls = open.running.length > 0 ? tally(record) : undefined;
    const { state, thread, parkedBy, leftWith } = await restore(
      store,
      initialState(record, defaultModel),
      open,
      calls,
    );
    const still = parkedBy !== undefined && (await stillParked(store, state, parkedBy));
    if (still) {
      waiting.set(sessionId, still);
      continue;
    }
    const cut: Spent | undefined = calls && { spent: await calls.take(), isBooked: false };
    const { hadTasks, pending } = open;
    const parks = !hadTasks && deps.agent.parkable(pending[0]?.toolUseId ?? '', thread);
    const taken = open.running.length > 0 ? await takenBy(deps.agent, record, open) : [];
    const after = decide(state, {
      kind: 'server-restarted',
      cut,
      hadTasks,
      parks,
      taken,
      // Here the transcript may end long before the agent did.
      unknown: deps.ownership.isShared
        ? handed(state, open, leftWith).filter((message) => !taken.includes(message))
        : [],
      continueAs: randomUUID(),
      at,
    });
    await log.write(sessionId, after.changes);
    const { current, parked } = after.state;
    if (current) waiting.set(sessionId, { current, parked, pending: after.state.pending });
  }
  return waiting;
}

const isQueueOnly = ({ queued, hadTasks, ...others }: Open): boolean =>
  queued.length > 0 && !hadTasks && Object.values(others).every((list) => list.length === 0);

/**
 * A message that the turn before left in the agent's queue: the agent may have begun it when its server died or shut down,
 * before that began the turn. It would not answer the same message again. @returns whether it is so
 */
async function beginTaken(
  deps: RecoveryDeps,
  record: SessionRecord,
  open: Open,
  at: string,
): Promise<boolean> {
  const [first] = await takenBy(deps.agent, record, open);
  if (!first) return false;
  const { id, sessionId, initiator } = first;
  const set = { state: 'running', startedAt: first.startedAt ?? at } as const;
  const began = first.startedAt === null ? [event(sessionId, 'turn.started', { initiator }, id, at)] : [];
  await deps.log.write(sessionId, [{ kind: 'update-turn', sessionId, id, from: ['queued'], set }, ...began]);
  open.running.push({ ...first, ...set });
  open.queued = open.queued.filter((turn) => turn.id !== id);
  return true;
}

/** Queued messages that the agent had taken, which the dead server did not write down. */
async function takenBy(
  agent: RecoveryDeps['agent'],
  { conversationId }: SessionRecord,
  { steering, queued }: Open,
): Promise<TurnRecord[]> {
  const waiting = [...steering, ...queued];
  if (waiting.length === 0) return [];
  const taken = await agent.taken(
    conversationId,
    waiting.map(({ id }) => id),
  );
  return waiting.filter(({ id }) => taken.includes(id));
}

/** Messages that the agent of the running turn had in a queue of its own, from which it may have taken them. */
function handed(
  { current, own }: State,
  { steering, queued }: Open,
  leftWith: readonly string[],
): TurnRecord[] {
  const begun = [own, current?.phase === 'starting' ? undefined : current].map((running) => running?.turn.id);
  return [
    ...steering.filter(({ steers }) => steers !== null && begun.includes(steers)),
    ...queued.filter(({ id }) => leftWith.includes(id)),
  ];
}

/** A turn that was parked before the server ended: its request waits, or is answered and no process was told yet. */
async function stillParked(
  store: Store,
  { current, pending, record }: State,
  requestId: string,
): Promise<RestoredTurn | undefined> {
  const request = await store.getPermission(record.id, requestId);
  if (!current || !request || request.toolUseId === null) return undefined;
  if (request.state !== 'pending' && !request.decision) return undefined;
  const { toolUseId, decision } = request;
  const parked = {
    turnId: current.turn.id,
    requestId,
    toolUseId,
    decision: decision ?? undefined,
    process: undefined,
    starts: 0,
  };
  return { current, parked, pending };
}

async function findOpen(store: Store, sessionIds?: readonly string[]): Promise<Map<string, Open>> {
  const found = new Map<string, Open>();
  const of = (sessionId: string): Open => {
    const open = found.get(sessionId) ?? {
      running: [],
      steering: [],
      queued: [],
      unsettled: [],
      pending: [],
      calls: [],
      hadTasks: false,
    };
    found.set(sessionId, open);
    return open;
  };
  const { calls, pending, running, queued, unsettled, withTasks } = await store.openWork(sessionIds);
  for (const call of calls) of(call.sessionId).calls.push(call);
  for (const request of pending) of(request.sessionId).pending.push(request);
  for (const turn of running) of(turn.sessionId).running.push(turn);
  for (const turn of queued) of(turn.sessionId)[turn.steers === null ? 'queued' : 'steering'].push(turn);
  for (const turn of unsettled) of(turn.sessionId).unsettled.push(turn);
  for (const sessionId of withTasks) of(sessionId).hadTasks = true;
  return found;
}

/** What a turn had come to, by the log. */
interface Restored {
  state: State;
  /** What was said on the main thread of a message's turn. */
  thread: Pick<TranscriptMessage, 'type' | 'message'>[];
  /** The request that it waits for without a process since before the server ended. */
  parkedBy: string | undefined;
  /** Messages that the turn before left in the agent's queue together with this one. */
  leftWith: readonly string[];
}

/** The session as the dead server had it, as far as it was written. */
async function restore(
  store: Store,
  empty: State,
  { running, steering, unsettled, pending }: Open,
  calls: Tally | undefined,
): Promise<Restored> {
  const find = async (initiator: TurnRecord['initiator']) => {
    const turn = running.find((each) => each.initiator === initiator);
    return turn && { turn, ...(await scan(store, turn, calls)) };
  };
  const current = await find('user');
  const own = await find('agent');
  return {
    thread: current?.thread ?? [],
    parkedBy: current?.parkedBy,
    leftWith: current ? await stillAtAgent(store, current) : [],
    state: {
      ...empty,
      steering,
      unsettled,
      pending,
      // Of the process itself nothing is left; what it was doing is.
      process: 0,
      shown: pending.length > 0 ? 'waiting' : 'running',
      current: current && {
        turn: current.turn,
        messages: current.messages,
        stop: undefined,
        phase: current.waits ? 'starting' : 'taken',
        waits: current.waits,
        parkedCostUsd: current.parkedCostUsd,
      },
      own: own && { turn: own.turn, messages: own.messages, stop: undefined, roots: [] },
    },
  };
}

interface Scan {
  messages: AnswerItem[];
  thread: Restored['thread'];
  parkedBy: string | undefined;
  parkedCostUsd: number;
  /** It waited for a process, and the agent did not have its message. */
  waits: boolean;
  /** The turn that it was given to first, and that ended without it. */
  leftBy: string | undefined;
  /** What that turn ended without besides: it stands right behind it in the log, written together with its start. */
  leftWith: string[];
  started: boolean;
}

/**
 * A turn that ended with its agent leaves what it was given at that agent, which begins all of it together. One that ended
 * otherwise leaves ordinary messages.
 */
async function stillAtAgent(
  store: Store,
  { turn, leftBy, leftWith }: Scan & { turn: TurnRecord },
): Promise<readonly string[]> {
  if (leftBy === undefined || leftWith.length === 0) return [];
  const { state, result } = (await store.getTurn(turn.sessionId, leftBy)) ?? {};
  const code = result?.error?.code;
  const byAgent = state === 'completed' || (result?.num_turns ?? 0) > 0;
  return byAgent || code === 'interrupted' || code === 'denied' ? leftWith : [];
}

/** Reads a turn from the log; its model calls are counted on the way, but for those that were booked when it parked. */
async function scan(store: Store, turn: TurnRecord, calls: Tally | undefined): Promise<Scan> {
  const found: Scan = {
    messages: [],
    thread: [{ type: 'user', message: { content: turn.input } }],
    parkedBy: undefined,
    parkedCostUsd: 0,
    waits: false,
    leftBy: undefined,
    leftWith: [],
    started: false,
  };
  const start = await store.turnStart(turn.sessionId, turn.id);
  let after = start === undefined ? Number.MAX_SAFE_INTEGER : start - 1;
  for (;;) {
    const page = await store.readEvents(turn.sessionId, after, 500);
    for (const stored of page) {
      if (!found.started) noteQueued(found, stored, turn.id);
      if (stored.turnId === turn.id) note(found, stored, calls);
    }
    const last = page.at(-1);
    if (!last || page.length < 500) return found;
    after = last.seq;
  }
}

function noteQueued(found: Scan, stored: StoredEvent, turnId: string): void {
  if (!isEvent(stored, 'turn.queued')) {
    found.started ||= stored.turnId === turnId && stored.type === 'turn.started';
    return;
  }
  const { steered } = dataOf(stored);
  if (stored.turnId === turnId) found.leftBy = steered;
  else if (steered !== undefined && steered === found.leftBy && stored.turnId !== null)
    found.leftWith.push(stored.turnId);
}

function note(found: Scan, stored: StoredEvent, calls: Tally | undefined): void {
  if (isEvent(stored, 'agent.message')) {
    const message = dataOf(stored);
    calls?.add(message);
    found.messages.push(...answerItems(message));
    if (isOfThread(message)) found.thread.push({ type: message.type, message: message.message });
  } else if (isEvent(stored, 'turn.parked')) {
    const { request_id, cost_usd } = dataOf(stored);
    found.parkedBy = request_id;
    found.parkedCostUsd += cost_usd;
    calls?.clear();
  } else if (isEvent(stored, 'turn.continued')) {
    found.parkedCostUsd += dataOf(stored).cost_usd;
    calls?.clear();
  } else if (isEvent(stored, 'turn.resumed')) {
    found.parkedBy = undefined;
  } else if (isEvent(stored, 'turn.waiting')) {
    // A parked turn has begun already.
    found.waits = !found.parkedBy && dataOf(stored).position > 0;
  }
}

const isOfThread = (message: AgentMessage): message is AgentMessage & { type: 'user' | 'assistant' } =>
  (message.type === 'user' || message.type === 'assistant') && message.parent_tool_use_id === null;
