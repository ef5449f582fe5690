import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AnswerItem,
  PermissionMode,
  PermissionRequest,
  RewindResult,
  SessionState,
  TurnError,
  TurnState,
  UserInput,
} from 'claude-agent-client';
import type { Agent, AgentMessage, AgentProcess, TurnEnd } from '../agent/agent.ts';
import { AppError, messageOf, sessionClosed } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import { type Broker, createBroker } from '../permissions/broker.ts';
import { permissionView } from '../permissions/view.ts';
import type { Change, SessionRecord, Store, TurnRecord } from '../store/store.ts';
import { answerItems, turnResult } from './answer.ts';

/** An interrupt that the agent does not obey in this time ends its process instead. */
const INTERRUPT_PATIENCE_MS = 10_000;
/** An interrupt can reach the agent before the message that it is meant for; then it is said again. */
const INTERRUPT_AGAIN_MS = 250;

/** Why a turn ended before its time. */
export type InterruptReason = 'interrupted' | 'session_closed' | 'server_shutdown';

export interface SendRequest {
  input: UserInput;
  inputHash: string;
  idempotencyKey: string | null;
  whenBusy: 'queue' | 'reject' | 'interrupt';
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
  /** Starts the agent process if there is none. @throws AppError 502 with the agent's own words */
  wake(): Promise<AgentProcess>;
  /** Accepts a message: when this settles, the turn is durable. `replayed`: the key was used before. */
  send(request: SendRequest): Promise<{ turn: TurnRecord; replayed: boolean }>;
  /** Settles when the turn has ended, and its end is in the log. */
  ended(turnId: string): Promise<TurnRecord>;
  /** Goes on with turns that were queued before this server started. */
  resumeQueue(turns: TurnRecord[]): void;
  /** Ends the running turn; settles when that is in the log. */
  interrupt(): Promise<void>;
  setModel(model: string | null): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  patch(set: { title?: string | null; metadata?: Record<string, unknown> }): Promise<void>;
  rewind(messageId: string, dryRun: boolean): Promise<RewindResult>;
  /** Closes for good (until somebody resumes it): settles what waits and ends the process. */
  close(): Promise<void>;
  /** Settles when no turn runs and none will be started: the first half of a shutdown. */
  drain(): Promise<void>;
  /** The second half: ends what still runs, and the process. Queued turns stay queued for the next start. */
  shutdown(): Promise<void>;
}

export interface SessionDeps {
  store: Store;
  log: Log;
  agent: Agent;
  defaultModel: string | undefined;
  permissionTimeoutSeconds: number;
  onError(error: unknown, what: string): void;
}

interface Current {
  turn: TurnRecord;
  messages: AnswerItem[];
  /** The agent has the message. */
  sent: boolean;
  interrupted: InterruptReason | undefined;
}

type Waiter = PromiseWithResolvers<TurnRecord>;

