import { createHash, type Hash, hash } from 'node:crypto';
import type { Client } from 'pg';
import { hashText } from './cells.ts';
import type { Cells, SourceDatabase } from './source.ts';
import type { Table } from './tables.ts';
import { type Group, hashes } from './target.ts';

/** Rows that are not the same in both databases. */
export interface Difference {
  table: string;
  /** Empty for a table that is not about sessions. */
  session: string;
  /** Rows there; undefined if there are none. */
  source: number | undefined;
  target: number | undefined;
}

/** So many sessions, or rows, are compared at a time. */
const SESSIONS = 500;
const ROWS = 50_000;
/** So many differences are enough to know. */
const ENOUGH = 20;

/** Compares all rows of a table, by number and hash for each session. `onRows` hears how many have been read. */
export async function compareTable(
  source: SourceDatabase,
  client: Client,
  table: Table,
  onRows: (rows: number) => void,
): Promise<Difference[]> {
  const differences: Difference[] = [];
  let after: string | undefined;
  let page: Group[] = [];
  let rows = 0;
  const compare = async (isLast: boolean): Promise<void> => {
    const upTo = isLast ? undefined : page.at(-1)?.session;
    differences.push(...differing(table, page, await hashes(client, table, after, upTo)));
    onRows(rows);
    after = upTo;
    page = [];
    rows = 0;
  };
  for (const group of groups(source, table)) {
    page.push(group);
    rows += group.rows;
    if (table.session !== undefined && (page.length >= SESSIONS || rows >= ROWS)) await compare(false);
    if (differences.length >= ENOUGH) return differences;
  }
  await compare(true);
  return differences;
}

function* groups(source: SourceDatabase, table: Table): Iterable<Group> {
  const compared = table.columns.map(({ kind, own }) => (own ? undefined : kind));
  const digest = (cells: Cells): Buffer => {
    const texts = compared.flatMap((kind, n) => (kind ? [hashText(cells[n] ?? null, kind)] : []));
    return hash('sha256', texts.join(';'), 'buffer');
  };
  let group: { session: string; rows: number; sum: Hash } | undefined;
  const end = ({ session, rows, sum }: NonNullable<typeof group>): Group => ({
    session,
    rows,
    hash: sum.digest('hex'),
  });
  for (const { session, cells } of source.rowsBySession(table)) {
    if (group && session !== group.session) {
      yield end(group);
      group = undefined;
    }
    group ??= { session, rows: 0, sum: createHash('sha256') };
    group.rows += 1;
    group.sum.update(digest(cells));
  }
  if (group) yield end(group);
}

function differing(table: Table, source: readonly Group[], target: readonly Group[]): Difference[] {
  const there = new Map(target.map((group) => [group.session, group]));
  const differences: Difference[] = [];
  for (const { session, rows, hash: expected } of source) {
    const found = there.get(session);
    there.delete(session);
    if (found?.hash !== expected) {
      differences.push({ table: table.name, session, source: rows, target: found?.rows });
    }
  }
  for (const { session, rows } of there.values()) {
    differences.push({ table: table.name, session, source: undefined, target: rows });
  }
  return differences;
}
