import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listMigrations, migrate } from './migrate.ts';

const base = mkdtempSync(join(tmpdir(), 'migrate-test-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe('migrations', () => {
  const folder = (files: Record<string, string>): URL => {
    const path = mkdtempSync(join(base, 'migrations-'));
    for (const [name, sql] of Object.entries(files)) writeFileSync(join(path, name), sql);
    return pathToFileURL(`${path}/`);
  };
  const versions = (db: DatabaseSync): unknown[] =>
    db
      .prepare('select version from migrations order by version')
      .all()
      .map((row) => row.version);
  let db: DatabaseSync;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
  });
  afterEach(() => db.close());

  test('of one number are refused, as they come from two branches: the second would never be applied', () => {
    const files = { '001-a.sql': 'create table a (n)', '001-b.sql': 'create table b (n)' };
    expect(() => migrate(db, folder(files))).toThrow(/Two migrations have the number 1/);
    for (const store of ['./migrations/', './postgres/migrations/'])
      expect(listMigrations(new URL(store, import.meta.url)).length).toBeGreaterThan(0);
  });

  test('are applied in order, each once', () => {
    const one = { '001-a.sql': 'create table t (n integer); insert into t values (1)' };
    const two = { ...one, '002-b.sql': 'insert into t select n + 1 from t', 'README.md': 'not one' };
    migrate(db, folder(one));
    migrate(db, folder(one));
    migrate(db, folder(two));
    migrate(db, folder(two));
    expect(
      db
        .prepare('select n from t order by n')
        .all()
        .map((row) => row.n),
    ).toEqual([1, 2]);
    expect(versions(db)).toEqual([1, 2]);
  });

  test('that fail leave nothing behind, and go on from there when they are repaired', () => {
    const good = { '001-a.sql': 'create table t (n integer)' };
    const broken = { ...good, '002-b.sql': 'insert into t values (7); select * from nowhere' };
    expect(() => migrate(db, folder(broken))).toThrow(/nowhere/);
    expect(db.prepare('select count(*) as n from t').get()).toEqual({ n: 0 });
    expect(versions(db)).toEqual([1]);
    migrate(db, folder({ ...good, '002-b.sql': 'insert into t values (7)' }));
    expect(db.prepare('select n from t').get()).toEqual({ n: 7 });
  });

  test('of this program have numbers without holes', () => {
    const names = readdirSync(new URL('./migrations/', import.meta.url)).toSorted();
    expect(names.map((name) => Number(name.slice(0, 3)))).toEqual(names.map((_, index) => index + 1));
  });
});
