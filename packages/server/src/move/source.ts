import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { ConfigError } from '../config.ts';
import { ForeignDatabase, migrate } from '../store/migrate.ts';
import { tagsOf } from '../store/postgres/encode.ts';
import type { Source } from './cells.ts';
import type { Table } from './tables.ts';

/** A value for each column of a table, in their order. */
export type Cells = readonly Source[];

/** The database of a home that no server uses, for reading. */
export interface SourceDatabase {
  readonly db: DatabaseSync;
  count(table: Table): number;
  /** The rows behind a place, with the place of each, in the order of the places. */
  rowsAfter(table: Table, place: readonly Source[] | undefined): Iterable<{ cells: Cells; place: Source[] }>;
  /** All rows, those of a session together: in the order of sessions, then of keys. */
  rowsBySession(table: Table): Iterable<{ cells: Cells; session: string }>;
  /** All conversations, with the newest message of each session that the agent has answered. */
  conversations(): Iterable<{
    id: string;
    sessionId: string;
    turnId: string | undefined;
    hasTranscript: boolean;
  }>;
  /** Sessions that were being erased or imported when the server ended. */
  hidden(): { id: string; why: string }[];
  /** No event, turn or request has a higher place among those of all sessions. */
  highestPlace(): number;
  close(): void;
}

/** The path of the database in a home. @throws ConfigError when there is none */
export function databaseOf(home: string): string {
  const path = join(home, 'server.db');
  if (existsSync(path)) return path;
  throw new ConfigError(
    `There is no database in ${home}. Name the server's own folder with --from; nothing needs to be moved from an empty one.`,
  );
}

/**
 * Opens the database of a home, and brings it to this program's schema.
 * @throws ConfigError for a file that is not ours, or of a newer version
 */
export function openSource(path: string): SourceDatabase {
  const db = new DatabaseSync(path);
  try {
    migrate(db);
    db.exec('pragma query_only = on');
  } catch (error) {
    db.close();
    if (error instanceof ForeignDatabase) throw new ConfigError(`${path}: ${error.message}`);
    throw error;
  }
  db.function('tags_of', { deterministic: true }, (metadata) =>
    JSON.stringify(tagsOf(JSON.parse(String(metadata)) as Record<string, unknown>)),
  );

  const rows = function* (sql: string, values: readonly SQLInputValue[]): Iterable<Source[]> {
    const statement = db.prepare(sql);
    statement.setReturnArrays(true);
    for (const row of statement.iterate(...values)) yield row as unknown as Source[];
  };
  const number = (sql: string): number => Number(Object.values(db.prepare(sql).get() ?? {})[0]);

  return {
    db,
    count: ({ name }) => number(`select count(*) from ${name}`),
    *rowsAfter({ name, columns, place: keys }, place) {
      const values = columns.map(({ from }) => from).join(', ');
      const where = place ? `where (${keys.join(', ')}) > (${keys.map(() => '?').join(', ')})` : '';
      const sql = `select ${values}, ${keys.join(', ')} from ${name} t ${where} order by ${keys.join(', ')}`;
      for (const row of rows(sql, place ?? [])) {
        yield { cells: row.slice(0, columns.length), place: row.slice(columns.length) };
      }
    },
    *rowsBySession({ name, columns, session, key }) {
      const values = columns.map(({ from }) => from).join(', ');
      const from = key.map((each) => columns.find((c) => c.name === each)?.from ?? each);
      // The slot is the same in all rows, and SQLite would take that number for a column's.
      const order = [session ?? "''", ...from.filter((each) => !/^\d+$/.test(each))].join(', ');
      for (const row of rows(`select ${values}, ${session ?? "''"} from ${name} t order by ${order}`, [])) {
        yield { cells: row, session: String(row[columns.length]) };
      }
    },
    *conversations() {
      const found = rows(
        `select c.id, c.session_id, s.has_transcript and c.id = s.conversation_id, (select id from turns t where t.session_id = s.id
           and t.initiator = 'user' and t.steers is null and t.ended_at is not null order by position desc limit 1)
         from conversations c join sessions s on s.id = c.session_id where s.hidden is null order by c.rowid`,
        [],
      );
      for (const [id, session, has, turn] of found) {
        yield {
          id: String(id),
          sessionId: String(session),
          hasTranscript: has === 1,
          turnId: turn ? String(turn) : undefined,
        };
      }
    },
    hidden: () =>
      db
        .prepare('select id, hidden from sessions where hidden is not null')
        .all()
        .map(({ id, hidden }) => ({ id: String(id), why: String(hidden) })),
    highestPlace: () =>
      // Also of rows that are gone.
      number(`select max(n) from (select max(seq) as n from sqlite_sequence
        union all select max(cursor) from events union all select max(cursor) from trimmed)`),
    close: () => db.close(),
  };
}
