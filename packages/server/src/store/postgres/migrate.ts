import { ForeignDatabase, listMigrations } from '../migrate.ts';
import type { PostgresPool, Sql } from './pool.ts';

/** "claude-agent-server" as a number: held while a node migrates, so that several can start at once. */
const LOCK = 0x636c6175;

/**
 * Brings a database to this program's schema, one numbered file a transaction.
 * @throws ForeignDatabase when another program created it, or a newer version of this one
 */
export async function migrate(
  pool: PostgresPool,
  folder = new URL('./migrations/', import.meta.url),
): Promise<void> {
  const migrations = listMigrations(folder);
  const newest = migrations.at(-1)?.version ?? 0;
  for (const { version, sql: script } of migrations) {
    await pool.transaction(async (sql) => {
      await sql.get('select pg_advisory_xact_lock($1)', LOCK);
      const current = await currentVersion(sql);
      if (current > newest) {
        throw new ForeignDatabase(
          `The database has schema version ${current}, this program knows ${newest}. Start a newer claude-agent-server, or choose another database.`,
        );
      }
      if (version <= current) return;
      await sql.get('insert into migrations values ($1, $2)', version, new Date().toISOString());
      await sql.script(script());
    });
  }
  await keepCursorsGrowing(pool);
}

async function currentVersion(sql: Sql): Promise<number> {
  const tables = await sql.all('select tablename from pg_tables where schemaname = current_schema()');
  if (tables.length > 0 && !tables.some(({ tablename }) => tablename === 'migrations')) {
    throw new ForeignDatabase('This is the database of another program. Choose another one.');
  }
  await sql.get('create table if not exists migrations (version int primary key, applied_at text not null)');
  const row = await sql.get('select coalesce(max(version), 0) as version from migrations');
  return Number(row?.version);
}

/** A dump restored into a younger cluster meets lower transaction ids: cursors go on from where they were. */
async function keepCursorsGrowing(pool: PostgresPool): Promise<void> {
  await pool.transaction(async (sql) => {
    await sql.get('select pg_advisory_xact_lock($1)', LOCK);
    await sql.get(
      `update cluster set xid_offset = xid_offset + (newest.cursor - cursor_base()) / 4096 + 1
       from (select max(cursor) as cursor from events where type <> 'agent.message' and cursor is not null) newest
       where newest.cursor > cursor_base() + 4095`,
    );
  });
}
