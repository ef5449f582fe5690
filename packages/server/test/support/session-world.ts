import { randomUUID } from 'node:crypto';
import { setImmediate as soon } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Actor, createActor } from '../../src/sessions/actor.ts';
import type { Command, CommandBody, Effect, EffectOf } from '../../src/sessions/machine/commands.ts';
import { parkableRequest } from '../../src/sessions/machine/parking.ts';
import { initialState, isAtRest, runningTurns, type State } from '../../src/sessions/machine/state.ts';
import { decide, isDue } from '../../src/sessions/machine.ts';
import { settleOrphans } from '../../src/sessions/recovery.ts';
import type { Change, SessionRecord, Store, WriteResult } from '../../src/store/store.ts';
import { sampleSession } from './samples.ts';
import { createScriptedAgent, pick } from './scripted-agent.ts';
import { differences, logProblems } from './session-checks.ts';
import { applyChanges, createRows, mayRefuse } from './session-rows.ts';

export const STEPS = [
  'send',
  'cancel',
  'set',
  'interrupt',
  'stop all',
  'close',
  'answer',
  'give up',
  'process opens',
  'process starts',
  'process does not start',
  'process is not free',
  'sleep',
  'process dies',
  'agent takes',
  'agent takes in',
  'agent begins',
  'agent speaks',
  'agent ends',
  'agent ends late',
  'agent asks',
  'agent changes',
  'tasks change',
  'disk',
  'time passes',
  'leaves memory',
  'restart',
] as const;

/** One step of a random history; `n` and `flag` choose among what is possible then. */
export interface Step {
  kind: (typeof STEPS)[number];
  n: number;
  flag: boolean;
  /** The store answers after the step. */
  answers: boolean;
}

interface InFlight {
  changes: readonly Change[];
  resolve(result: WriteResult): void;
  reject(error: Error): void;
}

/** A session, its machine and its actor, between a real store that fails and an agent that does as it likes. */
export interface World {
  /** @throws Error when something does not hold after the step */
  step(step: Step): Promise<void>;
  /** The store works again and all ends. @throws Error when something is left open, or happened twice */
  finish(): Promise<void>;
}

