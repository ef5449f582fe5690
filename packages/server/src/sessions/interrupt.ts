import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess, Spent } from '../agent/agent.ts';
import { storageFailed } from '../errors.ts';
import { runningTurns } from './machine/state.ts';
import type { ProcessHandle } from './process.ts';
import type { SessionActor } from './session-actor.ts';
import type { Waiters } from './waiters.ts';

/** If the agent does not obey an interrupt within this time, its process is ended. */
const INTERRUPT_PATIENCE_MS = 10_000;
/** An interrupt can reach the agent before the message that it is meant for, so it is repeated. */
const INTERRUPT_AGAIN_MS = 250;

/** Stops the work of a session. The agent is told even while the store fails: stopping must not depend on it. */
export interface Interrupt {
  /** Ends the turn that runs; background tasks go on. Settles when its end is in the log. */
  turn(): Promise<void>;
  /** Ends everything: the turn, background tasks, and queued messages. */
  all(): Promise<void>;
}

export interface InterruptDeps {
  actor: SessionActor;
  withCut<T>(end: (cut: Spent | undefined) => Promise<T>): Promise<T>;
  process: ProcessHandle;
  waiters: Waiters;
}

export function createInterrupt({ actor, withCut, process, waiters }: InterruptDeps): Interrupt {
  const { state, call } = actor;
  const running = (): string[] => runningTurns(state());
  const atAgent = (): boolean => {
    const { own, current } = state();
    return own !== undefined || (current !== undefined && current.phase !== 'starting');
  };

  /** Ends turns for which no result of the agent will come. */
  const end = async (turnIds: readonly string[], cut?: Spent): Promise<void> => {
    try {
      await call({ kind: 'end-turns', turnIds, cut });
    } catch (error) {
      // They have stopped, and nothing else would end them: their end is written when the store works again. Their
      // usage is booked by itself (withCut).
      actor.fact({ kind: 'end-turns', turnIds, cut: undefined }, 'end a turn');
      throw error;
    }
  };

  /** Repeats the interrupt until the turns are over or time is up. */
  const insist = async (
    live: AgentProcess,
    all: boolean,
    turns: { over: Promise<unknown>; run(): boolean },
  ): Promise<void> => {
    const deadline = Date.now() + INTERRUPT_PATIENCE_MS;
    while (turns.run() && Date.now() < deadline) {
      // A process that dies now never answers; its end settles the turn.
      const obeyed = live.interrupt({ all }).then(
        (dropped) => (dropped.length > 0 ? end(dropped) : undefined),
        () => {},
      );
      const late = sleep(INTERRUPT_PATIENCE_MS, undefined, { ref: false });
      await Promise.race([obeyed, turns.over, late]);
      const again = sleep(INTERRUPT_AGAIN_MS, undefined, { ref: false });
      if (turns.run()) await Promise.race([turns.over, again]);
      requireStore();
    }
    if (turns.run()) await live.close();
  };

  const stopTurn = async (all: boolean): Promise<void> => {
    const turnIds = running();
    if (turnIds.length === 0) return;
    actor.intend({ kind: 'mark-stopped', turnIds });
    const over = Promise.all(turnIds.map((turnId) => waiters.over(turnId)));
    const run = (): boolean => running().some((turnId) => turnIds.includes(turnId));
    actor.fact({ kind: 'withdraw-questions' }, 'withdraw what the turn asked');
    const live = process.live();
    if (live && atAgent()) await insist(live, all, { over, run });
    // The process that is starting has the message, and would begin it.
    else if (!live && atAgent()) await process.end();
    if (run()) await withCut((cut) => end(turnIds, cut));
    await over;
  };

  /** The agent was told, but its stop cannot be written, so the caller must not hear that it did. @throws AppError 503 */
  const requireStore = (): void => {
    if (actor.isStuck()) throw storageFailed(new Error('the end of the turn waits to be written'));
  };

  return {
    turn: () => stopTurn(false),

    async all() {
      await call({ kind: 'stop-all' });
      const stopTasks = (): Promise<unknown> =>
        Promise.all(state().tasks.map(({ view }) => process.tell((live) => live.stopTask(view.task_id))));
      // If the agent does not stop its tasks, its process is ended: "all" means all.
      await stopTasks().catch(() => process.end());
      // Measured: without this the agent begins a turn to report that its tasks were stopped.
      if (running().length > 0) await stopTurn(true);
      else await process.tell(async (live) => void (await live.interrupt({ all: true })));
      await actor.settled();
      requireStore();
    },
  };
}
