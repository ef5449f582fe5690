import type {
  BackgroundTask,
  PendingCall,
  PermissionMode,
  PermissionRequest,
  RewindResult,
  SessionState,
} from 'claude-agent-protocol';
import type { Agent, AgentProcess, Spent } from '../agent/agent.ts';
import { AppError, problem, storageFailed } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import { type Broker, createBroker } from '../permissions/broker.ts';
import { permissionView } from '../permissions/view.ts';
import type { SessionRecord, Store, TurnRecord } from '../store/store.ts';
import { bookings, type Interrupted } from './answer.ts';
import { spentUsd } from './budget.ts';
import { type Calls, createCalls } from './calls.ts';
import { createHearing } from './hearing.ts';
import { createLedger, type Decide } from './ledger.ts';
import type { Policy } from './policy.ts';
import type { Settable } from './resume.ts';
import { createRunning } from './running.ts';
import { createSending, type SendRequest, type Sent } from './sending.ts';
import { createSettings } from './settings.ts';
import {
  answered,
  beginNext,
  cutTurns,
  type Effects,
  endBackground,
  endQueued,
  initialState,
  noteState,
  type SessionDraft,
  type State,
  set,
  settleOver,
  update,
} from './state.ts';
import { createStop } from './stop.ts';
import { readyTranscript } from './transcript.ts';
import { createWaiters } from './waiters.ts';
import { createWarmAgent } from './warm.ts';

/** So long a shutdown waits for a store that fails; what is not written is settled at the next start. */
const LAST_WRITES_MS = 1_500;

/** One session: an actor over the store, with an agent process as its warm cache. */
export interface Session {
  readonly id: string;
  readonly broker: Broker;
  record(): SessionRecord;
  state(): SessionState;
  currentTurnId(): string | null;
  queuedTurns(): number;
  pendingPermissions(): PermissionRequest[];
  /** Hooks and tools of the caller's own that wait for an answer, oldest first. */
  pendingCalls(): PendingCall[];
  /** @throws AppError 404 when no such call waits */
  respond: Calls['respond'];
  /** What the agent does in the background, oldest first. */
  tasks(): BackgroundTask[];
  /** Ends one background task; settles when it does not run any more. @throws AppError 404, 409, 504 */
  stopTask(taskId: string): Promise<void>;
  /** Takes back a message that is still queued. @throws AppError 404, 409 */
  cancel(turnId: string): Promise<TurnRecord>;
  /** Starts the agent process if there is none. @throws AppError 502 with the agent's own words */
  wake(): Promise<AgentProcess>;
  /** Looks whether nobody else has gone on with the conversation. @throws AppError 409, unless forced */
  undivided(force: boolean): Promise<void>;
  /** Asks the agent, and wakes it for that. @throws AppError 504 when it does not answer in time */
  ask<T>(question: (process: AgentProcess) => Promise<T>): Promise<T>;
  /** Accepts a message: when this settles, the turn is durable. */
  send(request: SendRequest): Promise<Sent>;
  /** Settles when the turn has ended, and its end is in the log. */
  ended(turnId: string): Promise<TurnRecord>;
  /** Settles when also the background work of a turn that waits for it is over. */
  settled(turnId: string): Promise<TurnRecord>;
  /** Takes over turns that were queued before this server started: ahead of all that comes now. */
  takeOver(turns: TurnRecord[]): void;
  /** Begins the first queued turn, if none runs. */
  goOn(): void;
  /** Ends the running turn, or all work; settles when that is in the log. */
  interrupt(scope: 'turn' | 'all'): Promise<void>;
  setModel(model: string | null): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  patch(set: { title?: string | null; metadata?: Record<string, unknown> }): Promise<void>;
  /**
   * Sets what a resume asks for: at once, or at the next start of the agent.
   * @throws AppError 409 for what a running agent cannot take, before anything is changed
   */
  change(changes: Partial<Settable>): Promise<void>;
  rewind(messageId: string, dryRun: boolean): Promise<RewindResult>;
  /** Closes for good (until somebody resumes it): settles what waits and ends the process. */
  close(): Promise<void>;
  /** What has happened cannot be written at present. */
  isStuck(): boolean;
  /** Starts no further turn; settles when none runs: the first half of a shutdown. */
  drain(): Promise<void>;
  /**
   * The second half: ends what still runs, and the process. Queued turns stay queued for the next start.
   * @returns whether all of it could be written
   */
  shutdown(): Promise<boolean>;
}

