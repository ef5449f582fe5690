import type { SessionState, StateCounts } from 'claude-agent-protocol';
import type { LiveSession } from '../cluster/nodes.ts';
import { isInScope } from '../store/scope.ts';
import type { Scope, SessionQuery } from '../store/store.ts';

type OpenState = Exclude<SessionState, 'closed'>;

/**
 * What this node has in memory, and what the other live nodes have written down. This node knows best what it has itself. All
 * other open sessions are asleep.
 */
export function liveSessions(
  here: readonly LiveSession[],
  elsewhere: readonly LiveSession[] = [],
): LiveSession[] {
  return [...new Map([...elsewhere, ...here].map((session) => [session.id, session])).values()];
}

/**
 * The condition of a list that open sessions are in one of these states. There are no more live sessions than agents, and a few
 * at rest, so they are named. The store need not know what they do, which changes often.
 */
export function inStates(
  states: readonly OpenState[],
  live: readonly LiveSession[],
): Pick<SessionQuery, 'only' | 'without'> {
  const wanted: ReadonlySet<SessionState> = new Set(states);
  const idsOf = (isWanted: boolean): string[] =>
    live.flatMap(({ id, state }) => (wanted.has(state) === isWanted ? [id] : []));
  return wanted.has('asleep') ? { without: idsOf(false) } : { only: idsOf(true) };
}

export function countStates(live: readonly LiveSession[], scope: Scope): StateCounts {
  const counts: StateCounts = { running: 0, waiting: 0, background: 0, idle: 0 };
  for (const session of live) {
    const { state } = session;
    if (state !== 'asleep' && state !== 'closed' && isInScope(scope, session)) counts[state] += 1;
  }
  return counts;
}
