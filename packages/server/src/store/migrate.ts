import { readdirSync, readFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

const NAME = /^(\d{3})-[a-z-]+\.sql$/;

/** A step of a schema. */
export interface Migration {
  version: number;
  sql(): string;
}

/** The migrations of a folder, in order. @throws when two have one number: the second would never be applied */
export function listMigrations(folder: URL): Migration[] {
  const names = readdirSync(folder).filter((name) => NAME.test(name));
  const found = names.sort().map((name) => ({
    version: Number(NAME.exec(name)?.[1]),
    sql: () => readFileSync(new URL(name, folder), 'utf8'),
  }));
  const twice = found.find(({ version }, n) => found[n - 1]?.version === version);
  if (twice) throw new Error(`Two migrations have the number ${twice.version}. Renumber the newer one.`);
  return found;
}

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
  const migrations = listMigrations(folder);
  const row = db.prepare('select coalesce(max(version), 0) as version from migrations').get();
  const current = Number(row?.version ?? 0);
  const newest = migrations.at(-1)?.version ?? 0;
  if (current > newest) {
    throw new ForeignDatabase(
      `The database has schema version ${current}, this program knows ${newest}. Start a newer claude-agent-server, or choose another --home.`,
    );
  }
  for (const { version, sql } of migrations) {
    if (version <= current) continue;
    db.exec('begin immediate');
    try {
      // The row first: of two programs that migrate at once, one fails here and changes nothing.
      db.prepare('insert into migrations values (?, ?)').run(version, new Date().toISOString());
      db.exec(sql());
      db.exec('commit');
    } catch (error) {
      db.exec('rollback');
      throw error;
    }
  }
}
