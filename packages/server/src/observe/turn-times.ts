import type { Change } from '../store/store.ts';

/** What is known of a turn that has not ended. Times are of the monotonic clock, in ms. */
interface Open {
  acceptedAt: number;
  startedAt?: number;
  /** It has had its first token. */
  hasAnswer?: boolean;
}

export interface TurnTimeObserver {
  /** From its acceptance to its start. */
  onStart(seconds: number): void;
  /** From the acceptance of its message to the first token of the answer. */
  onFirstToken(seconds: number): void;
  /** `seconds` from its start; undefined for a turn that began before this server, or never did. */
  onEnd(result: Result, code: string | undefined, seconds: number | undefined): void;
}

type Result = 'completed' | 'failed' | 'interrupted';
const RESULTS: ReadonlySet<string> = new Set<Result>(['completed', 'failed', 'interrupted']);
/** Turns that another node has taken over never end here; beyond this many, the oldest is forgotten. */
const MOST_OPEN = 20_000;

const isResult = (state: string | undefined): state is Result => RESULTS.has(state ?? '');

/** Follows the turns of this server through what is written of them. */
export function createTurnTimes(observer: TurnTimeObserver) {
  const open = new Map<string, Open>();

  const start = (id: string, now: number): void => {
    const turn = open.get(id);
    if (!turn || turn.startedAt !== undefined) return;
    turn.startedAt = now;
    observer.onStart((now - turn.acceptedAt) / 1000);
  };

  return {
    onChange(change: Change): void {
      const now = performance.now();
      if (change.kind === 'insert-turn') {
        const { id, state, steers } = change.turn;
        // A message for a running turn has none of its own.
        if (steers !== null) return;
        open.set(id, { acceptedAt: now });
        for (const oldest of open.keys()) {
          if (open.size <= MOST_OPEN) break;
          open.delete(oldest);
        }
        if (state === 'running') start(id, now);
      } else if (change.kind === 'update-turn') {
        const { id, set } = change;
        if (set.state === 'running') start(id, now);
        if (set.state === 'steered') open.delete(id);
        if (!isResult(set.state)) return;
        const startedAt = open.get(id)?.startedAt;
        open.delete(id);
        observer.onEnd(
          set.state,
          set.result?.error?.code,
          startedAt === undefined ? undefined : (now - startedAt) / 1000,
        );
      }
    },
    /** A token of a turn arrived. */
    onToken(id: string): void {
      const turn = open.get(id);
      if (!turn || turn.hasAnswer) return;
      turn.hasAnswer = true;
      observer.onFirstToken((performance.now() - turn.acceptedAt) / 1000);
    },
  };
}
