import { readdirSync, readFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

const NAME = /^(\d{3})-[a-z-]+\.sql$/;

/** A database that this program must not touch. */
export class ForeignDatabase extends Error {}

/**
 * Brings a database to this program's schema, one numbered file a transaction.
 * @throws ForeignDatabase when another program created it, or a newer version of this one
 */
export function migrate(db: DatabaseSync, folder = new URL('./migrations/', import.meta.url)): void {
  const tables = db.prepare("select name from sqlite_schema where type = 'table'").all();
  if (tables.length > 0 && !tables.some(({ name }) => name === 'migrations')) {
    throw new ForeignDatabase(
      'This is the database of another program. Move it away, or choose another folder with --home.',
    );
  }
  db.exec(
    'create table if not exists migrations (version integer primary key, applied_at text not null) strict',
  );
  const files = readdirSync(folder)
    .filter((name) => NAME.test(name))
    .sort();
  const row = db.prepare('select coalesce(max(version), 0) as version from migrations').get();
  const current = Number(row?.version ?? 0);
  const newest = Number(NAME.exec(files.at(-1) ?? '')?.[1] ?? 0);
  if (current > newest) {
    throw new ForeignDatabase(
      `The database has schema version ${current}, this program knows ${newest}. Start a newer claude-agent-server, or choose another --home.`,
    );
  }
  for (const file of files) {
    const version = Number(NAME.exec(file)?.[1]);
    if (version <= current) continue;
    db.exec('begin immediate');
    try {
      // The row first: of two programs that migrate at once, one fails here and changes nothing.
      db.prepare('insert into migrations values (?, ?)').run(version, new Date().toISOString());
      db.exec(readFileSync(new URL(file, folder), 'utf8'));
      db.exec('commit');
    } catch (error) {
      db.exec('rollback');
      throw error;
    }
  }
}
