import type { Context } from '@opentelemetry/api';
import type { Change } from '../store/store.ts';

/** Where a message came from: ties logs and traces of its turn to the request. */
export interface Origin {
  requestId: string;
  /** The request's place in its trace, if there is one. */
  context: Context | undefined;
}

/** The origins of the turns that have not ended. */
export interface Origins {
  /** A message is about to be accepted as this turn. */
  note(turnId: string, origin: Origin): void;
  of(turnId: string): Origin | undefined;
  /** The turn that runs in a session, with its origin. */
  ofSession(sessionId: string): { turnId: string; origin: Origin | undefined } | undefined;
  /** Follows what is written. */
  onChange(change: Change): void;
}

/** A message that was refused, or a turn that another node took over, never ends here: the oldest is forgotten. */
const MOST = 20_000;

export function createOrigins(): Origins {
  const origins = new Map<string, Origin>();
  const running = new Map<string, string>();

  const begin = (sessionId: string, turnId: string): void => {
    keep(running, sessionId, turnId);
  };

  return {
    note: (turnId, origin) => keep(origins, turnId, origin),
    of: (turnId) => origins.get(turnId),
    ofSession(sessionId) {
      const turnId = running.get(sessionId);
      return turnId === undefined ? undefined : { turnId, origin: origins.get(turnId) };
    },
    onChange(change) {
      if (change.kind === 'insert-turn') {
        const { id, sessionId, state } = change.turn;
        if (state === 'running') begin(sessionId, id);
      } else if (change.kind === 'update-turn') {
        const { id, sessionId, set } = change;
        if (set.state === 'running') begin(sessionId, id);
        else if (set.state !== undefined && set.state !== 'queued') {
          origins.delete(id);
          if (running.get(sessionId) === id) running.delete(sessionId);
        }
      }
    },
  };
}

/** Adds to a map that forgets its oldest entries. */
export function keep<V>(map: Map<string, V>, key: string, value: V, most = MOST): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) return;
    map.delete(oldest);
  }
}
