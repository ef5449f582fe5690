import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { Row } from '../rows.ts';

/** Runs SQL on one database; each text is prepared once. */
export interface Statements {
  all(sql: string, ...values: SQLInputValue[]): Row[];
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  /** Runs a write. Returns how many rows it changed and the rowid of the last one inserted. */
  run(sql: string, ...values: SQLInputValue[]): { changed: number; rowid: number };
  insert(table: string, row: Row): void;
  /** Returns how many rows match; with no column to set it only counts them. */
  update(table: string, row: Row, where: string, ...values: SQLInputValue[]): number;
}

export function createStatements(db: DatabaseSync): Statements {
  const prepared = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    let statement = prepared.get(sql);
    if (!statement) {
      statement = db.prepare(sql);
      prepared.set(sql, statement);
    }
    return statement;
  };
  const get: Statements['get'] = (sql, ...values) => prepare(sql).get(...values) as Row | undefined;
  const run: Statements['run'] = (sql, ...values) => {
    const { changes, lastInsertRowid } = prepare(sql).run(...values);
    return { changed: Number(changes), rowid: Number(lastInsertRowid) };
  };

  return {
    all: (sql, ...values) => prepare(sql).all(...values) as Row[],
    get,
    run,
    insert(table, row) {
      const names = Object.keys(row);
      const marks = names.map(() => '?').join(', ');
      run(`insert into ${table} (${names.join(', ')}) values (${marks})`, ...Object.values(row));
    },
    update(table, row, where, ...values) {
      const names = Object.keys(row);
      if (names.length === 0) return get(`select 1 from ${table} where ${where}`, ...values) ? 1 : 0;
      const set = names.map((name) => `${name} = ?`).join(', ');
      return run(`update ${table} set ${set} where ${where}`, ...Object.values(row), ...values).changed;
    },
  };
}
