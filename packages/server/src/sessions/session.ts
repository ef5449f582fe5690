import { randomUUID } from 'node:crypto';
import type {
  BackgroundTask,
  PermissionMode,
  PermissionRequest,
  RewindResult,
  SessionState,
  TurnError,
  UserInput,
  WaitFor,
} from 'claude-agent-client';
import type { Agent, AgentMessage, AgentProcess, Spent, TurnEnd } from '../agent/agent.ts';
import { AppError, messageOf, sessionClosed, storageFailed } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import { type Broker, createBroker } from '../permissions/broker.ts';
import { permissionView } from '../permissions/view.ts';
import type { SessionRecord, Store, TurnRecord } from '../store/store.ts';
import { bookings, type Interrupted } from './answer.ts';
import { checkBudget, spentUsd } from './budget.ts';
import { createLedger, type Decide } from './ledger.ts';
import type { Policy } from './policy.ts';
import { requireLive, type Settable } from './resume.ts';
import {
  addAnswer,
  answered,
  begin,
  beginNext,
  beginOwn,
  type Current,
  cutTurns,
  type Effects,
  endBackground,
  endCurrent,
  endOwn,
  endQueued,
  initialState,
  noteState,
  type Own,
  type SessionDraft,
  type State,
  set,
  settleOver,
  update,
} from './state.ts';
import { createStop } from './stop.ts';
import { noteTasks } from './tasks.ts';
import { checkUndivided, readyTranscript } from './transcript.ts';
import { stateEvent } from './views.ts';
import { createWaiters } from './waiters.ts';
import { createWarmAgent } from './warm.ts';

/** An agent that has news and is idle begins its report within 0.1 s; after this long it will not come any more. */
const REPORT_WITHIN_MS = 5_000;
/** After so many messages the agent looks for no title any more. */
const TITLED_WITHIN = 5;
/** So long a shutdown waits for a store that fails; what is not written is settled at the next start. */
const LAST_WRITES_MS = 1_500;

export interface SendRequest {
  input: UserInput;
  /** Tells a retry from another message under the same key. */
  inputHash: string;
  idempotencyKey: string | null;
  whenBusy: 'queue' | 'reject' | 'interrupt';
  waitFor: WaitFor;
  /** Go on although somebody else has gone on with the conversation. */
  force: boolean;
}

export interface Sent {
  turn: TurnRecord;
  /** The idempotency key was used before: this is the turn of that time. */
  replayed: boolean;
}

/** One session: an actor over the store, with an agent process as its warm cache. */
export interface Session {
  readonly id: string;
  readonly broker: Broker;
  record(): SessionRecord;
  state(): SessionState;
  currentTurnId(): string | null;
  queuedTurns(): number;
  pendingPermissions(): PermissionRequest[];
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
  let reportTimer: NodeJS.Timeout | undefined;
  /** A change of options on its way into the store. */
  let changing: Promise<unknown> = Promise.resolve();

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

