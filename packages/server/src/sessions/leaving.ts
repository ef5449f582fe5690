import { problem } from '../errors.ts';
import { parkableRequest } from './machine/parking.ts';
import { runningTurns } from './machine/state.ts';
import type { ProcessHandle } from './process.ts';
import type { SessionActor } from './session-actor.ts';
import type { Waiters } from './waiters.ts';

/** How long a shutdown waits for a failing store; the next start settles anything left unwritten. */
const LAST_WRITES_MS = 1_500;

export interface LeavingDeps {
  id: string;
  actor: SessionActor;
  process: Pick<ProcessHandle, 'live' | 'isWaiting' | 'giveUp' | 'kill' | 'end'>;
  waiters: Waiters;
  settling: Waiters;
  endTimers(): void;
}

/** The ways in which a session stops being this server's business. */
export interface Leaving {
  /** First half of a shutdown: starts no further turn, and settles when none runs. */
  drain(): Promise<void>;
  /**
   * Second half: ends running work and the process. Queued turns stay queued for the next start.
   * @returns whether everything could be written
   */
  shutdown(): Promise<boolean>;
  /**
   * Another node owns the session, or may own it soon: nothing more is written or done, and the process is killed.
   * Settles when it is gone.
   */
  abandon(): Promise<void>;
}

export function createLeaving(deps: LeavingDeps): Leaving {
  const { id, actor, process, waiters, settling, endTimers } = deps;
  const { state, fact } = actor;

  return {
    async drain() {
      actor.intend({ kind: 'drain' });
      // A turn that can wait for its permission without this server does, and so does one that has not begun.
      if (parkableRequest(state())) return;
      if (process.isWaiting()) {
        process.giveUp();
        return;
      }
      // The end of one may begin the next: a message that the agent has already.
      const seen = new Set<string>();
      for (;;) {
        const running = runningTurns(state()).filter((turnId) => !seen.has(turnId));
        if (running.length === 0) return;
        for (const turnId of running) seen.add(turnId);
        await Promise.all(running.map(waiters.over));
      }
    },

    async shutdown() {
      actor.intend({ kind: 'drain' });
      const cut = await process.live()?.cut();
      const parks = parkableRequest(state()) !== undefined;
      fact({ kind: 'shut-down', cut }, 'settle what runs');
      // An agent that is told to end answers the call that waits, in its transcript: as interrupted.
      await (parks ? process.kill() : process.end());
      endTimers();
      const written = await actor.writtenWithin(LAST_WRITES_MS);
      const reason = problem('server_stopping', { kept: true });
      waiters.rejectAll(reason);
      settling.rejectAll(reason);
      return written;
    },

    async abandon() {
      actor.abandon(problem('session_moved', { id, kept: false }));
      endTimers();
      const reason = problem('session_moved', { id, kept: true });
      waiters.rejectAll(reason);
      settling.rejectAll(reason);
      // The one ends a process that runs, at once; the other one that is starting.
      await Promise.all([process.kill(), process.end()]);
    },
  };
}
