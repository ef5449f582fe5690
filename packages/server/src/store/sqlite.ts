import { DatabaseSync } from 'node:sqlite';
import { migrate } from './migrate.ts';
import { createOwnRates } from './rates.ts';
import { ownedFromRow } from './rows.ts';
import { auditStore } from './sqlite/audit.ts';
import { createApply } from './sqlite/changes.ts';
import { eventReads } from './sqlite/events.ts';
import { keyTable } from './sqlite/keys.ts';
import { dayReads, limitReads } from './sqlite/limits.ts';
import { openWorkRead } from './sqlite/open-work.ts';
import { permissionReads } from './sqlite/permissions.ts';
import { pushStore } from './sqlite/push.ts';
import { secretRead } from './sqlite/secrets.ts';
import { sessionReads } from './sqlite/sessions.ts';
import { createStatements } from './sqlite/statements.ts';
import { tenantUidRead } from './sqlite/tenant-uids.ts';
import { turnReads } from './sqlite/turns.ts';
import { usageReads } from './sqlite/usage.ts';
import { webhookStore } from './sqlite/webhooks.ts';
import { createWriter } from './sqlite/writer.ts';
import type { Store } from './store.ts';

/**
 * The embedded store: one SQLite file in WAL mode with `synchronous=FULL`. `sqlite/writer.ts` writes; the other
 * files there answer questions, one file a subject.
 *
 * @param path a file, or ':memory:'
 */
export function openSqliteStore(path: string): Store {
  const db = new DatabaseSync(path);
  try {
    // What is erased is overwritten, not only unlinked.
    db.exec(
      'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma secure_delete = on',
    );
    migrate(db);
  } catch (error) {
    db.close();
    throw error;
  }
  const sql = createStatements(db);
  const writer = createWriter(db, sql, createApply(sql));
  const turns = turnReads(sql);
  const permissions = permissionReads(sql);
  const events = eventReads(sql);

  const together = <T>(work: () => T): T => {
    db.exec('begin immediate');
    try {
      const result = work();
      db.exec('commit');
      return result;
    } catch (error) {
      if (db.isTransaction) db.exec('rollback');
      throw error;
    }
  };

  return {
    write: writer.write,
    keys: keyTable(sql),
    rates: createOwnRates(),
    orderedFeed: true,
    watch: () => () => {},
    ownedNow(sessionId) {
      const row = sql.get('select tenant, created_by from sessions where id = ?', sessionId);
      return row && ownedFromRow(row);
    },

    async probe() {
      db.exec('begin immediate');
      try {
        sql.run(
          'insert into probe values (1, ?) on conflict (id) do update set at = excluded.at',
          String(Date.now()),
        );
        db.exec('commit');
      } catch (error) {
        if (db.isTransaction) db.exec('rollback');
        throw error;
      }
    },

    ...sessionReads(sql),
    ...turns,
    ...permissions,
    ...events,
    ...openWorkRead(sql, { ...turns, ...permissions, ...events }),
    ...usageReads(sql),
    ...limitReads(sql),
    ...dayReads(sql),
    webhooks: webhookStore(sql, together),
    ...secretRead(sql),
    ...tenantUidRead(sql),
    push: pushStore(sql, together),
    audit: auditStore(sql, together),

    async close() {
      writer.flush();
      db.close();
    },
  };
}
