import type {
  BackgroundTask,
  InterruptScope,
  PendingCall,
  PermissionMode,
  PermissionRequest,
  RewindResult,
  SessionState,
} from 'claude-agent-protocol';
import type { Agent, AgentProcess, Spent } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { Log } from '../events/log.ts';
import { type Broker, createBroker } from '../permissions/broker.ts';
import { permissionView } from '../permissions/view.ts';
import type { SessionRecord, Store, TurnRecord } from '../store/store.ts';
import { createAgentListener } from './agent-events.ts';
import { createBackgroundWork } from './background-work.ts';
import type { PostCallback } from './callback-url.ts';
import { type Calls, createCalls } from './calls.ts';
import { createCancel } from './cancel.ts';
import { createInterrupt } from './interrupt.ts';
import { createLeaving, type Leaving } from './leaving.ts';
import type { Effect, EffectOf } from './machine/commands.ts';
import { continuedTurn } from './machine/continuing.ts';
import { isAtRest, isClosed, turnOf } from './machine/state.ts';
import { parkedSaid, type RestoredTurn } from './parked.ts';
import type { Permits } from './permits.ts';
import type { Policy } from './policy.ts';
import { createProcessHandle } from './process.ts';
import type { Settable } from './resume.ts';
import { createRewind } from './rewind.ts';
import { parkTurn, resumeParked, runTurn, startAgent } from './run-turn.ts';
import { createSending, type SendingDeps, type SendRequest, type Sent } from './send.ts';
import { createSessionActor } from './session-actor.ts';
import { createSettings } from './settings.ts';
import { createSleep } from './sleep.ts';
import { readyTranscript } from './transcript.ts';
import { awaitTurn, createWaiters, hasEnded } from './waiters.ts';

/** One session: an actor over the store, with an agent process as its cache. */
export interface Session extends Leaving {
  readonly id: string;
  readonly broker: Broker;
  record(): SessionRecord;
  state(): SessionState;
  currentTurnId(): string | null;
  queuedTurns(): number;
  /** Its turn waits for the permit of a process. */
  needsPermit(): boolean;
  pendingPermissions(): PermissionRequest[];
  /** Calls of the caller's hooks and tools that wait for an answer, oldest first. */
  pendingCalls(): PendingCall[];
  /** @throws AppError 404 when no such call waits */
  respond: Calls['respond'];
  /** What the agent does in the background, oldest first. */
  tasks(): BackgroundTask[];
  /** Ends one background task; settles when it has stopped. @throws AppError 404, 409, 504 */
  stopTask(taskId: string): Promise<void>;
  /** Takes back a message that is still queued. @throws AppError 404, 409 */
  cancel(turnId: string): Promise<TurnRecord>;
  /** Starts the agent process if there is none. @throws AppError 502 with the agent's own words */
  wake(): Promise<void>;
  /** Checks that no other program has continued the conversation. @throws AppError 409, unless forced */
  checkDivergence(force: boolean): Promise<void>;
  /** Asks the agent, starting it if necessary. @throws AppError 504 when it does not answer in time */
  ask<T>(question: (process: AgentProcess) => Promise<T>): Promise<T>;
  /** Accepts a message: when this settles, the turn is durable. */
  send(request: SendRequest): Promise<Sent>;
  /** Settles when the turn has ended, and its end is in the log. */
  ended(turnId: string): Promise<TurnRecord>;
  /** Settles when the turn's background work is over too. */
  settled(turnId: string): Promise<TurnRecord>;
  /** Takes over turns that were queued before this server started; they go ahead of new ones. */
  takeOver(turns: TurnRecord[]): void;
  /** Takes over a turn that outlived the server before: it waits for a permission, or goes on. */
  restoreTurn(turn: RestoredTurn): void;
  /** Begins the first queued turn, if none runs, and goes on with a parked one that has its answer. */
  resumeQueue(): void;
  /** Ends the running turn, or all work; settles when the end is in the log. */
  interrupt(scope: InterruptScope): Promise<void>;
  setModel(model: string | null): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  patch(set: { title?: string | null; metadata?: Record<string, unknown> }): Promise<void>;
  /**
   * Applies the settings of a resume: at once, or at the agent's next start.
   * @throws AppError 409 for settings that a running agent cannot take; nothing has changed then
   */
  change(changes: Partial<Settable>): Promise<void>;
  rewind(messageId: string, dryRun: boolean): Promise<RewindResult>;
  /** Closes the session (until it is resumed): settles everything open and ends the process. */
  close(): Promise<void>;
  /** Something that happened cannot be written at the moment. */
  isStuck(): boolean;
  /** The store has all there is of it, and nothing is under way: another that is made of its record is the same. */
  isAtRest(): boolean;
  /** Ends its timers: it is not needed at the moment. */
  rest(): void;
}

