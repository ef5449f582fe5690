import type { AuditRecord, AuditStore } from '../store/audit.ts';
import { auditIdAt, createAuditIds } from './audit-ids.ts';
import { createFailures } from './failures.ts';

/** What is not written before the answer is written together after so long: one commit instead of one for each request. */
const BATCH_MS = 100;
/** After a failure of the store it is tried again this often. */
const RETRY_MS = 1_000;
/** So many records wait for a store that cannot write, 10 MB; further ones are counted. */
const MOST_WAITING = 10_000;
const DAY_MS = 86_400_000;
const PRUNED_EVERY_MS = 600_000;
/** Records that go in one transaction: a few milliseconds. */
const PRUNED_AT_ONCE = 1_000;

/** A record before it has an id. */
export type AuditEntry = Omit<AuditRecord, 'id' | 'at' | 'count'> & {
  /** When the request came, in milliseconds since 1970. */
  ms: number;
};

/** Writes down who changed what. */
export interface AuditLog {
  /** Settles when the entry is durable, or when the store failed: then it waits until that works again. */
  write(entry: AuditEntry): Promise<void>;
  /** Writes the entry within 100 ms. */
  enqueue(entry: AuditEntry): void;
  /** The same of a request that failed: many of one caller, or address, become one record a minute. */
  failed(entry: AuditEntry): void;
  /** Writes what waits. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export interface AuditLogDeps {
  store: AuditStore;
  /** Older records go; undefined: none. At least a day. */
  maxAgeDays: number | undefined;
  /** Whether this server does what has to be done once for all that share the store. */
  isFirst(): boolean;
  onError(error: unknown, what: string): void;
}

export function createAuditLog({ store, maxAgeDays, isFirst, onError }: AuditLogDeps): AuditLog {
  const newId = createAuditIds();
  let waiting: AuditRecord[] = [];
  let lost = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  /** The one that runs has what it writes. */
  let isTaken = false;
  let isDown = false;

  const record = ({ ms, ...entry }: AuditEntry, count = 1): AuditRecord => ({
    id: newId(ms),
    at: new Date(ms).toISOString(),
    ...entry,
    count,
  });

  const add = (entry: AuditRecord): void => {
    if (waiting.length < MOST_WAITING) waiting.push(entry);
    else lost++;
  };

  const later = (ms: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void flush();
    }, ms).unref();
  };

  /** Writes everything that waits when it begins. */
  const writeAll = async (): Promise<void> => {
    // What arrives in the same turn of the event loop goes together.
    await new Promise(setImmediate);
    isTaken = true;
    if (lost > 0 && waiting.length < MOST_WAITING) {
      waiting.push(record(lostEntry(), lost));
      lost = 0;
    }
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    try {
      await store.append(batch);
      isDown = false;
    } catch (error) {
      const room = MOST_WAITING - waiting.length;
      lost += Math.max(0, batch.length - room);
      waiting = [...batch.slice(0, room), ...waiting];
      if (!isDown)
        onError(error, 'write the audit log; what happens meanwhile is written when that works again');
      isDown = true;
      later(RETRY_MS);
    }
  };

  const flush = async (): Promise<void> => {
    if (isTaken) await writing;
    if (!writing) {
      isTaken = false;
      writing = writeAll().finally(() => {
        writing = undefined;
        isTaken = false;
      });
    }
    await writing;
  };

  const enqueue = (entry: AuditRecord): void => {
    add(entry);
    later(isDown ? RETRY_MS : BATCH_MS);
  };

  const failures = createFailures<AuditEntry>(() => {
    for (const { failure, count } of failures.take()) enqueue(record(failure, count));
  });

  const prune = async (): Promise<void> => {
    if (maxAgeDays === undefined || !isFirst()) return;
    const before = auditIdAt(Date.now() - maxAgeDays * DAY_MS);
    while ((await store.prune(before, PRUNED_AT_ONCE)) === PRUNED_AT_ONCE) await new Promise(setImmediate);
  };
  let pruning: Promise<void> = Promise.resolve();
  const startPruning = (): void => {
    pruning = pruning.then(prune).catch((error: unknown) => onError(error, 'shorten the audit log'));
  };
  const pruned = setInterval(startPruning, PRUNED_EVERY_MS).unref();

  return {
    async write(entry) {
      add(record(entry));
      await flush();
    },
    enqueue: (entry) => enqueue(record(entry)),
    failed(entry) {
      const source = entry.actor ?? entry.address ?? '';
      if (failures.admit(source, entry)) enqueue(record(entry));
    },
    flush,
    async stop() {
      clearInterval(pruned);
      for (const { failure, count } of failures.take()) add(record(failure, count));
      failures.stop();
      clearTimeout(timer);
      await pruning;
      await flush();
      clearTimeout(timer);
      if (waiting.length + lost > 0)
        onError(
          new Error(
            `The store cannot be written, so ${waiting.length + lost} entries of the audit log are lost.`,
          ),
          'write the audit log',
        );
    },
  };
}

/** Says how many entries found no room while the store could not be written. */
const lostEntry = (): AuditEntry => ({
  ms: Date.now(),
  tenant: null,
  actorKind: 'local',
  actor: null,
  role: null,
  actorTenant: null,
  address: null,
  userAgent: null,
  requestId: null,
  action: 'entriesLost',
  method: '',
  sessionId: null,
  params: {},
  status: 503,
  problem: 'storage_failed',
});
