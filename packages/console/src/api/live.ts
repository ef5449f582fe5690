import type { QueryClient } from '@tanstack/react-query';
import { type AgentClient, pause, type SessionEvent } from 'claude-agent-client';

/** How the stream is doing that keeps the page up to date. */
export type LiveConnection = 'connecting' | 'open' | 'retrying';

export interface LiveListener {
  onEvent?(event: SessionEvent): void;
  /** A session was erased, by whomever. */
  onErased?(sessionId: string): void;
}

/** The control events of all sessions that the reader may see: everything but what agents say. */
export interface Live {
  /** Calls the listener with each event from now on. Returns the function that ends it. */
  subscribe(listener: LiveListener): () => void;
  /** For `useSyncExternalStore`. */
  watchConnection(listener: () => void): () => void;
  connection(): LiveConnection;
  stop(): void;
}

/** Lists are read again at most this often, whatever the number of events. */
const REFRESH_MS = 500;
const RETRY_MS = 2_000;

/** What events keep up to date. Everything else is read when its page is opened. */
const FOLLOWED: ReadonlySet<unknown> = new Set([
  'sessions',
  'session-list',
  'session-states',
  'session',
  'inbox',
]);

type Told =
  | { event: SessionEvent }
  | { erased: string }
  | { connection: LiveConnection }
  | { restarted: true };

/**
 * Follows `GET /events` and marks what the events are about as stale.
 *
 * All tabs of a browser share one connection: over HTTP/1.1 a browser opens six to a server, and a stream in each tab would
 * use them up. The tab that holds a lock reads and passes the events on; when it closes, the next one takes over.
 */
export function createLive(client: AgentClient, queries: QueryClient): Live {
  const listeners = new Set<LiveListener>();
  const watchers = new Set<() => void>();
  const stopped = new AbortController();
  const channel = new BroadcastChannel(`live ${client.baseUrl}`);
  const refresh = createRefresh(queries);
  let connection: LiveConnection = 'connecting';

  const take = (told: Told): void => {
    if ('event' in told) {
      refresh(told.event);
      for (const { onEvent } of listeners) onEvent?.(told.event);
    } else if ('erased' in told) {
      void queries.invalidateQueries({ queryKey: ['sessions'] });
      for (const { onErased } of listeners) onErased?.(told.erased);
    } else if ('connection' in told) {
      connection = told.connection;
      for (const watcher of watchers) watcher();
    } else {
      // Nobody knows what happened since these were read.
      void queries.invalidateQueries({ predicate: ({ queryKey: [kind] }) => FOLLOWED.has(kind) });
    }
  };
  const tell = (told: Told): void => {
    take(told);
    channel.postMessage(told);
  };
  channel.addEventListener('message', ({ data }: MessageEvent<Told | 'hello'>) => {
    if (data !== 'hello') take(data);
    else if (isReading) channel.postMessage({ connection } satisfies Told);
  });
  let isReading = false;

  const read = async (): Promise<void> => {
    isReading = true;
    while (!stopped.signal.aborted) {
      let hasBegun = false;
      const onConnection = ({ state }: { state: LiveConnection }): void => {
        tell({ connection: state });
        // The stream begins with what comes now; the lists may have been read before.
        if (state === 'open' && !hasBegun) tell({ restarted: true });
        hasBegun ||= state === 'open';
      };
      try {
        const onErased = (erased: string): void => tell({ erased });
        const events = client.events({ signal: stopped.signal, onConnection, onErased });
        for await (const event of events) tell({ event });
      } catch {
        // The server refuses to go on from where the stream was: begin again.
        tell({ connection: 'retrying' });
        await pause(RETRY_MS, stopped.signal);
      }
    }
  };

  // Locks exist on secure pages only (HTTPS, or this machine); elsewhere each tab reads for itself.
  if ('locks' in navigator) {
    channel.postMessage('hello');
    navigator.locks
      .request(`live ${client.baseUrl}`, { signal: stopped.signal }, read)
      .catch(() => undefined);
  } else void read();

  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    watchConnection(listener) {
      watchers.add(listener);
      return () => watchers.delete(listener);
    },
    connection: () => connection,
    stop() {
      stopped.abort();
      channel.close();
    },
  };
}

/** Marks the queries that an event is about as stale, many events at once. */
function createRefresh(queries: QueryClient): (event: SessionEvent) => void {
  const sessions = new Set<string>();
  let isInbox = false;
  let isState = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = (): void => {
    timer = undefined;
    void queries.invalidateQueries({ queryKey: ['sessions'] });
    for (const id of sessions) void queries.invalidateQueries({ queryKey: ['session', id] });
    if (isInbox) void queries.invalidateQueries({ queryKey: ['inbox'] });
    if (isState) void queries.invalidateQueries({ queryKey: ['session-states'] });
    sessions.clear();
    isInbox = false;
    isState = false;
  };
  return (event) => {
    sessions.add(event.session_id);
    isInbox ||= event.type.startsWith('permission.') || event.type === 'session.closed';
    isState ||= event.type === 'session.state' || event.type === 'session.closed';
    if (timer === undefined) timer = setTimeout(run, REFRESH_MS);
  };
}
