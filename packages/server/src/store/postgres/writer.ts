import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, DatabaseError } from 'pg';
import { StorageError } from '../storage-error.ts';
import type { Change, ImportedRows, Store, StoredEvent, WriteResult } from '../store.ts';
import { encodeChanges } from './encode.ts';
import { asStorageError, classify, isReadOnly } from './errors.ts';
import type { PostgresPool } from './pool.ts';

interface PendingWrite {
  changes: readonly Change[];
  /** As JSON text for apply_writes. */
  encoded: string;
  queuedAt: number;
  resolve(result: WriteResult): void;
  reject(error: unknown): void;
}

/** What apply_writes says of one write. */
type Outcome = [seq: number, cursor: number][] | { refused: number } | { failed: string };

interface Writer {
  write: Store['write'];
  /** Commits what waits, then ends the connection. */
  close(): Promise<void>;
}

interface WriterDeps {
  pool: PostgresPool;
  prepared: boolean;
  /** Hears which sessions have new events, after the commit. */
  onWrite: (sessionIds: readonly string[]) => void;
  onError: (error: unknown, what: string) => void;
}

/** A burst is cut into transactions of so many changes (each may take a cursor, of which a transaction has 4,096) … */
const MAX_CHANGES = 2_000;
/** … and so many bytes. */
const MAX_BYTES = 8 * 1024 * 1024;
/** A write waits this long for a database that cannot be reached: a failover on one machine takes less. */
const PATIENCE_MS = 2_000;
const RETRY_MS = 250;
const CONFLICT_ATTEMPTS = 20;

/**
 * Group commit: what arrives while a transaction is on its way goes into the next one, in one round trip. The batch has a
 * number, so that one whose answer was lost with the connection is asked for again and not written twice. Its writes wait
 * until the database answers, because nobody knows whether they took effect; later ones fail after `PATIENCE_MS`.
 */
export function createWriter({ pool, prepared, onWrite, onError }: WriterDeps): Writer {
  const id = randomUUID();
  let queue: PendingWrite[] = [];
  let number = 0;
  let client: Client | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  /** Aborted when the store closes: nothing waits for a database that is not there. */
  let gone = false;

  const connect = async (): Promise<Client> => {
    const fresh = pool.client();
    fresh.on('error', () => drop(fresh));
    try {
      await fresh.connect();
    } catch (error) {
      fresh.end().catch(() => {});
      throw error;
    }
    client = fresh;
    return fresh;
  };

  const drop = (dead: Client): void => {
    if (client === dead) client = undefined;
    dead.end().catch(() => {});
  };

  const call = async (batch: readonly PendingWrite[], isolated: boolean): Promise<Outcome[]> => {
    const live = client ?? (await connect());
    const writes = `[${batch.map(({ encoded }) => encoded).join()}]`;
    try {
      const { rows } = await live.query<{ outcome: Outcome[] }>({
        text: 'select apply_writes($1, $2, $3, $4) as outcome',
        values: [id, number, writes, isolated],
        ...(prepared && { name: 'apply_writes' }),
      });
      return rows[0]?.outcome ?? [];
    } catch (error) {
      if (classify(error) === 'connection' || isReadOnly(error)) drop(live);
      throw error;
    }
  };

  /** Rejects what has waited too long while the database could not be reached. */
  const giveUpQueued = (error: unknown): void => {
    const since = Date.now() - PATIENCE_MS;
    const late = queue.filter(({ queuedAt }) => queuedAt < since);
    queue = queue.filter(({ queuedAt }) => queuedAt >= since);
    for (const { reject } of late) reject(asStorageError(error));
  };

  /** Brings one batch into the database, or learns that it cannot. */
  const deliver = async (batch: readonly PendingWrite[]): Promise<Outcome[]> => {
    let isolated = false;
    /** A connection was lost after the batch was sent on it. */
    let unknown = false;
    let told = false;
    for (let conflicts = 0; ; ) {
      const connected = client !== undefined;
      try {
        return await call(batch, isolated);
      } catch (error) {
        const failure = classify(error);
        if (failure === 'connection') {
          unknown ||= connected || client !== undefined;
          const waited = Date.now() - (batch[0]?.queuedAt ?? 0);
          if (gone || (!unknown && waited > PATIENCE_MS)) throw error;
          if (!told) onError(error, 'reach the database; trying again');
          told = true;
          giveUpQueued(error);
          await sleep(RETRY_MS);
        } else if (failure === 'conflict' && conflicts++ < CONFLICT_ATTEMPTS) {
          await sleep(Math.random() * 5 * conflicts);
        } else if ((failure === 'refused' || failure === 'statement') && batch.length > 1 && !isolated) {
          isolated = true;
        } else if (failure === 'refused' && error instanceof DatabaseError) {
          return [{ refused: Number(error.detail) }];
        } else throw error;
      }
    }
  };

  const run = async (): Promise<void> => {
    // What is written in the same turn of the event loop goes together.
    await new Promise(setImmediate);
    while (queue.length > 0) {
      const batch = takeBatch(queue);
      queue = queue.slice(batch.length);
      number++;
      try {
        const written = settle(batch, await deliver(batch));
        if (written.size > 0) onWrite([...written]);
      } catch (error) {
        for (const { reject } of batch) reject(asStorageError(error));
      }
    }
    running = undefined;
  };

  return {
    write(changes) {
      if (closed) return Promise.reject(new StorageError('The store is closed.'));
      if (changes.length === 0) return Promise.resolve({ ok: true, events: [] });
      return new Promise((resolve, reject) => {
        // Encoded now: what is too large or no JSON rejects by itself.
        const encoded = JSON.stringify(encodeChanges(changes));
        queue.push({ changes, encoded, queuedAt: Date.now(), resolve, reject });
        running ??= run();
      });
    },
    async close() {
      closed = true;
      const late = setTimeout(() => {
        gone = true;
      }, PATIENCE_MS);
      await running;
      clearTimeout(late);
      await client?.end();
    },
  };
}

