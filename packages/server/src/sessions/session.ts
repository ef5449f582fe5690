import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AnswerItem,
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
import { AppError, budgetSpent, messageOf, sessionClosed, storageFailed } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import { type Broker, createBroker } from '../permissions/broker.ts';
import { permissionView } from '../permissions/view.ts';
import type { Change, SessionRecord, Store, TurnRecord } from '../store/store.ts';
import { answerItems, bookings, endTurn, type InterruptReason } from './answer.ts';
import type { Policy } from './policy.ts';
import { readTasks } from './tasks.ts';
import { stateEvent } from './views.ts';
import { createWaiters } from './waiters.ts';
import { createWarmAgent } from './warm.ts';

/** An interrupt that the agent does not obey in this time ends its process instead. */
const INTERRUPT_PATIENCE_MS = 10_000;
/** An interrupt can reach the agent before the message that it is meant for; then it is said again. */
const INTERRUPT_AGAIN_MS = 250;

export interface SendRequest {
  input: UserInput;
  /** Tells a retry from another message under the same key. */
  inputHash: string;
  idempotencyKey: string | null;
  whenBusy: 'queue' | 'reject' | 'interrupt';
  waitFor: WaitFor;
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
  /** Ends one background task; settles when it does not run any more. @throws AppError 404, 409 */
  stopTask(taskId: string): Promise<void>;
  /** Takes back a message that is still queued. @throws AppError 404, 409 */
  cancel(turnId: string): Promise<TurnRecord>;
  /** Starts the agent process if there is none. @throws AppError 502 with the agent's own words */
  wake(): Promise<AgentProcess>;
  /** Accepts a message: when this settles, the turn is durable. */
  send(request: SendRequest): Promise<Sent>;
  /** Settles when the turn has ended, and its end is in the log. */
  ended(turnId: string): Promise<TurnRecord>;
  /** Takes over turns that were queued before this server started: ahead of all that comes now. */
  takeOver(turns: TurnRecord[]): void;
  /** Begins the first queued turn, if none runs. */
  goOn(): void;
  /** Ends the running turn, or all work; settles when that is in the log. */
  interrupt(scope: 'turn' | 'all'): Promise<void>;
  setModel(model: string | null): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  patch(set: { title?: string | null; metadata?: Record<string, unknown> }): Promise<void>;
  rewind(messageId: string, dryRun: boolean): Promise<RewindResult>;
  /** Closes for good (until somebody resumes it): settles what waits and ends the process. */
  close(): Promise<void>;
  /** Starts no further turn; settles when none runs: the first half of a shutdown. */
  drain(): Promise<void>;
  /** The second half: ends what still runs, and the process. Queued turns stay queued for the next start. */
  shutdown(): Promise<void>;
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

/** The turn that runs. */
interface Current {
  turn: TurnRecord;
  messages: AnswerItem[];
  /** The agent has the message. */
  sent: boolean;
  /** The agent works on the message: what it says belongs to the answer. */
  taken: boolean;
  interrupted: InterruptReason | undefined;
}

/**
 * Makes the actor of one session. All its decisions are taken synchronously on its own variables; what they
 * come to is then written, in that order, and shown when it is committed.
 */
export function createSession(deps: SessionDeps, initial: SessionRecord): Session {
  const { store, log, agent, policy, defaultModel } = deps;
  const { id } = initial;
  let record = initial;
  let current: Current | undefined;
  const queue: TurnRecord[] = [];
  let tasks: BackgroundTask[] = [];
  const waiters = createWaiters();
  /** Messages that are being written and not yet in the queue. */
  let admitting = 0;
  let stopping = false;
  let shownState: SessionState = 'asleep';

  const broker = createBroker({
    sessionId: id,
    store,
    log,
    timeoutSeconds: record.options.permission_timeout_seconds ?? deps.permissionTimeoutSeconds,
    onChange: () => stateChange(),
  });

  const warm = createWarmAgent({
    agent,
    checkStart: () => policy.checkStart(record),
    options: async () => ({
      sessionId: id,
      conversationId: record.conversationId,
      cwd: record.cwd,
      model: record.model ?? defaultModel,
      permissionMode: record.permissionMode,
      title: record.title,
      options: record.options,
      // A server that was killed early may not know of a transcript that is there.
      spentUsd: record.options.max_budget_usd === undefined ? 0 : await spentUsd(),
      resume:
        record.hasTranscript ||
        (record.messageCount > 0 && (await agent.transcript(record.conversationId)) !== undefined),
    }),
    events: {
      onTaken(turnId) {
        if (current?.turn.id === turnId) current.taken = true;
      },
      onMessage: (message, end) => onMessage(message, end),
      onDelta: (message) => log.live(id, answered()?.turn.id ?? null, message),
      onQuestion: (question) => broker.ask(answered()?.turn.id ?? null, question),
      onPermissionMode: (mode) => background(noteMode(mode), 'note the permission mode'),
      onConversation: (conversationId, trigger) =>
        background(noteConversation(conversationId, trigger), 'note the conversation'),
      onExit: ({ code, signal, words, cut }) =>
        background(onExit(words, signal ?? `code ${code}`, cut), 'settle after the agent ended'),
    },
    // A turn that runs may still get its process while the server waits for it to end.
    checkAllowed: () => current || requireOpen(),
    onStart: () => background(write(stateChange()), 'note the new state'),
  });

  const state = (): SessionState => {
    if (record.status === 'closed') return 'closed';
    if (broker.pending().length > 0) return 'waiting';
    if (current) return 'running';
    if (tasks.some((task) => !task.ambient)) return 'background';
    return warm.live() ? 'idle' : 'asleep';
  };

  /** The event that tells of another state, if it is another. */
  const stateChange = (): Change[] => {
    const now = state();
    if (now === shownState) return [];
    shownState = now;
    return [stateEvent(record, shownState, defaultModel)];
  };

  const update = (set: Partial<SessionRecord>): Change => {
    record = { ...record, ...set };
    return { kind: 'update-session', id, set };
  };

  const write = async (changes: Change[]): Promise<boolean> =>
    changes.length === 0 || (await log.write(id, changes)).ok;

  const background = (work: Promise<unknown>, what: string): void => {
    work.catch((error: unknown) => deps.onError(error, what));
  };

  const isOpen = (): boolean => record.status !== 'closed' && !stopping;

  const requireOpen = (): void => {
    if (record.status === 'closed') throw sessionClosed(id);
    if (stopping)
      throw new AppError('server_stopping', 503, 'The server is shutting down. Try again in a moment.');
  };

  // ---- what the agent says

  /** The turn that the agent is answering; it may be busy with something of its own. */
  const answered = (): Current | undefined => (current?.taken ? current : undefined);

  const onMessage = (message: AgentMessage, end: TurnEnd | undefined): void => {
    if (record.status === 'closed') return;
    const mine = answered();
    mine?.messages.push(...answerItems(message));
    const changes: Change[] = [event(id, 'agent.message', message, mine?.turn.id ?? null)];
    const listed = readTasks(message, tasks, mine?.turn.id ?? null);
    if (listed) {
      tasks = listed;
      changes.push(event(id, 'session.tasks', { tasks }), ...stateChange());
    }
    if (!record.hasTranscript && message.type !== 'system') changes.push(update({ hasTranscript: true }));
    changes.push(...bookings(id, end));
    // An end that names another turn (a late one, or one that the agent began by itself) closes nothing here.
    const closes =
      end && current?.sent && (end.turnId === current.turn.id || (end.turnId === null && !end.ownInitiative));
    background(
      closes ? finish({ end, error: end.error }, changes) : write(changes),
      'store what the agent said',
    );
  };

  const noteMode = async (mode: PermissionMode): Promise<void> => {
    if (mode === record.permissionMode || record.status === 'closed') return;
    await write([update({ permissionMode: mode }), stateEvent(record, shownState, defaultModel)]);
  };

  /** The agent has left its conversation for another: from now on everything that names a transcript means that one. */
  const noteConversation = async (conversationId: string, trigger: string): Promise<void> => {
    const previous = record.conversationId;
    if (conversationId === previous || record.status === 'closed') return;
    await write([
      { kind: 'insert-conversation', id: conversationId, sessionId: id },
      update({ conversationId, hasTranscript: true }),
      event(id, 'session.conversation', {
        conversation_id: conversationId,
        previous_id: previous,
        trigger,
      }),
    ]);
  };

  const onExit = async (words: string, how: string, cut: Spent): Promise<void> => {
    const died = current?.sent ? current : undefined;
    await broker.settleAll('agent_died');
    if (tasks.length > 0) {
      tasks = [];
      await write([event(id, 'session.tasks', { tasks })]);
    }
    if (!died || current !== died) {
      await write([...bookings(id, cut), ...stateChange()]);
      return;
    }
    const said = words ? ` Its last words: ${words}` : '';
    await finish({
      cut,
      error: {
        code: 'agent_died',
        message: `The agent process ended during the turn (${how}). The conversation is kept: the next message goes on with it.${said}`,
      },
    });
  };

  // ---- turns

  /** Makes a turn the current one; the changes tell of it. */
  const begin = (turn: TurnRecord): Change[] => {
    current = { turn, messages: [], sent: false, taken: false, interrupted: undefined };
    return [event(id, 'turn.started', { initiator: turn.initiator }, turn.id), ...stateChange()];
  };

  /** Makes the first queued turn the current one, if there is one and it may run. */
  const beginNext = (now: string): { next: TurnRecord | undefined; changes: Change[] } => {
    const next = isOpen() ? queue.shift() : undefined;
    if (!next) return { next, changes: stateChange() };
    next.state = 'running';
    next.startedAt = now;
    const started: Change = {
      kind: 'update-turn',
      id: next.id,
      from: ['queued'],
      set: { state: 'running', startedAt: now },
    };
    return { next, changes: [started, ...begin(next)] };
  };

  const nextFromQueue = async (): Promise<void> => {
    if (current) return;
    const { next, changes } = beginNext(new Date().toISOString());
    await write(changes);
    if (next) background(run(next), 'run a turn');
  };

  const spentUsd = async (): Promise<number> => {
    const { rows } = await store.usage(id);
    return rows.reduce((sum, row) => sum + row.costUsd, 0);
  };

  /**
   * The agent holds itself to what was left when its process started, and begins to count anew after `/clear`; the
   * session's own account knows better.
   */
  const checkBudget = async (): Promise<void> => {
    const limit = record.options.max_budget_usd;
    if (limit === undefined) return;
    const spent = await spentUsd();
    if (spent < limit) return;
    throw new AppError('error_max_budget_usd', 402, budgetSpent('this session', spent, limit));
  };

  const run = async (turn: TurnRecord): Promise<void> => {
    const isMine = (): boolean => current?.turn === turn && !current.interrupted;
    try {
      const process = await warm.wake();
      await checkBudget();
      if (!current || !isMine()) return;
      current.sent = true;
      process.send(turn.id, turn.input);
    } catch (error) {
      const code = error instanceof AppError ? error.code : 'agent_start_failed';
      if (isMine()) await finish({ error: { code, message: messageOf(error) } });
    }
  };

  /**
   * Ends the current turn and begins the next queued one, in one transaction.
   * @param before changes to write ahead of the turn's end
   */
  const finish = async (
    ending: { end?: TurnEnd; cut?: Spent | undefined; error: TurnError | null },
    before: Change[] = [],
  ): Promise<void> => {
    if (!current) return;
    const { turn, messages, interrupted } = current;
    current = undefined;
    const now = new Date().toISOString();
    const { ended, changes } = endTurn(turn, { ...ending, messages, interrupted }, now);
    const after = beginNext(now);
    try {
      await write([...before, ...changes, update({ lastActivity: now }), ...after.changes]);
      waiters.resolve(ended);
    } catch (failure) {
      waiters.reject(turn.id, storageFailed(failure));
      throw failure;
    } finally {
      if (after.next) background(run(after.next), 'run a turn');
    }
  };

  let checking: Promise<void> | undefined;
  /**
   * What keeps the agent from starting keeps a message from being accepted, too. Messages that come at once wait for
   * the same check, so that they keep their order.
   */
  const startable = (): Promise<void> => {
    checking ??= policy.checkStart(record).finally(() => {
      checking = undefined;
    });
    return checking;
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

  const send = async ({
    input,
    inputHash,
    idempotencyKey,
    whenBusy,
    waitFor,
  }: SendRequest): Promise<Sent> => {
    const known = await replay(idempotencyKey, inputHash);
    if (known) return known;
    requireOpen();
    if (!warm.live()) await startable();
    requireOpen();
    const busy = current !== undefined || queue.length > 0 || admitting > 0;
    if (busy && whenBusy === 'reject') {
      const advice = 'Wait for it, or send with when_busy "queue" or "interrupt".';
      throw new AppError('session_busy', 409, `A turn is running. ${advice}`);
    }
    const now = new Date().toISOString();
    const turn: TurnRecord = {
      id: randomUUID(),
      sessionId: id,
      state: busy ? 'queued' : 'running',
      initiator: 'user',
      input,
      idempotencyKey,
      inputHash,
      waitFor,
      urgent: whenBusy === 'interrupt',
      createdAt: now,
      startedAt: busy ? null : now,
      endedAt: null,
      settledAt: null,
      result: null,
    };
    waiters.expect(turn.id);
    const accepted = await admit(turn, busy);
    if (!accepted) {
      // Only the key can be refused: the same request came twice at the same time.
      const twin = await replay(idempotencyKey, inputHash);
      if (twin) return twin;
      throw new AppError('message_refused', 409, 'The message was not accepted. Send it again.');
    }
    record = { ...record, messageCount: record.messageCount + 1 };
    if (!busy) {
      background(run(turn), 'run a turn');
    } else {
      queue.push(turn);
      if (!current) await nextFromQueue();
      else if (whenBusy === 'interrupt') background(interrupt('interrupted'), 'interrupt for a new message');
    }
    return { turn, replayed: false };
  };

  /** Writes a new turn, and begins it when nothing else runs: one commit (0.3 ms) less than in two steps. */
  const admit = async (turn: TurnRecord, busy: boolean): Promise<boolean> => {
    admitting++;
    let accepted = false;
    try {
      accepted = await write([
        { kind: 'insert-turn', turn },
        event(id, 'turn.queued', { message: turn.input }, turn.id, turn.createdAt),
        { kind: 'count-message', id },
        update({ lastActivity: turn.createdAt }),
        ...(busy ? [] : begin(turn)),
      ]);
    } catch (failure) {
      throw storageFailed(failure);
    } finally {
      admitting--;
      if (!accepted) waiters.reject(turn.id, undefined);
      if (!accepted && !busy) {
        // As if it had never begun.
        current = undefined;
        shownState = state();
        await nextFromQueue();
      }
    }
    return accepted;
  };

  // ---- ends

  const interrupt = async (reason: InterruptReason): Promise<void> => {
    const target = current;
    if (!target) return;
    target.interrupted ??= reason;
    const over = waiters.over(target.turn.id);
    const runs = (): boolean => current === target;
    await broker.settleAll(
      reason === 'session_closed' || reason === 'server_shutdown' ? reason : 'interrupted',
    );
    const process = warm.live();
    // Only somebody who goes on with the session needs the agent's own word that it stopped.
    if (runs() && target.sent && process && reason === 'interrupted') {
      const deadline = Date.now() + INTERRUPT_PATIENCE_MS;
      while (runs() && Date.now() < deadline) {
        // A process that dies meanwhile never answers; its end settles the turn.
        const answered = process.interrupt().catch(() => {});
        await Promise.race([answered, over, sleep(INTERRUPT_PATIENCE_MS, undefined, { ref: false })]);
        if (runs()) await Promise.race([over, sleep(INTERRUPT_AGAIN_MS, undefined, { ref: false })]);
      }
      if (runs()) await process.close();
    }
    if (runs()) {
      const cut = await warm.live()?.cut();
      // Meanwhile the process may have died, and its end the turn's.
      if (runs()) await finish({ cut, error: null });
      else await write(bookings(id, cut));
    }
    await over;
  };

  const stop = (taskId: string): Promise<void> => warm.tell((process) => process.stopTask(taskId));

  const takeBack = async (turn: TurnRecord, now: string): Promise<TurnRecord> => {
    queue.splice(queue.indexOf(turn), 1);
    const { ended, changes } = endTurn(turn, { messages: [], error: null, interrupted: 'cancelled' }, now);
    await write(changes);
    waiters.resolve(ended);
    return ended;
  };

  const close = async (): Promise<void> => {
    if (record.status === 'closed') return warm.end();
    const now = new Date().toISOString();
    record = { ...record, status: 'closed' };
    await interrupt('session_closed');
    await broker.settleAll('session_closed');
    const abandoned = queue
      .splice(0)
      .map((turn) => endTurn(turn, { messages: [], error: null, interrupted: 'session_closed' }, now));
    await write([
      ...abandoned.flatMap(({ changes }) => changes),
      update({ status: 'closed', lastActivity: now }),
      ...stateChange(),
      event(id, 'session.closed', {}, null, now),
    ]);
    for (const { ended } of abandoned) waiters.resolve(ended);
    await warm.end();
  };

  return {
    id,
    broker,
    record: () => record,
    state,
    currentTurnId: () => current?.turn.id ?? null,
    queuedTurns: () => queue.length,
    pendingPermissions: () => broker.pending().map(permissionView),
    wake: warm.wake,
    send,
    tasks: () => tasks,

    async interrupt(scope) {
      if (scope === 'all') {
        const now = new Date().toISOString();
        for (const turn of [...queue]) await takeBack(turn, now);
        for (const task of tasks) await stop(task.task_id);
      }
      await interrupt('interrupted');
    },

    async stopTask(taskId) {
      if (!tasks.some((task) => task.task_id === taskId)) {
        throw new AppError(
          'task_not_found',
          404,
          `Session ${id} has no background task ${taskId} that runs.`,
        );
      }
      await stop(taskId);
    },

    async cancel(turnId) {
      const waiting = queue.find((turn) => turn.id === turnId);
      if (waiting) return takeBack(waiting, new Date().toISOString());
      const turn = await store.getTurn(id, turnId);
      if (!turn) throw new AppError('turn_not_found', 404, `Session ${id} has no turn ${turnId}.`);
      const advice = turn.endedAt ? 'It is over.' : `POST /sessions/${id}/interrupt ends it.`;
      throw new AppError('turn_not_queued', 409, `Only a queued message can be taken back. ${advice}`);
    },

    close,

    async ended(turnId) {
      const waiting = waiters.ended(turnId);
      if (waiting) return waiting;
      const turn = await store.getTurn(id, turnId);
      if (turn?.result) return turn;
      throw new AppError('turn_not_found', 404, `Session ${id} has no turn ${turnId} to wait for.`);
    },

    takeOver(turns) {
      for (const turn of turns) waiters.expect(turn.id);
      queue.push(...turns);
    },

    goOn: () => background(nextFromQueue(), 'go on with queued turns'),

    async setModel(model) {
      requireOpen();
      await warm.tell((process) => process.setModel(model ?? defaultModel));
      await write([update({ model }), stateEvent(record, shownState, defaultModel)]);
    },

    async setPermissionMode(mode) {
      requireOpen();
      await warm.tell((process) => process.setPermissionMode(mode));
      await noteMode(mode);
    },

    async patch(set) {
      const change = update(set);
      await write(
        set.title === undefined ? [change] : [change, stateEvent(record, shownState, defaultModel)],
      );
      // The agent's own lists, and its terminal program, then show the title too.
      if (set.title && record.hasTranscript)
        background(agent.rename(record.conversationId, set.title), 'title the transcript');
    },

    async rewind(messageId, dryRun) {
      requireOpen();
      if (current) {
        throw new AppError('session_busy', 409, 'A turn is running. Interrupt it, or wait, and rewind then.');
      }
      const process = await warm.wake();
      return process.rewindFiles(messageId, dryRun);
    },

    async drain() {
      stopping = true;
      if (current) await waiters.over(current.turn.id);
    },

    async shutdown() {
      stopping = true;
      await interrupt('server_shutdown');
      await broker.settleAll('server_shutdown');
      await warm.end();
      const advice = 'The message is kept and runs when the server is back.';
      waiters.rejectAll(new AppError('server_stopping', 503, `The server shut down. ${advice}`));
    },
  };
}
