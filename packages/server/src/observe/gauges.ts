import { PERMISSION_KINDS, SESSION_STATES } from 'claude-agent-protocol/reasons';
import type { Store } from '../store/store.ts';
import type { Maker } from './maker.ts';
import type { SessionsAtWork } from './state.ts';
import type { ProcessCounts } from './watched-processes.ts';

/** What is measured at the moment of a scrape. */
export interface Sources {
  sessions(): SessionsAtWork;
  store: Pick<Store, 'countSessions'>;
  processes: ProcessCounts;
  maxLiveAgents: number;
}

/** A scrape waits no longer for the store. */
const STORE_PATIENCE_MS = 1_000;

/** The metrics that are states: asked for at each scrape, so nothing has to be kept up to date. */
export function createGauges({ counter, gauge }: Maker, sources: Sources): void {
  const { sessions, store, processes, maxLiveAgents } = sources;

  gauge('sessions', 'Sessions in memory, by what they do', ['state'], (made) => {
    const { states } = sessions();
    for (const state of SESSION_STATES) made.set({ state }, states.get(state) ?? 0);
  });
  gauge('sessions_open', 'Open sessions of the store: those of all nodes', [], async (made) => {
    const count = await within(store.countSessions('connected'));
    if (count === undefined) made.remove();
    else made.set(count);
  });
  gauge('turns_queued', 'Messages that wait behind others of their session', [], (made) =>
    made.set(sessions().queuedTurns),
  );
  gauge('turns_waiting_for_agent', 'Turns that wait for an agent process', [], (made) =>
    made.set(sessions().waitingForAgent),
  );
  gauge('permissions_pending', 'Permission requests that wait', ['kind'], (made) => {
    made.reset();
    for (const kind of PERMISSION_KINDS) made.set({ kind }, 0);
    for (const { kind } of sessions().pending) made.inc({ kind });
  });
  gauge('permission_oldest_seconds', 'Age of the oldest request that waits; 0 without one', [], (made) => {
    const ages = sessions().pending.map(({ requestedAt }) => Date.now() - Date.parse(requestedAt));
    made.set(Math.max(0, ...ages) / 1000);
  });
  gauge('calls_pending', 'Calls of hooks and tools that wait for their program', [], (made) =>
    made.set(sessions().pendingCalls),
  );
  gauge('store_stuck', '1 while something that happened cannot be written', [], (made) =>
    made.set(sessions().isStuck ? 1 : 0),
  );
  gauge('agent_processes', 'Agent processes, those kept ready included', [], (made) =>
    made.set(processes.running()),
  );
  gauge('agent_processes_limit', 'The most agent processes at a time').set(maxLiveAgents);
  counter('agent_starts_total', 'Agent processes that were started', [], processes.started);
  gauge('agent_memory_bytes', 'Memory of the agents and of what they started', [], async (made) => {
    const bytes = await processes.memoryBytes();
    if (bytes !== undefined) made.set(bytes);
  });
}

/** undefined when it fails, or takes too long: the rest of the scrape does not wait for it. */
async function within<T>(result: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), STORE_PATIENCE_MS);
  });
  try {
    return await Promise.race([result, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
