import type { LiveMessage } from '../events/frames.ts';
import type { Log } from '../events/log.ts';

export interface LiveObserver {
  /** A token, or something else that is shown live only. */
  onLive(turnId: string | null, message: LiveMessage): void;
}

/** The same log; what is shown live only is told too. */
export function watchLog(log: Log, observer: LiveObserver): Log {
  return {
    ...log,
    live(sessionId, turnId, message) {
      observer.onLive(turnId, message);
      log.live(sessionId, turnId, message);
    },
  };
}
