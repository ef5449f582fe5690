import type { Client } from 'pg';
import { copyText } from './cells.ts';
import type { SourceDatabase } from './source.ts';
import type { Table } from './tables.ts';
import { type Copied, copyLines } from './target.ts';

/** What one transaction brings: measured, larger ones are no faster. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const CHUNK_ROWS = 20_000;

/**
 * Copies the rows of a table behind those that are there, in the order of SQLite, a chunk a transaction. `onRows` hears
 * how many have been copied.
 * @returns the number of all that are there now
 */
export async function copyTable(
  source: SourceDatabase,
  client: Client,
  table: Table,
  from: Copied | undefined,
  onRows: (rows: number) => void,
): Promise<number> {
  let rows = from?.rows ?? 0;
  let lines: string[] = [];
  let bytes = 0;
  let place = from?.place;
  const send = async (): Promise<void> => {
    if (lines.length === 0 || !place) return;
    rows += lines.length;
    await copyLines(client, table, lines.join(''), { place, rows });
    onRows(lines.length);
    lines = [];
    bytes = 0;
  };
  for (const row of source.rowsAfter(table, place)) {
    const line = `${table.columns.map(({ kind }, n) => copyText(row.cells[n] ?? null, kind)).join('\t')}\n`;
    lines.push(line);
    bytes += line.length;
    place = row.place;
    if (bytes >= CHUNK_BYTES || lines.length >= CHUNK_ROWS) await send();
  }
  await send();
  return rows;
}