export interface SessionDeps {
  /** Asks the hooks and tools of callers at their addresses. */
  postCallback: PostCallback;
  store: Store;
  log: Log;
  agent: Agent;
  policy: Policy;
  defaultModel: string | undefined;
  permissionTimeoutSeconds: number;
  /** So long does a process wait for a durable permission. */
  parkAfterSeconds: number;
  /** How long an idle process is kept; 0 for no limit. */
  sleepAfterSeconds: number;
  permits: Permits;
  queueLimit: SendingDeps['queueLimit'];
  origins: SendingDeps['origins'];
  limits: SendingDeps['limits'];
  onError(error: unknown, what: string): void;
}

type Perform<Kind extends Effect['kind']> = (effect: EffectOf<Kind>) => void;

/**
 * Puts one session together. machine.ts decides, session-actor.ts commits and adopts, and the effects (the agent is
 * told, a waiting caller is answered) are performed here.
 */
export function createSession(deps: SessionDeps, initial: SessionRecord): Session {
  const { store, log, agent, policy, defaultModel, queueLimit, origins, limits } = deps;
  const { id } = initial;
  const waiters = createWaiters();
  const settling = createWaiters();
  let parking: NodeJS.Timeout | undefined;

  const work = createBackgroundWork(deps.onError);
  const background = work.run;

  const performers: { [Kind in Effect['kind']]: Perform<Kind> } = {
    'start-turn': ({ turn }) => background(runTurn(running, turn), 'run a turn'),
    'send-to-agent'({ turnId, as, input, process: number }) {
      if (process.send(number, as, input)) return;
      const error = { code: 'agent_died', message: 'The agent ended before it had the message.' };
      fact({ kind: 'turn-not-started', turnId, error }, 'end a turn');
    },
    'resume-parked': ({ parked }) =>
      background(resumeParked(running, parked), 'go on with a turn that waited'),
    'adopt-request': ({ requestId, as }) => broker.adopt(requestId, as),
    'await-parking'({ requestId }) {
      const seconds = state().record.options.park_after_seconds ?? deps.parkAfterSeconds;
      clearTimeout(parking);
      parking = setTimeout(() => {
        background(parkTurn(running, requestId), 'park a turn');
      }, seconds * 1000);
      parking.unref();
    },
    'turn-accepted'({ turn }) {
      sending.accepted(turn.id);
      waiters.expect(turn.id);
      if (turn.waitFor === 'background') settling.expect(turn.id);
    },
    'turn-ended'({ turn }) {
      waiters.resolve(turn);
      if (!state().current) process.giveUp();
    },
    'await-sleep': () => resting.begin(),
    'message-steered'({ message }) {
      waiters.resolve(message);
      settling.resolve(message);
    },
    'turn-settled': ({ turn }) => settling.resolve(turn),
    'answer-permission': ({ requestId, decision }) => broker.settled(requestId, decision),
    'answer-call': ({ requestId, answer }) => calls.settled(requestId, answer),
    'make-way': () => background(interrupt.turn(), 'interrupt for a new message'),
    'await-report': () => listener.awaitReport(),
    'find-title': () => background(findTitle(), 'look for a title'),
    'rename-transcript': ({ conversationId, title }) =>
      background(retitle(conversationId, title), 'title the transcript'),
    'end-process': () => background(process.end(), 'end the agent'),
    'end-idle-process'() {
      if (!process.isInUse()) background(process.end(), 'end an idle agent');
    },
    'kill-process': () => background(process.kill(), 'let the agent go'),
  };
  const perform = (effect: Effect): void => (performers[effect.kind] as Perform<Effect['kind']>)(effect);

  const actor = createSessionActor({ record: initial, defaultModel, log, perform, onError: deps.onError });
  const { state, call, fact } = actor;

  const retitle = async (conversationId: string, title: string): Promise<void> => {
    await agent.rename(conversationId, title);
    await agent.keep({ sessionId: id, conversationId });
  };

  /** The agent writes a title of its own only into the transcript, during one of the first turns. */
  const findTitle = async (): Promise<void> => {
    const title = (await agent.transcript(state().record.conversationId))?.title;
    if (title) fact({ kind: 'title-found', title }, 'note the title');
  };

  const requireOpen = (): void => {
    if (isClosed(state()) || state().closing) throw problem('session_closed', { id });
    if (state().draining) throw problem('server_stopping', { kept: false });
  };

  const broker = createBroker({
    sessionId: id,
    store,
    timeoutSeconds: () => state().record.options.permission_timeout_seconds ?? deps.permissionTimeoutSeconds,
    async isSettled(toolUseId) {
      if (state().parked?.toolUseId === toolUseId) return false;
      const asked = await store.permissionsOfCall(id, toolUseId);
      return asked.some(
        (request) => request.state !== 'pending' && request.requestedAt < process.startedAt(),
      );
    },
    async call(command) {
      const outcome = await call(command);
      return outcome.ok && outcome.effects.some(({ kind }) => kind === 'answer-permission');
    },
    fact: (command) => fact(command, 'store a permission'),
  });

  const calls = createCalls({
    postCallback: deps.postCallback,
    sessionId: id,
    turnId: () => turnOf(state()),
    async call(command) {
      const outcome = await call(command);
      return outcome.ok && outcome.effects.some(({ kind }) => kind === 'answer-call');
    },
    fact: (command) => fact(command, 'store a call'),
  });

  const listener = createAgentListener({
    id,
    log,
    state,
    fact,
    inOrder: actor.inOrder,
    broker,
    calls,
    ceiling: (mode) => policy.modeFor(mode, state().record),
    setMode: (mode) => background(settings.setPermissionMode(mode), 'go back to a permission mode'),
  });

  const process = createProcessHandle({
    agent,
    async checkStart() {
      // A pending change of options has to be stored first: the process starts with it.
      await settings.written();
      await policy.checkStart(state().record);
    },
    options: async () => {
      const { record, parked } = state();
      const continued = continuedTurn(state());
      const { resume, lost } = await readyTranscript({ store, agent }, record);
      if (lost) await actor.written({ kind: 'transcript-lost', restored: lost.restored });
      return {
        sessionId: id,
        tenant: record.tenant,
        conversationId: record.conversationId,
        cwd: record.cwd,
        model: record.model ?? defaultModel,
        permissionMode: record.permissionMode,
        title: record.title,
        options: policy.handed(record.options, record),
        secrets: policy.secretsOf(record),
        spentUsd: record.options.max_budget_usd === undefined ? 0 : await store.sessionCost(id),
        resume,
        ...(parked && {
          parked: {
            turnId: parked.turnId,
            toolUseId: parked.toolUseId,
            said: await parkedSaid(store, record, parked.turnId),
          },
        }),
        ...(resume && continued && { continued: { said: await parkedSaid(store, record, continued) } }),
      };
    },
    events: listener.events,
    // A running turn may still get its process while the server drains.
    checkAllowed() {
      actor.checkOwned();
      if (!state().current) requireOpen();
    },
    onStart: (number) => fact({ kind: 'process-started', process: number }, 'note the new state'),
    acquire: (application) => deps.permits.acquire(resting, application),
    refusal: () => deps.permits.refusal(resting),
    onPosition(position) {
      const turnId = state().current?.turn.id;
      if (turnId) fact({ kind: 'turn-waiting', turnId, position }, 'note that a turn waits');
    },
    onUnused: () => resting.beginAgain(),
  });

  const resting = createSleep({
    actor,
    process,
    permits: deps.permits,
    afterSeconds: () => state().record.options.sleep_after_seconds ?? deps.sleepAfterSeconds,
    onError: deps.onError,
  });
  const { isCrowded } = deps.permits;
  const running = { store, limits, agent, state, process, isCrowded, fact };
  const settings = createSettings({ policy, actor, process, defaultModel, requireOpen, background });
  const sending = createSending({
    id,
    store,
    agent,
    policy,
    actor,
    process,
    requireOpen,
    queueLimit,
    limits,
    origins,
  });

  // ---- ends

  /** Passes on the usage of a turn that is cut short; if its end cannot be written, the usage is booked by itself. */
  const withCut = async <T>(end: (cut: Spent | undefined) => Promise<T>): Promise<T> => {
    const cut = await process.live()?.cut();
    try {
      return await end(cut);
    } catch (error) {
      fact({ kind: 'book', spent: cut }, 'book what a turn has used');
      throw error;
    }
  };

  const endTimers = (): void => {
    listener.end();
    resting.end();
    clearTimeout(parking);
  };

  const interrupt = createInterrupt({ actor, withCut, process, waiters });

  const awaited = { id, store, isDraining: () => state().draining };

  return {
    id,
    broker,
    record: () => state().record,
    state: () => state().shown,
    currentTurnId: () => (state().current ?? state().own)?.turn.id ?? null,
    queuedTurns: () => state().queue.length,
    needsPermit: process.needsPermit,
    pendingCalls: () => [...state().calls],
    respond: calls.respond,
    pendingPermissions: () => state().pending.map(permissionView),
    tasks: () => state().tasks.map(({ view }) => view),
    wake: () => startAgent(process, deps.onError),
    checkDivergence: sending.checkDivergence,
    ask: process.ask,
    send: sending.send,
    interrupt: (scope) => (scope === 'all' ? interrupt.all() : interrupt.turn()),
    isStuck: actor.isStuck,
    isAtRest: () => work.isOver() && process.isAtRest() && actor.isIdle() && isAtRest(state()),
    rest: endTimers,
    ended: (turnId) => awaitTurn(awaited, waiters, turnId, hasEnded),
    settled: (turnId) => awaitTurn(awaited, settling, turnId, ({ settledAt }) => settledAt !== null),
    takeOver: (turns) => fact({ kind: 'take-over', turns }, 'take over queued turns'),
    resumeQueue: () => fact({ kind: 'resume-queue' }, 'go on with queued turns'),
    setModel: settings.setModel,
    setPermissionMode: settings.setPermissionMode,
    patch: settings.patch,
    change: settings.change,

    async close() {
      actor.intend({ kind: 'begin-close' });
      try {
        await withCut((cut) => call({ kind: 'close', cut }));
      } catch (error) {
        fact({ kind: 'give-up-close' }, 'go on after a close that failed');
        throw error;
      }
      await process.end();
    },

    async stopTask(taskId) {
      if (!state().tasks.some(({ view }) => view.task_id === taskId)) {
        throw problem('task_not_found', { sessionId: id, id: taskId });
      }
      await process.tell((live) => live.stopTask(taskId));
      // The task list without it arrived before the agent's answer, but may not be stored yet.
      await actor.settled();
    },

    cancel: createCancel({ id, store, actor, process }),

    rewind: createRewind({ id, store, actor, process, requireOpen }),

    restoreTurn({ current, parked, pending }) {
      fact({ kind: 'restore-turn', current, parked, pending }, 'take over a turn');
      for (const request of pending) broker.restore(request);
    },

    ...createLeaving({ id, actor, process, waiters, settling, endTimers }),
  };
}
