import type { DatabaseSync } from 'node:sqlite';
import { IN_HISTORY } from '../store/sqlite/events.ts';
import { type Kind, kindOf } from './cells.ts';

export interface Column {
  name: string;
  kind: Kind;
  /** Its value: an expression on the row in SQLite. */
  from: string;
  /** Not compared: what the move itself sets, and ends. */
  own: boolean;
}

/** One table in both databases. */
export interface Table {
  name: string;
  columns: readonly Column[];
  /** The columns that tell a session's rows; undefined for a table that is not about sessions. */
  session: string | undefined;
  /** What identifies a row, in both. */
  key: readonly string[];
  /** How it is read on from a row: SQLite's own order of the table. */
  place: readonly string[];
}

/** Columns whose values are not those of the same name. Null: there is none in PostgreSQL, or it has its default. */
const OTHERS: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  sessions: {
    tags: 'tags_of(metadata)',
    last_cursor: `coalesce((select cursor from events e where e.session_id = t.id order by seq desc limit 1), 0)`,
    tasks_seq: newestTasks('seq'),
    tasks_cursor: newestTasks('cursor'),
    // Nobody finds a session until all are there.
    hidden: "'importing'",
    owner: null,
    fence: null,
  },
  conversations: { position: 'rowid' },
  events: { bytes: 'octet_length(data)', history: `iif(${IN_HISTORY}, 1, 0)` },
  // One of the rows that nodes add to.
  key_usage: { slot: '0' },
  usage_days: { slot: '0' },
  erased_usage: { slot: '0' },
  erased_turns: { slot: '0', id: null },
  trimmed: { slot: '0', id: null },
};

/** Tables that are made again, or are about the file itself. */
const LEFT = /^(migrations|probe|server_secrets|sqlite_.*|turn_text.*)$/;

/** Of the newest task list, if that names a task. */
function newestTasks(column: string): string {
  return `(select iif(json_array_length(data, '$.tasks') > 0, ${column}, null) from events e
    where e.type = 'session.tasks' and e.session_id = t.id order by cursor desc limit 1)`;
}

/** A column of PostgreSQL, as information_schema describes it. */
export interface TargetColumn {
  table: string;
  name: string;
  type: string;
  /** It must have a value and has no default. */
  required: boolean;
  /** Its place in the primary key, from 1 on. */
  key: number | null;
}

/** Tables about nodes and the database itself. */
const OF_NODES = new Set(['cluster', 'migrations', 'moved_home', 'nodes', 'rates', 'writers']);

/** Tables that have rows only where there were sessions or keys: those whose rows have ids. Others count something. */
export const dataTables = (columns: readonly TargetColumn[]): string[] => [
  ...new Set(
    columns
      .filter(({ table, key, type }) => key !== null && type === 'text' && !OF_NODES.has(table))
      .map(({ table }) => table),
  ),
];

/**
 * Which table and column goes where. Whatever both databases have under one name is copied, so a migration that adds it to
 * both needs nothing here.
 * @throws when something of SQLite has no place in PostgreSQL: the conformance of the schemas is tested (tables.test.ts)
 */
export function planTables(source: DatabaseSync, target: readonly TargetColumn[]): Table[] {
  const found = source
    .prepare("select name, wr from pragma_table_list where schema = 'main' and type = 'table'")
    .all();
  return found
    .map(({ name, wr }) => ({ name: String(name), withoutRowid: wr === 1 }))
    .filter(({ name }) => !LEFT.test(name))
    .sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1))
    .map(({ name, withoutRowid }) =>
      planTable(
        name,
        source.prepare('select name, pk from pragma_table_info(?)').all(name),
        target.filter(({ table }) => table === name),
        withoutRowid,
      ),
    );
}

/** Sessions first, hidden; what is large last. */
const RANKS: Readonly<Record<string, number>> = { sessions: 0, turns: 2, events: 3 };
const rank = (name: string): number => RANKS[name] ?? 1;

function planTable(
  name: string,
  source: readonly Record<string, unknown>[],
  target: readonly TargetColumn[],
  withoutRowid: boolean,
): Table {
  const others = OTHERS[name] ?? {};
  const has = new Set(source.map((column) => String(column.name)));
  const columns: Column[] = [];
  for (const { name: column, type, required } of target) {
    const from = column in others ? others[column] : has.has(column) ? column : undefined;
    const kind = kindOf(type);
    if (typeof from === 'string' && kind) {
      columns.push({ name: column, kind, from, own: name === 'sessions' && column === 'hidden' });
    } else if (from === undefined ? required || has.has(column) : from !== null) {
      throw new Error(`the column ${name}.${column} of PostgreSQL gets no value from SQLite`);
    }
  }
  for (const column of has) {
    if (!(column in others) && !columns.some((each) => each.name === column)) {
      throw new Error(`the column ${name}.${column} of SQLite has no place in PostgreSQL`);
    }
  }
  // A key may be for one session, or for none.
  const isOfSessions = target.some((column) => column.name === 'session_id' && column.required);
  const keys = source.filter(({ pk }) => pk !== 0).sort((a, b) => Number(a.pk) - Number(b.pk));
  return {
    name,
    columns,
    session: name === 'sessions' ? 'id' : isOfSessions ? 'session_id' : undefined,
    key: target
      .filter(({ key }) => key !== null)
      .sort((a, b) => Number(a.key) - Number(b.key))
      .map((column) => column.name),
    place: withoutRowid ? keys.map((column) => String(column.name)) : ['rowid'],
  };
}