export interface SessionDeps {
  store: Store;
  log: Log;
  agent: Agent;
  policy: Policy;
  defaultModel: string | undefined;
  permissionTimeoutSeconds: number;
  onError(error: unknown, what: string): void;
}

/**
 * Makes the actor of one session. What it is stands in state.ts; ledger.ts takes its decisions one after the other
 * and adopts each only when the store has it. What follows from a decision (the agent is told, somebody who waits
 * is answered) comes after that.
 */
export function createSession(deps: SessionDeps, initial: SessionRecord): Session {
  const { store, log, agent, policy, defaultModel } = deps;
  const { id } = initial;
  const waiters = createWaiters();
  const settling = createWaiters();
  /** Why turns were told to end: an intention, so neither state nor stored. */
  const stops = new Map<string, Interrupted>();
  let stopping = false;
  let closing = false;

  const background = (work: Promise<unknown>, what: string): void => {
    work.catch((error: unknown) => deps.onError(error, what));
  };

  const effects: Effects = {
    run: (turn) => background(run(turn), 'run a turn'),
    expect: (turn) => expect(turn),
    ended(turn) {
      stops.delete(turn.id);
      waiters.resolve(turn);
    },
    settled: (turn) => settling.resolve(turn),
    stopped: (turnId) => stops.get(turnId),
  };

  const ledger = createLedger<State>({
    initial: initialState(initial),
    commit: (changes) => log.write(id, changes),
    complete(draft) {
      settleOver(draft, effects, now());
      noteState(draft, defaultModel);
    },
    onStuck: (error) => deps.onError(error, `store what happened in session ${id}; it is tried again`),
    onError: (error) => deps.onError(error, 'follow up on a decision'),
  });
  const state = ledger.state;

  /** @throws AppError 503 when the store fails */
  const call = async <T>(decide: Decide<State, T>) => {
    try {
      return await ledger.call(decide);
    } catch (error) {
      throw error instanceof AppError ? error : storageFailed(error);
    }
  };
  const fact = (decide: Decide<State>, what: string): void => background(ledger.fact(decide), what);

  const expect = (turn: TurnRecord): void => {
    waiters.expect(turn.id);
    if (turn.waitFor === 'background') settling.expect(turn.id);
  };

  const requireOpen = (): void => {
    if (state().record.status === 'closed' || closing) throw problem('session_closed', { id });
    if (stopping) throw problem('server_stopping', { kept: false });
  };

  const next = (draft: SessionDraft): void => {
    if (draft.state.record.status !== 'closed' && !stopping && !closing) beginNext(draft, effects, now());
  };

  const isRunning = (turnId: string): boolean => {
    const { current, own } = state();
    return current?.turn.id === turnId || own?.turn.id === turnId;
  };

  const broker = createBroker({
    sessionId: id,
    store,
    timeoutSeconds: () => state().record.options.permission_timeout_seconds ?? deps.permissionTimeoutSeconds,
    turnOf: (draft, question) => turnOf((draft as SessionDraft).state, question.agentId),
    isClosed: (draft) => (draft as SessionDraft).state.record.status === 'closed',
    setPending: (draft, pending) => set(draft as SessionDraft, { pending }),
    call,
    fact: (decide) => fact(decide, 'store a permission'),
    onStop({ turnId, toolName }, message) {
      if (turnId === null || !isRunning(turnId) || stops.has(turnId)) return;
      stops.set(turnId, {
        reason: 'denied',
        words: `${toolName} was denied, and the turn ended with it: ${message}`,
      });
    },
  });

  const calls = createCalls({
    sessionId: id,
    state,
    call,
    fact: (decide) => fact(decide, 'store a call'),
  });

  const hearing = createHearing({
    id,
    log,
    agent,
    ledger,
    fact,
    background,
    broker,
    calls,
    effects,
    next,
    defaultModel,
    now,
  });

  const warm = createWarmAgent({
    agent,
    async checkStart() {
      // A process starts with what it was changed to, not with what was before.
      await settings.written();
      await policy.checkStart(state().record);
    },
    options: async () => {
      const { record } = state();
      const { resume, lost } = await readyTranscript({ store, agent }, record);
      if (lost) await ledger.fact((draft) => hearing.noteLost(draft, lost.restored));
      return {
        sessionId: id,
        conversationId: record.conversationId,
        cwd: record.cwd,
        model: record.model ?? defaultModel,
        permissionMode: record.permissionMode,
        title: record.title,
        options: record.options,
        spentUsd: record.options.max_budget_usd === undefined ? 0 : await spentUsd(store, id),
        resume,
      };
    },
    events: hearing.events,
    // A turn that runs may still get its process while the server waits for it to end.
    checkAllowed: () => state().current || requireOpen(),
    onStart: () => fact((draft) => set(draft, { live: true }), 'note the new state'),
  });

  const settings = createSettings({
    agent,
    policy,
    ledger,
    call,
    warm,
    defaultModel,
    requireOpen,
    background,
  });

  const run = createRunning({ store, ledger, warm, effects, stops, next, background, now });

  const sending = createSending({
    id,
    store,
    agent,
    policy,
    ledger,
    call,
    warm,
    effects,
    next,
    makeWay: () => background(stop.turn(), 'interrupt for a new message'),
    requireOpen,
    now,
  });

  // ---- ends

  /** What the model calls of a turn that is cut have used: booked with its end, or on its own if that fails. */
  const withCut = async <T>(end: (cut: Spent | undefined) => Promise<T>): Promise<T> => {
    const cut = await warm.live()?.cut();
    try {
      return await end(cut);
    } catch (error) {
      fact((draft) => draft.write(...bookings(id, cut)), 'book what a turn has used');
      throw error;
    }
  };

  const stop = createStop({ ledger, call, withCut, warm, waiters, broker, calls, stops, effects, next, now });

  const closeAll = (draft: SessionDraft, cut: Spent | undefined): void => {
    if (draft.state.record.status === 'closed') return;
    const at = now();
    const interrupted: Interrupted = { reason: 'session_closed' };
    broker.settleAll(draft, 'session_closed');
    calls.settleAll(draft, 'session_closed');
    cutTurns(draft, effects, { error: null, interrupted, cut }, at);
    for (const turn of draft.state.queue) endQueued(draft, effects, turn, interrupted, at);
    endBackground(draft, effects, { code: 'session_closed', message: 'The session was closed.' }, at);
    update(draft, { status: 'closed', lastActivity: at });
    noteState(draft, defaultModel);
    draft.write(event(id, 'session.closed', {}, null, at));
  };

  return {
    id,
    broker,
    record: () => state().record,
    state: () => state().shown,
    currentTurnId: () => (state().current ?? state().own)?.turn.id ?? null,
    queuedTurns: () => state().queue.length,
    pendingCalls: () => [...state().calls],
    respond: calls.respond,
    pendingPermissions: () => state().pending.map(permissionView),
    tasks: () => state().tasks.map(({ view }) => view),
    wake: warm.wake,
    undivided: sending.undivided,
    ask: warm.ask,
    send: sending.send,
    interrupt: (scope) => (scope === 'all' ? stop.all() : stop.turn()),
    isStuck: ledger.isStuck,

    async close() {
      closing = true;
      try {
        await withCut((cut) => call((draft) => closeAll(draft, cut)));
      } finally {
        closing = false;
      }
      await warm.end();
    },

    async stopTask(taskId) {
      if (!state().tasks.some(({ view }) => view.task_id === taskId)) {
        throw problem('task_not_found', { sessionId: id, id: taskId });
      }
      await warm.tell((process) => process.stopTask(taskId));
      // The list without it came before the agent's answer; it may still be on its way into the store.
      await ledger.settled();
    },

    async cancel(turnId) {
      const taken = await call((draft) => {
        const queued = draft.state.queue.find((turn) => turn.id === turnId);
        return queued && endQueued(draft, effects, queued, { reason: 'cancelled' }, now());
      });
      if (taken.ok && taken.value) return taken.value;
      const turn = await store.getTurn(id, turnId);
      if (!turn) throw problem('turn_not_found', { sessionId: id, id: turnId });
      throw problem('turn_not_queued', { sessionId: id, ended: turn.endedAt !== null });
    },

    async ended(turnId) {
      const waiting = waiters.ended(turnId);
      if (waiting) return waiting;
      const turn = await store.getTurn(id, turnId);
      if (turn?.result) return turn;
      throw problem('turn_not_found', { sessionId: id, id: turnId });
    },

    async settled(turnId) {
      const waiting = settling.ended(turnId);
      if (waiting) return waiting;
      const turn = await store.getTurn(id, turnId);
      if (turn?.settledAt) return turn;
      throw problem('turn_not_found', { sessionId: id, id: turnId });
    },

    takeOver(turns) {
      for (const turn of turns) expect(turn);
      // The newest of those that were sent to interrupt comes first, as it would have without the restart.
      const urgent = turns.filter((turn) => turn.urgent).reverse();
      const queue = [...urgent, ...turns.filter((turn) => !turn.urgent)];
      fact((draft) => set(draft, { queue: [...queue, ...draft.state.queue] }), 'take over queued turns');
    },

    goOn: () => fact(next, 'go on with queued turns'),

    setModel: settings.setModel,
    setPermissionMode: settings.setPermissionMode,
    patch: settings.patch,
    change: settings.change,

    async rewind(messageId, dryRun) {
      requireOpen();
      if (state().current || state().own) {
        throw problem('session_busy', { rewinding: true });
      }
      const result = await warm.ask((process) => process.rewindFiles(messageId, dryRun));
      if (result.can_rewind) return result;
      const [begin, conversations] = [await store.turnStart(messageId), await store.conversations(id)];
      if (begin === undefined || begin > (conversations.at(-1)?.afterSeq ?? 0)) return result;
      const words =
        'The message belongs to an earlier conversation of this session (before /clear, say). Files go back only to messages of the present one.';
      return { ...result, error: words };
    },

    async drain() {
      stopping = true;
      const { current, own } = state();
      await Promise.all([current, own].map((each) => each && waiters.over(each.turn.id)));
    },

    async shutdown() {
      stopping = true;
      const interrupted: Interrupted = { reason: 'server_shutdown' };
      const words = 'The server was shut down while the agent worked in the background.';
      const cut = await warm.live()?.cut();
      fact((draft) => {
        if (draft.state.record.status === 'closed') return;
        broker.settleAll(draft, 'server_shutdown');
        calls.settleAll(draft, 'server_shutdown');
        cutTurns(draft, effects, { error: null, interrupted, cut }, now());
        endBackground(draft, effects, { code: 'server_shutdown', message: words }, now());
      }, 'settle what runs');
      await warm.end();
      hearing.end();
      const written = await ledger.writtenWithin(LAST_WRITES_MS);
      const reason = problem('server_stopping', { kept: true });
      waiters.rejectAll(reason);
      settling.rejectAll(reason);
      return written;
    },
  };
}

const now = (): string => new Date().toISOString();

/** A subagent in the background belongs to the turn that began it, whatever runs now. */
function turnOf(state: State, agentId: string | null): string | null {
  const task = state.tasks.find(({ view }) => view.task_id === agentId);
  return task ? task.view.turn_id : ((answered(state) ?? state.current)?.turn.id ?? null);
}
