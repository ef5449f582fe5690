import type { Client } from 'pg';
import type { PostgresPool } from './pool.ts';

/** Where apply_writes says which session has new events. */
export const CHANNEL = 'claude_agent_events';

const RETRY_MS = 1_000;

interface Listener {
  /** Calls back with the session of each event that any node commits. Returns how to stop. */
  watch(onWrite: (sessionId: string) => void): () => void;
  /** This process has written events of a session: its watchers need not wait for the database to say so. */
  tell(sessionId: string): void;
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

  const tell = (sessionId: string): void => {
    for (const watcher of watchers) watcher(sessionId);
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
    fresh.on('notification', ({ payload }) => tell(payload ?? ''));
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
    tell,
    async close() {
      closed = true;
      clearTimeout(retry);
      await opening;
      await client?.end().catch(() => {});
    },
  };
}
