import { once } from 'node:events';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { HANDED_OVER, HAS_OPEN_WORK } from '../cluster/shared-ownership.ts';
import { ConfigError } from '../config.ts';
import { hashExpression, type Source } from './cells.ts';
import type { SourceDatabase } from './source.ts';
import { dataTables, type Table, type TargetColumn } from './tables.ts';

/** How far a table has come. */
export interface Copied {
  place: Source[];
  rows: number;
}

/** A move into this database that has begun. */
export interface Move {
  move: string;
  beganAt: string;
  endedAt: string | null;
  copied: Record<string, Copied>;
}

/** Rows of one session in one table, or all of a table that is not about sessions. */
export interface Group {
  session: string;
  rows: number;
  hash: string;
}

/** What a database is before anything is written to it. */
export interface Found {
  /** Nothing was ever made in it. */
  empty: boolean;
  /** Servers are running on it. */
  nodes: number;
  move: Move | undefined;
  /** Tables with rows. */
  used: string[];
}

const COLUMNS = `select c.table_name as table, c.column_name as name, c.data_type as type,
    (c.is_nullable = 'NO' and c.column_default is null) as required, k.ordinal_position::int as key
  from information_schema.columns c
  left join information_schema.table_constraints p on p.table_schema = c.table_schema
    and p.table_name = c.table_name and p.constraint_type = 'PRIMARY KEY'
  left join information_schema.key_column_usage k on k.constraint_schema = p.constraint_schema
    and k.constraint_name = p.constraint_name and k.table_name = c.table_name and k.column_name = c.column_name
  where c.table_schema = current_schema() order by c.table_name, c.ordinal_position`;

/** The columns of all tables of a database. */
export async function targetColumns(client: Client): Promise<TargetColumn[]> {
  return (await client.query<TargetColumn>(COLUMNS)).rows;
}

/** Looks at a database without changing it. */
export async function inspect(client: Client): Promise<Found> {
  const { rows: tables } = await client.query<{ name: string }>(
    'select tablename as name from pg_tables where schemaname = current_schema()',
  );
  const has = (name: string): boolean => tables.some((table) => table.name === name);
  const used: string[] = [];
  for (const name of has('migrations') ? dataTables(await targetColumns(client)) : []) {
    if ((await client.query(`select from ${name} limit 1`)).rowCount) used.push(name);
  }
  const nodes = has('nodes')
    ? (await client.query('select from nodes where expires_at > now()')).rowCount
    : 0;
  return {
    empty: tables.length === 0,
    nodes: nodes ?? 0,
    move: has('moved_home') ? await readMove(client) : undefined,
    used,
  };
}

async function readMove(client: Client): Promise<Move | undefined> {
  const { rows } = await client.query<Move>(
    `select move, begun_at::text as "beganAt", ended_at::text as "endedAt", copied from moved_home`,
  );
  return rows[0];
}

/** Begins a move, or goes on with it. Later cursors are higher than all of the home: their order goes on. */
export async function begin(
  client: Client,
  move: string,
  tables: readonly Table[],
  highestPlace: number,
): Promise<Move> {
  await client.query('begin');
  const { rowCount } = await client.query(
    `insert into moved_home (id, move, begun_at, copied) values (1, $1, now(), '{}') on conflict do nothing`,
    [move],
  );
  // What a server that ran there without a session has counted.
  for (const { name, columns, key } of rowCount === 1 ? tables : []) {
    const hasIds = columns.some((column) => column.kind === 'text' && key.includes(column.name));
    if (!hasIds) await client.query(`delete from ${name}`);
  }
  await client.query(
    `update cluster set xid_offset = xid_offset + greatest(0, ($1 - cursor_base()) / 4096 + 1)`,
    [highestPlace],
  );
  await client.query('commit');
  const found = await readMove(client);
  if (found?.move === move) return found;
  throw new ConfigError('The sessions of another home are being moved to this database. Choose another one.');
}

/** Adds lines of COPY to a table and notes how far it has come: both or nothing. */
export async function copyLines(client: Client, table: Table, lines: string, at: Copied): Promise<void> {
  await client.query('begin');
  try {
    const columns = table.columns.map(({ name }) => name).join(', ');
    const stream = client.query(copyFrom(`copy ${table.name} (${columns}) from stdin`));
    const done = once(stream, 'finish');
    stream.end(lines);
    await done;
    await client.query('update moved_home set copied = copied || jsonb_build_object($1::text, $2::jsonb)', [
      table.name,
      JSON.stringify(at),
    ]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}

/** The rows of a table behind one session up to another, session by session; to the last without `upTo`. */
export async function hashes(
  client: Client,
  { name, columns, session, key }: Table,
  after: string | undefined,
  upTo: string | undefined,
): Promise<Group[]> {
  const row = columns
    .filter(({ own }) => !own)
    .map((column) => hashExpression(column.name, column.kind))
    .join(" || ';' || ");
  const order = key.map((each) =>
    columns.some((column) => column.name === each && column.kind === 'text') ? `${each} collate "C"` : each,
  );
  const group = session === undefined ? "''" : `${session} collate "C"`;
  const conditions =
    session === undefined
      ? []
      : [
          ...(after === undefined ? [] : [`${group} > $1`]),
          ...(upTo === undefined ? [] : [`${group} <= $${after === undefined ? 1 : 2}`]),
        ];
  const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : '';
  const { rows } = await client.query<Group>(
    `select ${group} as session, count(*)::int as rows,
       encode(sha256(string_agg(sha256(convert_to(${row}, 'UTF8')), ''::bytea order by ${order.join(', ')})), 'hex') as hash
     from ${name} ${where} group by 1 order by 1`,
    session === undefined ? [] : [after, upTo].filter((value) => value !== undefined),
  );
  return rows;
}

/** Makes the sessions those of this database: all of them at once. Nodes take those that have something to do. */
export async function publish(client: Client, source: SourceDatabase): Promise<void> {
  await client.query('begin');
  await client.query(`update sessions s set hidden = null, owner = case when ${HAS_OPEN_WORK} then $1 end`, [
    HANDED_OVER,
  ]);
  for (const { id, why } of source.hidden()) {
    await client.query('update sessions set hidden = $2 where id = $1', [id, why]);
  }
  await client.query('update moved_home set ended_at = now()');
  await client.query('commit');
}

/** So that the first questions find good plans. */
export async function analyze(client: Client, tables: readonly Table[]): Promise<void> {
  for (const { name } of tables) await client.query(`analyze ${name}`);
}
