import type { Client } from 'pg';
import type { PostgresPool } from './pool.ts';

/** Where nodes say which session has new events. */
const CHANNEL = 'claude_agent_events';

const RETRY_MS = 1_000;

interface Listener {
  /** Calls back with the session of each event that any node commits. Returns how to stop. */
  watch(onWrite: (sessionId: string) => void): () => void;
  /** This process has written events of these sessions: tells its own watchers, and the other nodes. */
  tell(sessionIds: readonly string[]): void;
  close(): Promise<void>;
}

/**
 * LISTEN on a connection of its own, opened with the first watcher. What is missed while it is away is found by polling,
 * which each watcher does anyway.
 */
export function createListener(
  pool: PostgresPool,
  listens: boolean,
  onError: (error: unknown, what: string) => void,
): Listener {
  const watchers = new Set<(sessionId: string) => void>();
  let client: Client | undefined;
  let retry: NodeJS.Timeout | undefined;
  let opening: Promise<void> | undefined;
  let closed = false;

  const wake = (sessionId: string): void => {
    for (const watcher of watchers) watcher(sessionId);
  };
  /** Sessions of which the other nodes have not been told yet. */
  const untold = new Set<string>();
  let telling: Promise<void> | undefined;

  // After the commit, not in it: NOTIFY holds one lock of the whole cluster until its transaction is on the disk, so four
  // writers made 110 commits/s together instead of 290. Alone it writes nothing. What is lost is found by polling.
  const tellOthers = async (): Promise<void> => {
    while (untold.size > 0 && !closed) {
      const ids = [...untold];
      untold.clear();
      try {
        await pool.all('select pg_notify($1, id) from unnest($2::text[]) id', CHANNEL, ids);
      } catch (error) {
        onError(error, 'tell the other nodes of new events');
      }
    }
    telling = undefined;
  };

  const open = async (): Promise<void> => {
    if (closed) return;
    const fresh = pool.client();
    const lost = (error: unknown): void => {
      if (client !== fresh || closed) return;
      client = undefined;
      onError(error, 'listen to the database');
      fresh.end().catch(() => {});
      later();
    };
    client = fresh;
    fresh.on('error', lost);
    fresh.on('end', () => lost(new Error('the connection has ended')));
    fresh.on('notification', ({ payload }) => wake(payload ?? ''));
    try {
      await fresh.connect();
      await fresh.query(`listen ${CHANNEL}`);
    } catch (error) {
      lost(error);
    }
  };
  const later = (): void => {
    retry = setTimeout(() => {
      opening = open();
    }, RETRY_MS);
  };

  return {
    watch(onWrite) {
      watchers.add(onWrite);
      if (listens) opening ??= open();
      return () => watchers.delete(onWrite);
    },
    tell(sessionIds) {
      for (const id of sessionIds) {
        wake(id);
        untold.add(id);
      }
      telling ??= tellOthers();
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      await telling;
      await opening;
      await client?.end().catch(() => {});
    },
  };
}