/** @param passTime lets the store be tried again */
export async function createWorld(store: Store, passTime: () => void): Promise<World> {
  const record: SessionRecord = sampleSession({ transcriptSeen: 0 });
  const { id } = record;
  await store.write([{ kind: 'insert-session', session: record }]);

  let rows = createRows(record);
  let disk: 'works' | 'fails at once' | 'fails late' = 'works';
  let inFlight: InFlight | undefined;
  let ticks = 0;
  let actor: Actor<State, Command, Effect>;
  /** Ids of turns and requests, oldest first: also of those that are over. */
  const turns: string[] = [];
  const requests: string[] = [];
  const calls: string[] = [];
  const refused = new Set<string>();
  /** What may be done only once. */
  const done = new Set<string>();
  /** What processes had been given whose machine was lost with them. */
  const lost = new Set<string>();
  const problems: string[] = [];

  const stamp = (body: CommandBody): Command => ({
    ...body,
    at: new Date(Date.UTC(2026, 0, 1) + ++ticks * 1000).toISOString(),
  });
  const fact = (body: CommandBody): void => {
    actor.fact(stamp(body)).catch((error: unknown) => problems.push(`a fact failed: ${error}`));
  };
  const call = (body: CommandBody) => actor.call(stamp(body));
  /** For a caller whom nobody hears when it is refused. */
  const attempt = (body: CommandBody): void => void call(body).catch(() => {});
  const agent = createScriptedAgent(fact);

  // ---- the store

  const write = async (changes: readonly Change[]): Promise<WriteResult> => {
    const result = await store.write(changes);
    if (result.ok) rows = applyChanges(rows, changes);
    else if (!mayRefuse(rows, changes, result))
      problems.push(`the store refused ${JSON.stringify(changes[result.refused])}`);
    return result;
  };

  const answer = async (): Promise<void> => {
    const commit = inFlight;
    inFlight = undefined;
    if (commit && disk === 'works') commit.resolve(await write(commit.changes));
    else commit?.reject(new Error('disk full'));
    await soon();
  };

  const incarnate = (from: SessionRecord): void => {
    const mine: Actor<State, Command, Effect> = createActor({
      initial: initialState(from, 'default'),
      decide,
      commit(changes) {
        // A server that is gone writes nothing more.
        if (actor !== mine) return new Promise(() => {});
        if (disk === 'fails at once') return Promise.reject(new Error('disk full'));
        return new Promise((resolve, reject) => {
          inFlight = { changes, resolve, reject };
        });
      },
      // Nor does it anything more.
      perform: (effect) => actor === mine && isDue(mine.state(), effect) && perform(effect),
      onStuck: () => {},
      onError: (error) => problems.push(String(error)),
    });
    actor = mine;
  };

  // ---- what follows from decisions

  const once = (what: string, isWritten: boolean): void => {
    if (done.has(what)) problems.push(`${what} twice`);
    if (!isWritten) problems.push(`${what} before the store has it`);
    done.add(what);
  };

  const performers: { [Kind in Effect['kind']]?: (effect: EffectOf<Kind>) => void } = {
    'start-turn': ({ turn }) => agent.expect(turn.id),
    'send-to-agent'({ turnId, as, process }) {
      // A message that steers is given to each process of its turn until one takes it; the turn may have just ended.
      const turn = rows.turns.get(turnId);
      const isSteered = turn?.state === 'queued' && actor.state().handed.includes(turnId);
      once(`given ${as} to ${process}`, isSteered || turn?.state === 'running');
      if (lost.has(as)) problems.push(`given ${as} again, which an agent on a lost machine may have taken`);
      if (!isSteered) once(`sent ${as}`, true);
      const error = { code: 'agent_died', message: 'gone' };
      if (!agent.send(process, as)) fact({ kind: 'turn-not-started', turnId, error });
    },
    'turn-accepted'({ turn }) {
      if (!rows.turns.has(turn.id)) problems.push('accepted before the store has it');
    },
    'turn-ended'({ turn: { id: turnId } }) {
      const turn = rows.turns.get(turnId);
      once(`ended ${turnId}`, turn?.endedAt !== null);
      if (
        turn?.initiator === 'user' &&
        turn.state === 'completed' &&
        !agent.hasEnded(turn.continuedAs ?? turn.id)
      )
        problems.push('a turn is completed by the end of another');
    },
    'message-steered': ({ message }) =>
      once(`ended ${message.id}`, rows.turns.get(message.id)?.state === 'steered'),
    'turn-settled': ({ turn }) => once(`settled ${turn.id}`, rows.turns.get(turn.id)?.settledAt !== null),
    'answer-permission': ({ requestId }) =>
      once(`answered ${requestId}`, rows.permissions.get(requestId)?.state !== 'pending'),
    'answer-call': ({ requestId }) => once(`answered ${requestId}`, !rows.calls.has(requestId)),
    'make-way': () => interrupt(0),
    'resume-parked': ({ parked }) => agent.expectParked(parked),
    'kill-process': () => agent.die(),
    'end-process': () => agent.die(),
    'end-idle-process': () => agent.die(),
  };
  const perform = (effect: Effect): void =>
    (performers[effect.kind] as ((effect: Effect) => void) | undefined)?.(effect);

  // ---- what callers and servers do

  const send = (n: number, background: boolean): void => {
    const [turnId, from] = [randomUUID(), actor];
    turns.push(turnId);
    const sending = call({
      kind: 'send',
      turnId,
      input: 'hello',
      inputHash: 'hash',
      idempotencyKey: n % 5 === 0 ? `key ${n % 3}` : null,
      waitFor: background ? 'background' : 'turn',
      whenBusy: pick(['queue', 'steer', 'interrupt', 'reject', 'steer', 'queue'] as const, n) ?? 'queue',
    });
    sending.then(
      (outcome) => {
        if (!outcome.ok) refused.add(turnId);
        else if (!rows.turns.has(turnId)) problems.push('a caller was told of a turn that is not stored');
      },
      () => from === actor && refused.add(turnId),
    );
  };

  /** The agent obeys, or says nothing more about the turns, or does not hear of it. */
  const interrupt = (n: number): void => {
    const turnIds = runningTurns(actor.state());
    if (turnIds.length === 0) return;
    actor.intend(stamp({ kind: 'mark-stopped', turnIds }));
    fact({ kind: 'withdraw-questions' });
    if (agent.isOpening()) {
      // It is ended, and what it was given with it.
      agent.die();
      n = 1;
    }
    if (n % 3 === 0) agent.end(true);
    if (n % 3 !== 1) return;
    agent.drop(turnIds.map((turnId) => rows.turns.get(turnId)?.continuedAs ?? turnId));
    const end: CommandBody = { kind: 'end-turns', turnIds, cut: undefined };
    call(end).catch(() => fact(end));
  };

  const close = (): void => {
    actor.intend(stamp({ kind: 'begin-close' }));
    call({ kind: 'close', cut: undefined }).catch(() => fact({ kind: 'give-up-close' }));
  };

  const settle = (n: number, allowed: boolean): void => {
    const [requestId, callId] = [pick(requests, n), pick(calls, n)];
    if (requestId && n % 3 > 0) {
      const given = { request_id: requestId, allowed, interrupt: n % 2 === 0 };
      attempt({ kind: 'answer-permission', answer: given, by: { kind: 'local' } });
    } else if (callId) attempt({ kind: 'answer-call', requestId: callId, callKind: 'hook', answer: {} });
  };

  const giveUp = (n: number, isLate: boolean): void => {
    const reason = isLate ? 'timeout' : 'withdrawn';
    const [requestId, callId] = [pick(requests, n), pick(calls, n)];
    if (requestId) fact({ kind: 'permission-unanswered', requestId, reason });
    if (callId) fact({ kind: 'call-unanswered', requestId: callId, reason });
  };

  const ask = (n: number, isHook: boolean): void => {
    const requestId = randomUUID();
    if (agent.ask(requestId, isHook ? 'hook' : 'permission', n)) (isHook ? calls : requests).push(requestId);
  };

  /** The server ends, in order or not, and another takes over what its store has. */
  const restart = async (n: number, inOrder: boolean): Promise<void> => {
    if (inOrder) {
      actor.intend(stamp({ kind: 'drain' }));
      fact({ kind: 'shut-down', cut: undefined });
      if (disk === 'works') while (inFlight) await answer();
    } else if (inFlight && n % 8 === 0) {
      // It had written this, and was killed before it knew.
      await write(inFlight.changes);
    }
    inFlight = undefined;
    // Nobody sees the transcript of an agent on another machine.
    const isShared = n % 3 > 0;
    const had = agent.vanish();
    const log = { write: (_: string, changes: readonly Change[]) => write(changes), live: () => {} };
    const waiting = await settleOrphans({
      store,
      log,
      agent: { parkable: () => true, taken: async () => [] },
      ownership: { isShared },
      defaultModel: 'default',
      tally: () => undefined,
    });
    // A turn that goes on has its messages again.
    if (isShared && !inOrder && waiting.size === 0) for (const turnId of had) lost.add(turnId);
    const found = (await store.getSession(id)) ?? record;
    incarnate(found);
    rows = { ...rows, record: found };
    const queued = (await store.openTurns('queued')).filter(({ sessionId }) => sessionId === id);
    fact({ kind: 'take-over', turns: queued });
    const parked = waiting.get(id);
    if (parked) fact({ kind: 'restore-turn', ...parked });
    // Writes nothing: the log says already what a parked session does.
    rows = { ...rows, shown: actor.state().shown };
    fact({ kind: 'resume-queue' });
  };

  /** The server lets the session go, because nothing happens in it, and loads it again. */
  const leaveMemory = async (): Promise<void> => {
    const state = actor.state();
    if (!actor.isIdle() || !isAtRest(state) || agent.isBusy() || agent.isExpected()) return;
    const found = (await store.getSession(id)) ?? record;
    incarnate(found);
    const same = { lastSeq: 0, transcriptSeen: 0 };
    const [before, after] = [state, actor.state()].map((of) => ({
      ...of,
      record: { ...of.record, ...same },
    }));
    if (!isDeepStrictEqual(before, after)) problems.push('a session is not the same when it is loaded again');
  };

  const happen: Record<Step['kind'], (n: number, flag: boolean) => unknown> = {
    send,
    cancel(n, flag) {
      const turnId = pick(turns, n) ?? 'none';
      if (flag && agent.withdraw(turnId)) fact({ kind: 'cancel', turnId, withdrawn: true });
      else attempt({ kind: 'cancel', turnId });
    },
    set: (n, flag) =>
      attempt(
        flag
          ? { kind: 'set-model', model: `model ${n}` }
          : {
              kind: 'patch',
              set: { options: { enable_proxy: false, on_crash: n % 3 ? 'resume' : 'interrupt' } },
            },
      ),
    interrupt,
    'stop all': () => attempt({ kind: 'stop-all' }),
    close: (n) => n % 3 === 0 && close(),
    answer: settle,
    'give up': giveUp,
    'process opens': () => agent.open(),
    'process starts': () => agent.start(),
    'process does not start': () => agent.failStart(),
    'process is not free'(n) {
      const { current } = actor.state();
      if (current && agent.isExpected())
        fact({ kind: 'turn-waiting', turnId: current.turn.id, position: 1 + (n % 3) });
    },
    sleep: () => attempt({ kind: 'sleep' }),
    'process dies': () => agent.die(),
    'agent takes': () => agent.take(),
    'agent takes in': () => agent.takeIn(),
    'agent begins'() {
      const turnId = randomUUID();
      turns.push(turnId);
      agent.beginOwn(turnId);
    },
    'agent speaks': (n) => agent.speak(n),
    'agent ends': (_, flag) => agent.end(flag),
    'agent ends late': (n, flag) => agent.endLate(pick(turns, n), flag),
    'agent asks': ask,
    'agent changes': (n) => agent.change(n),
    'tasks change': (n) => agent.changeTasks(n),
    disk(n) {
      disk = pick(['works', 'works', 'fails at once', 'fails late'] as const, n) ?? 'works';
    },
    'time passes'() {
      passTime();
      const waiting = parkableRequest(actor.state());
      if (waiting) fact({ kind: 'park', requestId: waiting.id, cut: undefined });
    },
    'leaves memory': leaveMemory,
    restart: (n, flag) => (n % 4 === 0 ? restart(n, flag) : undefined),
  };

  const check = (): void => {
    problems.push(...differences(actor.state(), rows));
    if (problems.length > 0) throw new Error(problems.join('\n'));
  };

  incarnate(record);
  return {
    async step({ kind, n, flag, answers }) {
      const happening = happen[kind](n, flag);
      if (kind === 'restart' || kind === 'leaves memory') await happening;
      await soon();
      if (answers) await answer();
      check();
    },

    async finish() {
      disk = 'works';
      for (let round = 0; round < 500; round++) {
        passTime();
        await answer();
        if (inFlight || actor.isStuck()) continue;
        const { current, own, queue, parked, pending } = actor.state();
        if (parked && pending.length > 0 && !agent.isBusy()) {
          const given = { request_id: parked.requestId, allowed: true };
          attempt({ kind: 'answer-permission', answer: given, by: { kind: 'local' } });
        } else if (agent.isBusy()) agent.die();
        else if (agent.isExpected()) agent.failStart();
        // Turns that were told to stop while they waited for a process: nothing else ends them.
        else if (current || own)
          attempt({ kind: 'end-turns', turnIds: runningTurns(actor.state()), cut: undefined });
        else if (queue.length === 0) break;
        await soon();
      }
      check();
      problems.push(...(await logProblems(store, id, { requests, refused })));
      check();
    },
  };
}