export function createSession(deps: SessionDeps, initial: SessionRecord): Session {
  const { store, log, agent, defaultModel } = deps;
  const { id } = initial;
  let record = initial;
  let process: AgentProcess | undefined;
  let starting: Promise<AgentProcess> | undefined;
  let current: Current | undefined;
  const queue: TurnRecord[] = [];
  const waiters = new Map<string, Waiter>();
  /** Messages that are being written and not yet in the queue. */
  let admitting = 0;
  let stopping = false;
  let shownState: SessionState = process ? 'idle' : 'asleep';

  const broker = createBroker({
    sessionId: id,
    store,
    log,
    timeoutSeconds: record.options.permission_timeout_seconds ?? deps.permissionTimeoutSeconds,
    onChange: () => stateChange(),
  });

  const state = (): SessionState => {
    if (record.status === 'closed') return 'closed';
    if (broker.pending().length > 0) return 'waiting';
    if (current) return 'running';
    return process ? 'idle' : 'asleep';
  };

  const describe = (): unknown => ({
    state: shownState,
    model: record.model ?? defaultModel ?? null,
    permission_mode: record.permissionMode,
    title: record.title,
  });

  /** The event that tells of another state, if it is another. */
  const stateChange = (): Change[] => {
    const now = state();
    if (now === shownState) return [];
    shownState = now;
    return [event(id, 'session.state', describe())];
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

  const requireOpen = (): void => {
    if (record.status === 'closed') throw sessionClosed(id);
    if (stopping)
      throw new AppError('server_stopping', 503, 'The server is shutting down. Try again in a moment.');
  };

  // ---- the process

  const start = async (): Promise<AgentProcess> => {
    const options = {
      sessionId: id,
      cwd: record.cwd,
      model: record.model ?? defaultModel,
      permissionMode: record.permissionMode,
      title: record.title,
      options: record.options,
      resume: record.hasTranscript || (await agent.transcript(id)) !== undefined,
    };
    let mine: AgentProcess | undefined;
    let dead = false;
    try {
      mine = await agent.start(options, {
        onMessage,
        onDelta: (message) => log.live(id, current?.turn.id ?? null, message),
        onQuestion: (question) => broker.ask(current?.turn.id ?? null, question),
        onPermissionMode: (mode) => background(noteMode(mode), 'note the permission mode'),
        onExit: (exit) => {
          dead = true;
          if (process === mine) process = undefined;
          background(onExit(exit.words, exit.signal ?? `code ${exit.code}`), 'settle after the agent ended');
        },
      });
    } catch (error) {
      throw new AppError('agent_start_failed', 502, `The agent cannot start: ${messageOf(error)}`);
    }
    if (dead) throw new AppError('agent_start_failed', 502, 'The agent ended right after its start.');
    if (record.status === 'closed' || stopping) {
      await mine.close();
      throw sessionClosed(id);
    }
    process = mine;
    background(write(stateChange()), 'note the new state');
    return mine;
  };

  const wake = async (): Promise<AgentProcess> => {
    if (record.status === 'closed') throw sessionClosed(id);
    if (process) return process;
    starting ??= start().finally(() => {
      starting = undefined;
    });
    return starting;
  };

  const onExit = async (words: string, how: string): Promise<void> => {
    await broker.settleAll('agent_died');
    if (current?.sent) {
      const message = `The agent process ended in mid-turn (${how}). The conversation is kept: the next message goes on with it.`;
      await finish(undefined, {
        code: 'agent_died',
        message: words ? `${message} Its last words: ${words}` : message,
      });
    } else {
      await write(stateChange());
    }
  };

  const onMessage = (message: AgentMessage, end: TurnEnd | undefined): void => {
    if (record.status === 'closed') return;
    const mine = current;
    if (mine) mine.messages.push(...answerItems(message));
    const changes: Change[] = [event(id, 'agent.message', message, mine?.turn.id ?? null)];
    if (!record.hasTranscript && message.type !== 'system') changes.push(update({ hasTranscript: true }));
    if (end) for (const usage of end.spent) changes.push({ kind: 'add-usage', sessionId: id, usage });
    // An end that names another turn (a late one, or one that the agent began by itself) closes nothing here.
    const closes =
      end && mine?.sent && (end.turnId === mine.turn.id || (end.turnId === null && !end.ownInitiative));
    background(closes ? finish(end, end.error, changes) : write(changes), 'store what the agent said');
  };

  const noteMode = async (mode: PermissionMode): Promise<void> => {
    if (mode === record.permissionMode || record.status === 'closed') return;
    await write([update({ permissionMode: mode }), event(id, 'session.state', describe())]);
  };

  // ---- turns

  /** What happens when a turn becomes the current one; the state is part of the same transaction. */
  const begin = (turn: TurnRecord): Change[] => {
    current = { turn, messages: [], sent: false, interrupted: undefined };
    return [event(id, 'turn.started', {}, turn.id), ...stateChange()];
  };

  const run = async (turn: TurnRecord): Promise<void> => {
    try {
      const agentProcess = await wake();
      if (current?.turn !== turn || current.sent || current.interrupted) return;
      current.sent = true;
      agentProcess.send(turn.id, turn.input);
    } catch (error) {
      if (current?.turn !== turn || current.interrupted) return;
      const code = error instanceof AppError ? error.code : 'agent_start_failed';
      await finish(undefined, { code, message: messageOf(error) });
    }
  };

  /**
   * Ends the current turn and begins the next queued one, in one transaction.
   * @param before changes to write ahead of the turn's end
   */
  const finish = async (
    end: TurnEnd | undefined,
    error: TurnError | null,
    before: Change[] = [],
  ): Promise<void> => {
    const ended = current;
    if (!ended) return;
    current = undefined;
    const now = new Date().toISOString();
    const { turn, interrupted } = ended;
    // An interrupt that came too late changes nothing: the turn is what its result says.
    const outcome: TurnState = error === null ? 'completed' : interrupted ? 'interrupted' : 'failed';
    const reason =
      outcome === 'interrupted'
        ? { code: interrupted ?? 'interrupted', message: WORDS[interrupted ?? 'interrupted'] }
        : error;
    const result = turnResult(turn, ended.messages, end, reason, now);
    const data = {
      result,
      ...(outcome === 'failed' && { error }),
      ...(outcome === 'interrupted' && { reason: reason?.code }),
    };
    const changes: Change[] = [
      ...before,
      { kind: 'update-turn', id: turn.id, from: ['running'], set: { state: outcome, endedAt: now, result } },
      event(id, `turn.${outcome}`, data, turn.id, now),
      update({ lastActivity: now }),
    ];
    const next = stopping || record.status === 'closed' ? undefined : queue.shift();
    if (next) {
      next.state = 'running';
      next.startedAt = now;
      changes.push({
        kind: 'update-turn',
        id: next.id,
        from: ['queued'],
        set: { state: 'running', startedAt: now },
      });
      changes.push(...begin(next));
    } else {
      changes.push(...stateChange());
    }
    const waiter = waiters.get(turn.id);
    try {
      await write(changes);
      waiter?.resolve({ ...turn, state: outcome, endedAt: now, result });
    } catch (failure) {
      waiter?.reject(storageFailed(failure));
      throw failure;
    } finally {
      waiters.delete(turn.id);
      if (next) background(run(next), 'run a turn');
    }
  };

  const send = async ({ input, inputHash, idempotencyKey, whenBusy }: SendRequest) => {
    requireOpen();
    const known = await replay(idempotencyKey, inputHash);
    if (known) return known;
    requireOpen();
    const busy = current !== undefined || queue.length > 0 || admitting > 0;
    if (busy && whenBusy === 'reject') {
      throw new AppError(
        'session_busy',
        409,
        'A turn is running. Wait for it, or send with when_busy "queue" or "interrupt".',
      );
    }
    const now = new Date().toISOString();
    const turn: TurnRecord = {
      id: randomUUID(),
      sessionId: id,
      state: busy ? 'queued' : 'running',
      input,
      idempotencyKey,
      inputHash,
      createdAt: now,
      startedAt: busy ? null : now,
      endedAt: null,
      result: null,
    };
    const changes: Change[] = [
      { kind: 'insert-turn', turn },
      event(id, 'turn.queued', { message: input }, turn.id, now),
      { kind: 'count-message', id },
      update({ lastActivity: now }),
    ];
    // Nothing runs: accepted and begun in one commit, 0.3 ms sooner than in two.
    if (!busy) changes.push(...begin(turn));
    admitting++;
    waiters.set(turn.id, newWaiter());
    let accepted = false;
    try {
      accepted = await write(changes);
    } catch (failure) {
      throw storageFailed(failure);
    } finally {
      admitting--;
      if (!accepted) waiters.delete(turn.id);
      if (!accepted && !busy) await abandon();
    }
    if (!accepted) {
      // Only the key can be refused: the same request came twice at the same time.
      const twin = await replay(idempotencyKey, inputHash);
      if (twin) return twin;
      throw new AppError('message_refused', 409, 'The message was not accepted. Send it again.');
    }
    record = { ...record, messageCount: record.messageCount + 1 };
    if (!busy) background(run(turn), 'run a turn');
    else if (current) {
      queue.push(turn);
      if (whenBusy === 'interrupt') background(interrupt('interrupted'), 'interrupt for a new message');
    } else {
      // What it waited for ended while it was being written.
      queue.push(turn);
      await nextFromQueue();
    }
    return { turn, replayed: false };
  };

  const replay = async (key: string | null, hash: string) => {
    if (key === null) return undefined;
    const turn = await store.getTurnByKey(id, key);
    if (!turn) return undefined;
    if (turn.inputHash === hash) return { turn, replayed: true };
    throw new AppError(
      'idempotency_conflict',
      409,
      `The idempotency key "${key}" was used with another message. Use a new key for a new message.`,
    );
  };

  /** A turn that was begun but not accepted: as if it had never been. */
  const abandon = async (): Promise<void> => {
    current = undefined;
    shownState = state();
    await nextFromQueue();
  };

  const nextFromQueue = async (): Promise<void> => {
    if (current || stopping || record.status === 'closed') return;
    const next = queue.shift();
    if (!next) return;
    const now = new Date().toISOString();
    next.state = 'running';
    next.startedAt = now;
    await write([
      { kind: 'update-turn', id: next.id, from: ['queued'], set: { state: 'running', startedAt: now } },
      ...begin(next),
    ]);
    background(run(next), 'run a turn');
  };

  const interrupt = async (reason: InterruptReason): Promise<void> => {
    const target = current;
    if (!target) return;
    target.interrupted ??= reason;
    const gone = waiters.get(target.turn.id)?.promise.catch(() => {});
    await broker.settleAll(reason);
    const over = (): boolean => current !== target;
    if (!target.sent && !over()) {
      await finish(undefined, INTERRUPTED);
    } else if (process && reason === 'interrupted') {
      const agentProcess = process;
      const deadline = Date.now() + INTERRUPT_PATIENCE_MS;
      while (!over() && Date.now() < deadline) {
        // A process that dies meanwhile never answers; its end settles the turn.
        await Promise.race([
          agentProcess.interrupt().catch(() => {}),
          gone,
          sleep(INTERRUPT_PATIENCE_MS, null, { ref: false }),
        ]);
        if (!over()) await Promise.race([gone, sleep(INTERRUPT_AGAIN_MS)]);
      }
      if (!over()) await agentProcess.close();
    }
    if (!over()) await finish(undefined, INTERRUPTED);
    await gone;
  };

  const endProcess = async (): Promise<void> => {
    const live = process ?? (await starting?.catch(() => undefined));
    process = undefined;
    await live?.close();
  };

  return {
    id,
    broker,
    record: () => record,
    state,
    currentTurnId: () => current?.turn.id ?? null,
    queuedTurns: () => queue.length,
    pendingPermissions: () => broker.pending().map(permissionView),
    wake,
    send,

    async ended(turnId) {
      const waiter = waiters.get(turnId);
      if (waiter) return waiter.promise;
      const turn = await store.getTurn(id, turnId);
      if (turn?.result) return turn;
      // Ended between the two looks, or not ours at all.
      throw new AppError('turn_not_found', 404, `Session ${id} has no turn ${turnId} to wait for.`);
    },

    resumeQueue(turns) {
      for (const turn of turns) {
        waiters.set(turn.id, newWaiter());
        queue.push(turn);
      }
      background(nextFromQueue(), 'go on with queued turns');
    },

    interrupt: () => interrupt('interrupted'),

    async setModel(model) {
      requireOpen();
      await control((live) => live.setModel(model ?? defaultModel));
      await write([update({ model }), event(id, 'session.state', describe())]);
    },

    async setPermissionMode(mode) {
      requireOpen();
      await control((live) => live.setPermissionMode(mode));
      await noteMode(mode);
    },

    async patch(set) {
      const changes: Change[] = [update(set)];
      if (set.title !== undefined) changes.push(event(id, 'session.state', describe()));
      await write(changes);
    },

    async rewind(messageId, dryRun) {
      requireOpen();
      if (current) {
        throw new AppError('session_busy', 409, 'A turn is running. Interrupt it, or wait, and rewind then.');
      }
      const live = await wake();
      return live.rewindFiles(messageId, dryRun).catch((error: unknown) => ({
        can_rewind: false,
        error: messageOf(error),
        files_changed: [],
        insertions: 0,
        deletions: 0,
      }));
    },

    async close() {
      if (record.status === 'closed') {
        await endProcess();
        return;
      }
      const now = new Date().toISOString();
      record = { ...record, status: 'closed' };
      await interrupt('session_closed');
      await broker.settleAll('session_closed');
      const abandoned = queue.splice(0);
      const results = abandoned.map((turn) => ({
        turn,
        result: turnResult(
          turn,
          [],
          undefined,
          { code: 'session_closed', message: WORDS.session_closed },
          now,
        ),
      }));
      await write([
        ...results.flatMap(({ turn, result }): Change[] => [
          {
            kind: 'update-turn',
            id: turn.id,
            from: ['queued'],
            set: { state: 'interrupted', endedAt: now, result },
          },
          event(id, 'turn.interrupted', { result, reason: 'session_closed' }, turn.id, now),
        ]),
        update({ status: 'closed', lastActivity: now }),
        ...stateChange(),
        event(id, 'session.closed', {}, null, now),
      ]);
      for (const { turn, result } of results) {
        waiters.get(turn.id)?.resolve({ ...turn, state: 'interrupted', endedAt: now, result });
        waiters.delete(turn.id);
      }
      await endProcess();
    },

    async drain() {
      stopping = true;
      if (current) await waiters.get(current.turn.id)?.promise.catch(() => {});
    },

    async shutdown() {
      stopping = true;
      await interrupt('server_shutdown');
      await broker.settleAll('server_shutdown');
      await endProcess();
      for (const waiter of waiters.values()) {
        waiter.reject(
          new AppError(
            'server_stopping',
            503,
            'The server shut down. The message is kept and runs when it is back.',
          ),
        );
      }
      waiters.clear();
    },
  };

  /** Tells a live process; a sleeping one is started with the new setting anyway. */
  async function control(tell: (live: AgentProcess) => Promise<void>): Promise<void> {
    const live = process ?? (await starting?.catch(() => undefined));
    if (!live) return;
    try {
      await tell(live);
    } catch (error) {
      throw new AppError('agent_refused', 409, `The agent refused: ${messageOf(error)}`);
    }
  }
}

const WORDS: Record<InterruptReason, string> = {
  interrupted: 'The turn was interrupted.',
  session_closed: 'The session was closed.',
  server_shutdown: 'The server was shut down during the turn.',
};

const INTERRUPTED: TurnError = { code: 'interrupted', message: WORDS.interrupted };

function newWaiter(): Waiter {
  const waiter = Promise.withResolvers<TurnRecord>();
  // Nobody may be waiting when it fails.
  waiter.promise.catch(() => {});
  return waiter;
}

const storageFailed = (failure: unknown): AppError =>
  new AppError(
    'storage_failed',
    503,
    `The server cannot write to its store: ${messageOf(failure)}. Nothing was lost of what it accepted before.`,
  );
