import type { DatabaseSync } from 'node:sqlite';
import type { Change, Store, StoredEvent, WriteResult } from '../store.ts';
import type { Apply } from './changes.ts';
import type { Statements } from './statements.ts';

interface PendingWrite {
  changes: readonly Change[];
  resolve(result: WriteResult): void;
  reject(error: unknown): void;
}

/** Thrown inside a transaction when a change's condition does not hold. */
class Refused extends Error {
  readonly index: number;
  constructor(index: number) {
    super('refused');
    this.index = index;
  }
}

interface Writer {
  write: Store['write'];
  /** Commits what waits for the next commit. */
  flush(): void;
}

/**
 * Group commit: all writes that arrive in one turn of the event loop share one transaction. An fsync costs 0.3 ms
 * here (10 ms on slow disks), a row 10 µs. Each write is a savepoint, so a refused one takes nothing else with it.
 */
export function createWriter(db: DatabaseSync, sql: Statements, apply: Apply): Writer {
  let queue: PendingWrite[] = [];
  let scheduled = false;

  const applyAll = (changes: readonly Change[]): StoredEvent[] => {
    const events: StoredEvent[] = [];
    changes.forEach((change, index) => {
      const outcome = apply(change);
      if (outcome === false) throw new Refused(index);
      if (outcome !== true) events.push(outcome);
    });
    return events;
  };

  const commit = (writes: readonly PendingWrite[]): void => {
    const settled: (() => void)[] = [];
    try {
      sql.run('begin immediate');
      for (const write of writes) {
        sql.run('savepoint w');
        try {
          const events = applyAll(write.changes);
          settled.push(() => write.resolve({ ok: true, events }));
        } catch (error) {
          sql.run('rollback to w');
          const refused = error instanceof Refused ? error.index : undefined;
          settled.push(() =>
            refused === undefined ? write.reject(error) : write.resolve({ ok: false, refused }),
          );
        }
        sql.run('release w');
      }
      sql.run('commit');
    } catch (error) {
      // The disk is full or gone: nothing of this batch is durable, so no caller may hear that it is.
      if (db.isOpen && db.isTransaction) sql.run('rollback');
      for (const write of writes) write.reject(error);
      return;
    }
    for (const settle of settled) settle();
  };

  const flush = (): void => {
    if (!scheduled) return;
    scheduled = false;
    const writes = queue;
    queue = [];
    commit(writes);
  };

  return {
    write(changes) {
      return new Promise((resolve, reject) => {
        queue.push({ changes, resolve, reject });
        if (scheduled) return;
        scheduled = true;
        setImmediate(flush);
      });
    },
    flush,
  };
}