const countRows = ({ conversations, turns, events }: ImportedRows): number =>
  conversations.length + turns.length + events.length + 1;

function takeBatch(queue: readonly PendingWrite[]): PendingWrite[] {
  let [changes, bytes] = [0, 0];
  const end = queue.findIndex((write) => {
    for (const change of write.changes) changes += change.kind === 'import-rows' ? countRows(change.rows) : 1;
    bytes += write.encoded.length;
    return changes > MAX_CHANGES || bytes > MAX_BYTES;
  });
  return queue.slice(0, end < 0 ? undefined : Math.max(1, end));
}

/** Answers the callers of a batch. Returns the sessions with new events. */
function settle(batch: readonly PendingWrite[], outcomes: readonly Outcome[]): Set<string> {
  const written = new Set<string>();
  for (const [n, { changes, resolve, reject }] of batch.entries()) {
    const outcome = outcomes[n];
    if (Array.isArray(outcome)) {
      const events = eventsOf(changes, outcome);
      resolve({ ok: true, events });
      for (const { sessionId } of events) written.add(sessionId);
    } else if (outcome && 'refused' in outcome) resolve({ ok: false, refused: outcome.refused });
    else reject(new StorageError(`PostgreSQL: ${outcome?.failed ?? 'no outcome'}`));
  }
  return written;
}

/** The events of a write with their numbers: those of a run follow each other. */
function eventsOf(changes: readonly Change[], runs: readonly [number, number][]): StoredEvent[] {
  const events: StoredEvent[] = [];
  let next = 0;
  let [seq, cursor] = [0, 0];
  let sessionId: string | undefined;
  for (const change of changes) {
    if (change.kind !== 'event') {
      sessionId = undefined;
      continue;
    }
    if (change.event.sessionId !== sessionId) {
      sessionId = change.event.sessionId;
      [seq, cursor] = runs[next++] ?? [0, 0];
    }
    events.push({ ...change.event, seq: seq++, cursor: cursor++ });
  }
  return events;
}
