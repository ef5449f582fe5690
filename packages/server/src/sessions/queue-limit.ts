import { problem } from '../errors.ts';
import type { Permits } from './permits.ts';

/** A session that gets a message. */
export interface Receiver {
  /** Something runs or waits there: the message waits behind it. */
  isBusy: boolean;
  /** It has a process, or a start that has its permit. */
  hasProcess: boolean;
}

/** Limits the messages that wait, over all sessions: exactly so, however many come at once. */
export interface QueueLimit {
  /** How many more sessions could have a process at once: those that are idle would sleep for it. */
  room(): number;
  /**
   * Takes a message in, which counts until its session counts it.
   * @returns what ends that: the message is accepted, or refused
   * @throws AppError 503 when it would wait, and too many do already
   */
  admit(receiver: Receiver): () => void;
}

export interface QueueLimitDeps {
  max: number;
  permits: Pick<Permits, 'free'>;
  /** The sessions in memory: no other has a message that waits. */
  sessions(): readonly { queuedTurns(): number; needsPermit(): boolean }[];
}

/** What a message will need that is not committed yet. */
type Need = 'queue' | 'permit' | 'idle process';

export function createQueueLimit({ max, permits, sessions }: QueueLimitDeps): QueueLimit {
  const arriving = new Set<{ need: Need }>();

  /**
   * Messages in queues, sessions that wait for a permit, and permits that are left for them; fewer than none when idle
   * processes are about to be used. 0.2 ms with 10,000 sessions.
   */
  const count = (): { queued: number; starting: number; free: number } => {
    let [queued, starting, free] = [0, 0, permits.free()];
    for (const session of sessions()) {
      queued += session.queuedTurns();
      if (session.needsPermit()) starting += 1;
    }
    for (const { need } of arriving) {
      if (need === 'queue') queued += 1;
      else if (need === 'permit') starting += 1;
      // Its process, idle until now, will make no room.
      else free -= 1;
    }
    return { queued, starting, free };
  };

  /** Messages that wait: in queues, and for a permit. */
  const waiting = (): number => {
    const { queued, starting, free } = count();
    return queued + Math.max(0, starting - free);
  };

  return {
    room() {
      const { starting, free } = count();
      return Math.max(0, free - starting);
    },
    admit({ isBusy, hasProcess }) {
      const message = { need: isBusy ? 'queue' : hasProcess ? 'idle process' : 'permit' } as const;
      const before = message.need === 'idle process' ? 0 : waiting();
      arriving.add(message);
      if (message.need !== 'idle process') {
        const after = waiting();
        if (after > before && after > max) {
          arriving.delete(message);
          throw problem('queue_full', { limit: max });
        }
      }
      return () => arriving.delete(message);
    },
  };
}
