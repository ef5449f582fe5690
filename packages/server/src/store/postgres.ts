import { auditStore } from './postgres/audit.ts';
import { eventReads } from './postgres/events.ts';
import { keyTable } from './postgres/keys.ts';
import { dayReads, limitReads } from './postgres/limits.ts';
import { createListener } from './postgres/listen.ts';
import { migrate } from './postgres/migrate.ts';
import { openWorkRead } from './postgres/open-work.ts';
import { permissionReads } from './postgres/permissions.ts';
import { createPostgresPool, type PostgresOptions, type PostgresPool } from './postgres/pool.ts';
import { pushStore } from './postgres/push.ts';
import { sharedRates } from './postgres/rates.ts';
import { secretRead } from './postgres/secrets.ts';
import { sessionReads } from './postgres/sessions.ts';
import { tenantUidRead } from './postgres/tenant-uids.ts';
import { checkTextIndex } from './postgres/text-index.ts';
import { transcriptStore } from './postgres/transcripts.ts';
import { turnReads } from './postgres/turns.ts';
import { usageReads } from './postgres/usage.ts';
import { webhookStore } from './postgres/webhooks.ts';
import { createWriter } from './postgres/writer.ts';
import { StorageError } from './storage-error.ts';
import type { Store } from './store.ts';
import type { TranscriptStore } from './transcripts.ts';

export interface PostgresStoreOptions extends PostgresOptions {
  /** Whether to LISTEN on a connection of its own; not through a pooler in transaction mode. Default true. */
  listen?: boolean | undefined;
}

/** A store, and the connections under it. */
export interface PostgresStore extends Store {
  readonly pool: PostgresPool;
  readonly transcripts: TranscriptStore;
}

/**
 * The store for several servers on one PostgreSQL database (14 or later), which is brought to this program's schema.
 * `postgres/writer.ts` writes; the other files there answer questions, one file a subject.
 * @throws ForeignDatabase, StorageError
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const { prepared = true, listen = true, onError = () => {} } = options;
  const pool = createPostgresPool(options);
  // A migration of a large database takes minutes.
  const patient = createPostgresPool({ ...options, connections: 1, queryTimeoutMs: 0 });
  try {
    await migrate(patient);
    await checkTextIndex(patient, onError);
  } catch (error) {
    await pool.close();
    throw error;
  } finally {
    await patient.close();
  }
  const listener = createListener(pool, listen, onError);
  const writer = createWriter({ pool, prepared, onWrite: listener.tell, onError });
  const [turns, permissions, events] = [turnReads(pool), permissionReads(pool), eventReads(pool)];
  let closed = false;

  return {
    pool,
    transcripts: transcriptStore(pool),
    write: writer.write,
    keys: keyTable(pool),
    rates: sharedRates(pool),
    orderedFeed: false,
    watch: listener.watch,

    async probe() {
      await pool.get(
        'insert into probe values (1, $1) on conflict (id) do update set at = excluded.at',
        String(Date.now()),
      );
    },

    ...sessionReads(pool),
    ...turns,
    ...permissions,
    ...events,
    ...openWorkRead(pool, { ...turns, ...permissions, ...events }),
    ...usageReads(pool),
    ...limitReads(pool),
    ...dayReads(pool),
    webhooks: webhookStore(pool),
    ...secretRead(pool),
    ...tenantUidRead(pool),
    push: pushStore(pool),
    audit: auditStore(pool),

    async close() {
      if (closed) throw new StorageError('The store is closed.');
      closed = true;
      await writer.close();
      await listener.close();
      await pool.close();
    },
  };
}
