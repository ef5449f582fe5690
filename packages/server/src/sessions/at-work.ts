import type { SessionState } from 'claude-agent-protocol';
import type { LiveSession } from '../cluster/nodes.ts';
import type { SessionsAtWork } from '../observe/state.ts';
import type { Session } from './session.ts';

/** States in which a session does something. */
export const BUSY: ReadonlySet<SessionState> = new Set(['running', 'waiting', 'background']);

/** What the sessions of this server do. */
export interface AtWork {
  /**
   * Whether any session runs a turn, works in the background, or waits for an answer that would be lost with this server:
   * a durable permission is not.
   */
  isBusy(): boolean;
  /** Whether something that happened cannot be written at the moment. */
  isStuck(): boolean;
  /** What each session in memory does. */
  live(): LiveSession[];
  /** In numbers. 10,000 sessions take about 10 ms. */
  atWork(): SessionsAtWork;
}

const works = (session: Session): boolean => {
  if (session.state() !== 'waiting') return BUSY.has(session.state());
  const permissions = session.pendingPermissions();
  const isDurable = permissions.length > 0 && permissions.every(({ durable }) => durable);
  return !isDurable || session.pendingCalls().length > 0;
};

/** @param all the sessions in memory */
export function createAtWork(all: () => readonly Session[]): AtWork {
  const isStuck = (): boolean => all().some((session) => session.isStuck());
  return {
    isBusy: () => all().some(works),
    isStuck,
    live: () =>
      all().map((session) => {
        const { id, tenant, createdBy } = session.record();
        return { id, tenant, createdBy, state: session.state() };
      }),
    atWork() {
      const sessions = all();
      const states = new Map<SessionState, number>();
      for (const session of sessions) {
        const state = session.state();
        states.set(state, (states.get(state) ?? 0) + 1);
      }
      return {
        states,
        queuedTurns: sessions.reduce((sum, session) => sum + session.queuedTurns(), 0),
        waitingForAgent: sessions.filter((session) => session.needsPermit()).length,
        pending: sessions.flatMap((session) =>
          session.pendingPermissions().map(({ kind, requested_at: requestedAt }) => ({ kind, requestedAt })),
        ),
        pendingCalls: sessions.reduce((sum, session) => sum + session.pendingCalls().length, 0),
        isStuck: isStuck(),
      };
    },
  };
}
