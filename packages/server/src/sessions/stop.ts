import { setTimeout as sleep } from 'node:timers/promises';
import type { Spent } from '../agent/agent.ts';
import { storageFailed } from '../errors.ts';
import type { Broker } from '../permissions/broker.ts';
import type { Interrupted } from './answer.ts';
import type { Calls } from './calls.ts';
import type { Called, Decide, Ledger } from './ledger.ts';
import { cutTurns, type Effects, endQueued, type SessionDraft, type State, settle } from './state.ts';
import type { Waiters } from './waiters.ts';
import type { WarmAgent } from './warm.ts';

/** An interrupt that the agent does not obey in this time ends its process instead. */
const INTERRUPT_PATIENCE_MS = 10_000;
/** An interrupt can reach the agent before the message that it is meant for; then it is said again. */
const INTERRUPT_AGAIN_MS = 250;

/** How a session is told to stop. */
export interface Stop {
  /** Ends the turn that runs; background tasks go on. Settles when its end is in the log. */
  turn(): Promise<void>;
  /** Ends everything: the turn, background tasks, and what is queued. */
  all(): Promise<void>;
}

export interface StopDeps {
  ledger: Ledger<State>;
  call<T>(decide: Decide<State, T>): Promise<Called<T>>;
  withCut<T>(end: (cut: Spent | undefined) => Promise<T>): Promise<T>;
  warm: WarmAgent;
  waiters: Waiters;
  broker: Broker;
  calls: Calls;
  stops: Map<string, Interrupted>;
  effects: Effects;
  next(draft: SessionDraft): void;
  now(): string;
}

export function createStop({
  ledger,
  call,
  withCut,
  warm,
  waiters,
  broker,
  calls,
  stops,
  effects,
  next,
  now,
}: StopDeps): Stop {
  const running = (): string[] => {
    const { current, own } = ledger.state();
    return [own, current].flatMap((each) => (each ? [each.turn.id] : []));
  };

  /** Ends turns that the agent says nothing more about. */
  const end = async (targets: readonly string[], cut?: Spent): Promise<void> => {
    const decide = (spent: Spent | undefined) => (draft: SessionDraft) => {
      // Meanwhile the process may have died, and its end theirs.
      cutTurns(draft, effects, { error: null, cut: spent }, now(), ({ turn }) => targets.includes(turn.id));
      next(draft);
    };
    try {
      await call(decide(cut));
    } catch (error) {
      // They are stopped all the same, and nothing else would end them: their end is written when the store works
      // again. What they have used is booked by itself (withCut).
      ledger.fact(decide(undefined)).catch(() => {});
      throw error;
    }
  };

  const stopTurn = async (all: boolean): Promise<void> => {
    const targets = running();
    if (targets.length === 0) return;
    for (const turnId of targets) if (!stops.has(turnId)) stops.set(turnId, { reason: 'interrupted' });
    const over = Promise.all(targets.map((turnId) => waiters.over(turnId)));
    const runs = (): boolean => running().some((turnId) => targets.includes(turnId));
    const withdrawn = ledger.fact((draft) => settleQuestions(draft, broker, calls));
    withdrawn.catch(() => {});
    const process = warm.live();
    if (process && (ledger.state().own || ledger.state().current?.sent)) {
      const deadline = Date.now() + INTERRUPT_PATIENCE_MS;
      while (runs() && Date.now() < deadline) {
        // A process that dies meanwhile never answers; its end settles the turn.
        const obeyed = process.interrupt({ all }).then(
          (dropped) => (dropped.length > 0 ? end(dropped) : undefined),
          () => {},
        );
        const late = sleep(INTERRUPT_PATIENCE_MS, undefined, { ref: false });
        await Promise.race([obeyed, over, late]);
        if (runs()) await Promise.race([over, sleep(INTERRUPT_AGAIN_MS, undefined, { ref: false })]);
        requireStore(ledger);
      }
      if (runs()) await process.close();
    }
    if (runs()) await withCut((cut) => end(targets, cut));
    await over;
  };

  return {
    turn: () => stopTurn(false),

    async all() {
      await call((draft) => {
        const { queue, unsettled } = draft.state;
        for (const queued of queue) endQueued(draft, effects, queued, { reason: 'cancelled' }, now());
        const error = { code: 'interrupted', message: 'The background work was stopped.' };
        for (const waiting of unsettled) settle(draft, effects, waiting, error, now());
      });
      const stopTasks = (): Promise<unknown> =>
        Promise.all(
          ledger.state().tasks.map(({ view }) => warm.tell((process) => process.stopTask(view.task_id))),
        );
      // An agent that does not even stop its tasks is ended: that is what "all" asks for.
      await stopTasks().catch(() => warm.end());
      // Measured: without this the agent begins a turn to report that its tasks were stopped.
      if (running().length > 0) await stopTurn(true);
      else await warm.tell(async (process) => void (await process.interrupt({ all: true })));
      await ledger.settled();
      requireStore(ledger);
    },
  };
}

/** The questions of the turn; a subagent in the background goes on, and so do its questions. */
function settleQuestions(draft: SessionDraft, broker: Broker, calls: Calls): void {
  const inBackground = new Set(draft.state.tasks.map(({ view }) => view.task_id));
  broker.settleAll(draft, 'interrupted', ({ agentId }) => !inBackground.has(agentId ?? ''));
  // Measured: an interrupt does not take back the call of a custom tool, and the turn would wait for its end.
  calls.settleAll(
    draft,
    'interrupted',
    ({ turn_id, input }) => turn_id !== null && !inBackground.has(String(input.agent_id)),
  );
}

/** The agent was told; that it stopped cannot be written, and so not be answered for. @throws AppError 503 */
function requireStore(ledger: Ledger<State>): void {
  if (ledger.isStuck()) throw storageFailed(new Error('the end of the turn waits to be written'));
}