  const warm = createWarmAgent({
    agent,
    async checkStart() {
      // A process starts with what it was changed to, not with what was before.
      await changing.catch(() => {});
      await policy.checkStart(state().record);
    },
    options: async () => {
      const { record } = state();
      const { resume, lost } = await readyTranscript({ store, agent }, record);
      if (lost) await ledger.fact((draft) => noteLost(draft, lost.restored));
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
    events: {
      onTaken: (turnId) =>
        fact((draft) => {
          const { current } = draft.state;
          if (current?.turn.id === turnId) set(draft, { current: { ...current, taken: true } });
        }, 'note what the agent works on'),
      onOwnTurn() {
        clearTimeout(reportTimer);
        const turnId = randomUUID();
        fact((draft) => {
          const { record, current, own } = draft.state;
          if (record.status === 'closed' || own || current?.taken) return;
          beginOwn(draft, effects, turnId, now());
        }, "store the beginning of the agent's own turn");
      },
      onBusy: () => clearTimeout(reportTimer),
      onIdle: () => fact(forgetNews, 'note that the agent is idle'),
      onMessage: (message, end) =>
        fact((draft) => onMessage(draft, message, end), 'store what the agent said'),
      onDelta: (message) =>
        ledger.inOrder((state) => log.live(id, answered(state)?.turn.id ?? null, message)),
      onQuestion: (question) => broker.ask(question),
      onPermissionMode: (mode) => fact((draft) => noteMode(draft, mode), 'note the permission mode'),
      onModel: (model) => fact((draft) => follow(draft, { model }), 'note the model'),
      onTitle: (title) => fact((draft) => follow(draft, { title }), 'note the title'),
      onFolder: (folder) =>
        fact((draft) => {
          const { cwd } = draft.state.record;
          follow(draft, { worktree: folder === cwd ? null : folder });
        }, 'note the folder'),
      onConversation: (conversationId, trigger) =>
        fact((draft) => noteConversation(draft, conversationId, trigger), 'note the conversation'),
      onExit: ({ code, signal, words, cut }) =>
        fact((draft) => onExit(draft, words, signal ?? `code ${code}`, cut), 'settle after the agent ended'),
    },
    // A turn that runs may still get its process while the server waits for it to end.
    checkAllowed: () => state().current || requireOpen(),
    onStart: () => fact((draft) => set(draft, { live: true }), 'note the new state'),
  });

  const isIdle = (): boolean => !state().current && !state().own && state().queue.length === 0;

  const requireOpen = (): void => {
    if (state().record.status === 'closed' || closing) throw sessionClosed(id);
    if (stopping)
      throw new AppError('server_stopping', 503, 'The server is shutting down. Try again in a moment.');
  };

  const next = (draft: SessionDraft): void => {
    if (draft.state.record.status !== 'closed' && !stopping && !closing) beginNext(draft, effects, now());
  };

  // ---- what the agent says

  const isRunning = (turnId: string): boolean => {
    const { current, own } = state();
    return current?.turn.id === turnId || own?.turn.id === turnId;
  };

  const onMessage = (draft: SessionDraft, message: AgentMessage, end: TurnEnd | undefined): void => {
    if (draft.state.record.status === 'closed') return;
    const turnId = answered(draft.state)?.turn.id ?? null;
    addAnswer(draft, message);
    draft.write(event(id, 'agent.message', message, turnId));
    if (!draft.state.record.hasTranscript && message.type !== 'system')
      update(draft, { hasTranscript: true });
    if (noteTasks(draft, message, now())) draft.after(awaitReport);
    if (!end) return;
    draft.write(...bookings(id, end));
    const { current, own } = draft.state;
    // An end that names another turn (a late one, or one of the agent's own) does not close this one.
    const closes =
      current?.sent &&
      (end.turnId === current.turn.id ||
        (end.turnId === null && !end.ownInitiative && (current.taken || !own)));
    endOwn(draft, effects, { end, error: end.error }, now());
    if (closes) endCurrent(draft, effects, { end, error: end.error }, now());
    next(draft);
    draft.after(() => {
      awaitReport();
      background(followTitle(), 'look for a title');
    });
  };

  /** The agent reports on tasks that ended in a turn of its own, or in the one that runs, or not at all. */
  const awaitReport = (): void => {
    clearTimeout(reportTimer);
    if (!state().news) return;
    reportTimer = setTimeout(() => fact(forgetNews, 'note that no report comes'), REPORT_WITHIN_MS);
    reportTimer.unref();
  };

  const forgetNews = (draft: SessionDraft): void => {
    if (draft.state.news && !draft.state.own && !draft.state.current?.taken) set(draft, { news: undefined });
  };

  const noteMode = (draft: SessionDraft, permissionMode: PermissionMode): void => {
    const { record } = draft.state;
    if (permissionMode === record.permissionMode || record.status === 'closed') return;
    update(draft, { permissionMode });
    draft.write(stateEvent(draft.state.record, draft.state.shown, defaultModel));
  };

  /** Something was changed inside the agent, not through this server. */
  const follow = (
    draft: SessionDraft,
    changed: Partial<Pick<SessionRecord, 'model' | 'title' | 'worktree'>>,
  ): void => {
    const { record } = draft.state;
    const news = Object.entries(changed).some(([name, value]) => record[name as 'title'] !== value);
    if (!news || record.status === 'closed') return;
    update(draft, changed);
    draft.write(stateEvent(draft.state.record, draft.state.shown, defaultModel));
  };

  /** The agent writes the title that it finds by itself into the transcript only, in one of the first turns. */
  const followTitle = async (): Promise<void> => {
    const { record } = state();
    if (record.title !== null || record.messageCount > TITLED_WITHIN || record.status === 'closed') return;
    const title = (await agent.transcript(record.conversationId))?.title;
    if (title) {
      fact((draft) => draft.state.record.title === null && follow(draft, { title }), 'note the title');
    }
  };

  /** The agent has left its conversation for another: from now on everything that names a transcript means that one. */
  const noteConversation = (draft: SessionDraft, conversationId: string, trigger: string): void => {
    const { status, conversationId: previous } = draft.state.record;
    if (conversationId === previous || status === 'closed') return;
    draft.write({ kind: 'insert-conversation', id: conversationId, sessionId: id });
    update(draft, { conversationId, hasTranscript: true, transcriptSeen: 0 });
    draft.write(
      event(id, 'session.conversation', { conversation_id: conversationId, previous_id: previous, trigger }),
    );
  };

  /** The transcript was gone, and the agent begins with what the log has of the conversation. */
  const noteLost = (draft: SessionDraft, restored: number): void => {
    const { conversationId } = draft.state.record;
    update(draft, { hasTranscript: restored > 0, transcriptSeen: null });
    draft.write(
      event(id, 'session.conversation', {
        conversation_id: conversationId,
        previous_id: conversationId,
        trigger: 'transcript_lost',
        restored_messages: restored,
      }),
    );
  };

  const onExit = (draft: SessionDraft, words: string, how: string, cut: Spent): void => {
    set(draft, { live: false });
    update(draft, { transcriptSeen: draft.state.record.transcriptSeen });
    if (draft.state.record.status === 'closed') {
      draft.write(...bookings(id, cut));
      return;
    }
    const said = words ? ` Its last words: ${words}` : '';
    const died = (when: string): TurnError => ({
      code: 'agent_died',
      message: `The agent process ended ${when} (${how}). The conversation is kept: the next message goes on with it.${said}`,
    });
    broker.settleAll(draft, 'agent_died');
    const had = (turn: Current | Own): boolean => !('sent' in turn) || turn.sent;
    cutTurns(draft, effects, { error: died('during the turn'), cut }, now(), had);
    endBackground(draft, effects, died('while it worked in the background'), now());
    next(draft);
  };

  // ---- turns

  const run = async (turn: TurnRecord): Promise<void> => {
    const isMine = ({ current }: State): boolean => current?.turn.id === turn.id && !stops.has(turn.id);
    const fail = (error: TurnError): Promise<void> =>
      ledger.fact((draft) => {
        if (!isMine(draft.state)) return;
        endCurrent(draft, effects, { error, unsent: true }, now());
        next(draft);
      });
    let process: AgentProcess;
    try {
      process = await warm.wake();
      await checkBudget(store, state().record);
    } catch (error) {
      const code = error instanceof AppError ? error.code : 'agent_start_failed';
      await fail({ code, message: messageOf(error) });
      return;
    }
    await ledger.fact((draft) => {
      const { current } = draft.state;
      if (!current || !isMine(draft.state)) return;
      set(draft, { current: { ...current, sent: true } });
      draft.after(() => {
        if (warm.live() === process) process.send(turn.id, turn.input);
        else
          background(
            fail({ code: 'agent_died', message: 'The agent ended before it had the message.' }),
            'end a turn',
          );
      });
    });
  };

  const replay = async (key: string | null, hash: string): Promise<Sent | undefined> => {
    const turn = key === null ? undefined : await store.getTurnByKey(id, key);
    if (!turn) return undefined;
    if (turn.inputHash === hash) return { turn, replayed: true };
    throw new AppError(
      'idempotency_conflict',
      409,
      `The idempotency key "${key}" was used with another message. Use a new key for a new message.`,
    );
  };

  let checking: Promise<void> | undefined;
  /**
   * What keeps the agent from starting keeps a message from being accepted, too. Messages that come at once wait for
   * the same check, so that they keep their order.
   */
  const startable = (): Promise<void> => {
    checking ??= policy.checkStart(state().record).finally(() => {
      checking = undefined;
    });
    return checking;
  };

  let looking: Promise<void> | undefined;
  /** Whether the conversation is still this session's alone; as with startable, who comes meanwhile waits too. */
  const undivided = (force: boolean): Promise<void> => {
    looking ??= look(force).finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const look = async (force: boolean): Promise<void> => {
    // What runs is not disturbed; the next message finds out.
    if (!isIdle()) return;
    const isLive = warm.live() !== undefined;
    const { seen, diverged } = await checkUndivided({ store, agent }, state().record, { isLive, force });
    // A process that runs does not know what the other one said; the next one does.
    if (diverged && isLive) await warm.end();
    if (seen === undefined || seen === state().record.transcriptSeen) return;
    await ledger.fact((draft) => {
      const { record } = draft.state;
      if (diverged || record.transcriptSeen === null) update(draft, { transcriptSeen: seen });
      // All that is new is our own: it need not be written for each message, but when the process ends.
      else set(draft, { record: { ...record, transcriptSeen: seen } });
    });
  };

  const send = async (request: SendRequest): Promise<Sent> => {
    const { idempotencyKey, inputHash } = request;
    const known = await replay(idempotencyKey, inputHash);
    if (known) return known;
    requireOpen();
    if (!warm.live()) await startable();
    if (looking || isIdle()) await undivided(request.force);
    const turnId = randomUUID();
    const admitted = await call((draft) => admit(draft, turnId, request));
    if (admitted.ok) return { turn: admitted.value, replayed: false };
    // Only the key can be refused: the same request came twice at the same time.
    const twin = await replay(idempotencyKey, inputHash);
    if (twin) return twin;
    throw new AppError('message_refused', 409, 'The message was not accepted. Send it again.');
  };

  /** Writes a new turn, and begins it when nothing else runs: one commit (0.3 ms) less than in two steps. */
  const admit = (draft: SessionDraft, turnId: string, request: SendRequest): TurnRecord => {
    requireOpen();
    const { current, own, queue, record } = draft.state;
    const runs = current !== undefined || own !== undefined;
    if ((runs || queue.length > 0) && request.whenBusy === 'reject') {
      const advice = 'Wait for it, or send with when_busy "queue" or "interrupt".';
      throw new AppError('session_busy', 409, `A turn is running. ${advice}`);
    }
    const busy = runs || queue.length > 0;
    const at = now();
    const urgent = request.whenBusy === 'interrupt' && busy;
    const turn: TurnRecord = {
      id: turnId,
      sessionId: id,
      state: busy ? 'queued' : 'running',
      initiator: 'user',
      input: request.input,
      idempotencyKey: request.idempotencyKey,
      inputHash: request.inputHash,
      waitFor: request.waitFor,
      urgent,
      createdAt: at,
      startedAt: busy ? null : at,
      endedAt: null,
      settledAt: null,
      result: null,
    };
    draft.write(
      { kind: 'insert-turn', turn },
      event(id, 'turn.queued', { message: turn.input }, turn.id, at),
      { kind: 'count-message', id },
    );
    set(draft, { record: { ...record, messageCount: record.messageCount + 1 } });
    update(draft, { lastActivity: at });
    draft.after(() => expect(turn));
    if (!busy) begin(draft, effects, turn);
    else {
      set(draft, { queue: urgent ? [turn, ...queue] : [...queue, turn] });
      if (urgent && runs) draft.after(() => background(stop.turn(), 'interrupt for a new message'));
      next(draft);
    }
    return turn;
  };

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

  const stop = createStop({ ledger, call, withCut, warm, waiters, broker, stops, effects, next, now });

  const closeAll = (draft: SessionDraft, cut: Spent | undefined): void => {
    if (draft.state.record.status === 'closed') return;
    const at = now();
    const interrupted: Interrupted = { reason: 'session_closed' };
    broker.settleAll(draft, 'session_closed');
    cutTurns(draft, effects, { error: null, interrupted, cut }, at);
    for (const turn of draft.state.queue) endQueued(draft, effects, turn, interrupted, at);
    endBackground(draft, effects, { code: 'session_closed', message: 'The session was closed.' }, at);
    update(draft, { status: 'closed', lastActivity: at });
    noteState(draft, defaultModel);
    draft.write(event(id, 'session.closed', {}, null, at));
  };

  const setModel = async (model: string | null): Promise<void> => {
    requireOpen();
    const before = state().record.model;
    await warm.tell((process) => process.setModel(model ?? defaultModel));
    try {
      await call((draft) => {
        update(draft, { model });
        draft.write(stateEvent(draft.state.record, draft.state.shown, defaultModel));
      });
    } catch (error) {
      background(
        warm.tell((process) => process.setModel(before ?? defaultModel)),
        'go back to the model before',
      );
      throw error;
    }
  };

  const setPermissionMode = async (mode: PermissionMode): Promise<void> => {
    requireOpen();
    await warm.tell((process) => process.setPermissionMode(mode));
    await call((draft) => noteMode(draft, mode));
  };

  const patch = async (changed: Partial<Pick<Settable, 'title' | 'metadata' | 'options'>>): Promise<void> => {
    await call((draft) => {
      update(draft, changed);
      if (changed.title === undefined) return;
      draft.write(stateEvent(draft.state.record, draft.state.shown, defaultModel));
    });
    // The agent's own lists, and its terminal program, then show the title too.
    if (changed.title && state().record.hasTranscript) {
      background(agent.rename(state().record.conversationId, changed.title), 'title the transcript');
    }
  };

  return {
    id,
    broker,
    record: () => state().record,
    state: () => state().shown,
    currentTurnId: () => (state().current ?? state().own)?.turn.id ?? null,
    queuedTurns: () => state().queue.length,
    pendingPermissions: () => state().pending.map(permissionView),
    tasks: () => state().tasks.map(({ view }) => view),
    wake: warm.wake,
    undivided,
    ask: warm.ask,
    send,
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
        throw new AppError(
          'task_not_found',
          404,
          `Session ${id} has no background task ${taskId} that runs.`,
        );
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
      if (!turn) throw new AppError('turn_not_found', 404, `Session ${id} has no turn ${turnId}.`);
      const advice = turn.endedAt ? 'It is over.' : `POST /sessions/${id}/interrupt ends it.`;
      throw new AppError('turn_not_queued', 409, `Only a queued message can be taken back. ${advice}`);
    },

    async ended(turnId) {
      const waiting = waiters.ended(turnId);
      if (waiting) return waiting;
      const turn = await store.getTurn(id, turnId);
      if (turn?.result) return turn;
      throw new AppError('turn_not_found', 404, `Session ${id} has no turn ${turnId} to wait for.`);
    },

    async settled(turnId) {
      const waiting = settling.ended(turnId);
      if (waiting) return waiting;
      const turn = await store.getTurn(id, turnId);
      if (turn?.settledAt) return turn;
      throw new AppError('turn_not_found', 404, `Session ${id} has no turn ${turnId} to wait for.`);
    },

    takeOver(turns) {
      for (const turn of turns) expect(turn);
      // The newest of those that were sent to interrupt comes first, as it would have without the restart.
      const urgent = turns.filter((turn) => turn.urgent).reverse();
      const queue = [...urgent, ...turns.filter((turn) => !turn.urgent)];
      fact((draft) => set(draft, { queue: [...queue, ...draft.state.queue] }), 'take over queued turns');
    },

    goOn: () => fact(next, 'go on with queued turns'),

    setModel,
    setPermissionMode,
    patch,

    async change({ model, permissionMode, ...others }) {
      requireOpen();
      if (warm.isUp()) requireLive(state().record, others);
      const { record } = state();
      changing = policy.checkStart({
        ...record,
        permissionMode: permissionMode ?? record.permissionMode,
        options: others.options ?? record.options,
      });
      await changing;
      // Told before they are stored: the agent may refuse.
      if (model !== undefined) await setModel(model);
      if (permissionMode !== undefined) await setPermissionMode(permissionMode);
      if (Object.keys(others).length > 0) {
        changing = patch(others);
        await changing;
      }
    },

    async rewind(messageId, dryRun) {
      requireOpen();
      if (state().current || state().own) {
        throw new AppError('session_busy', 409, 'A turn is running. Interrupt it, or wait, and rewind then.');
      }
      return warm.ask((process) => process.rewindFiles(messageId, dryRun));
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
        cutTurns(draft, effects, { error: null, interrupted, cut }, now());
        endBackground(draft, effects, { code: 'server_shutdown', message: words }, now());
      }, 'settle what runs');
      await warm.end();
      clearTimeout(reportTimer);
      const written = await ledger.writtenWithin(LAST_WRITES_MS);
      const advice = 'The message is kept and runs when the server is back.';
      const reason = new AppError('server_stopping', 503, `The server shut down. ${advice}`);
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
