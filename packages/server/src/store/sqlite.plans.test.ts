import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { costlySteps, type Exception, planOf, planProblems } from '../../test/support/plans.ts';
import { callEverything } from '../../test/support/store-calls.ts';
import { migrate } from './migrate.ts';
import { openSqliteStore } from './sqlite.ts';

/** What reads more than it returns, and why it may. */
const EXCEPTIONS: Exception[] = [
  {
    sql: 'from (select value as wanted from json_each(?)) f',
    plan: 'USE TEMP B-TREE FOR ORDER BY',
    why: 'sorts the sessions that are named: those that are live',
  },
  {
    sql: 'insert into tenant_uids select',
    plan: 'SCAN (subquery-1)',
    why: 'one row: the next number',
  },
  {
    sql: 'from usage_days where day >=',
    plan: 'USE TEMP B-TREE FOR GROUP BY',
    why: 'a few rows for each day that is shown',
  },
  {
    sql: 'and not exists (select 1 from push_subscriptions)',
    plan: 'SCAN push_subscriptions',
    why: 'reads one row, when a browser or webhook is added',
  },
  { sql: 'select * from push_subscriptions', plan: 'SCAN push_subscriptions', why: 'all of them are wanted' },
  {
    sql: 'where not exists (select 1 from webhooks)',
    plan: 'SCAN webhooks',
    why: 'reads one row, when a webhook is made',
  },
  {
    sql: 'from webhooks where tenant = ?',
    plan: 'USE TEMP B-TREE FOR ORDER BY',
    why: 'a tenant has 20 at most',
  },
  {
    sql: "from webhooks where status = 'enabled'",
    plan: 'SCAN webhooks',
    why: 'all of them are wanted, 20 for each tenant at most',
  },
  {
    sql: 'from erased_usage) group by model',
    plan: 'SCAN usage',
    why: 'a sum over all sessions reads all of them: 3.6 ms with 20,000 rows',
  },
  {
    sql: 'from erased_usage) group by model',
    plan: 'SCAN erased_usage',
    why: 'one row for each model that erased sessions used',
  },
  {
    sql: 'from erased_usage) group by model',
    plan: 'SCAN (subquery-2)',
    why: 'the rows of the two tables',
  },
  {
    sql: 'from erased_usage) group by model',
    plan: 'USE TEMP B-TREE FOR GROUP BY',
    why: 'holds one entry for each model; an index by model would be written with each model call',
  },
  {
    sql: 'from turns where ended_at is not null',
    plan: 'SCAN turns USING COVERING INDEX turns_ended',
    why: 'a count over all sessions, from an index that holds nothing else',
  },
  {
    sql: 'from key_usage order by key_id',
    plan: 'SCAN key_usage',
    why: 'one row for each API key, and all of them are shown',
  },
  {
    sql: "where type = 'session.tasks' group by session_id",
    plan: 'SCAN events USING COVERING INDEX events_tasks',
    why: 'asked once, when the server starts; the index holds task lists only',
  },
  {
    sql: 'order by id limit ?) s',
    plan: 'SCAN s',
    why: 'one page of sessions, read by their primary key',
  },
  {
    sql: 'where s.conversation_id <> s.id',
    plan: 'INDEX sessions_moved',
    why: 'the index holds only the sessions that are wanted',
  },
  {
    sql: "from sessions where hidden = 'importing'",
    plan: 'SCAN sessions USING COVERING INDEX sessions_hidden',
    why: 'the index holds only sessions that are being erased or imported',
  },
  {
    sql: 'from sessions where hidden is not null',
    plan: 'SCAN sessions USING COVERING INDEX sessions_hidden',
    why: 'the index holds only sessions that are being erased or imported',
  },
  {
    sql: 'from conversations where session_id not in',
    plan: 'SCAN conversations',
    why: "a tenant's list of what can be resumed leaves out the conversations of all others",
  },
  {
    sql: 'from usage where session_id in',
    plan: 'USE TEMP B-TREE FOR GROUP BY',
    why: 'holds one entry for each model',
  },
  {
    sql: 'select 1 from api_keys where session_id is null',
    plan: 'SCAN api_keys USING INDEX api_keys_listed',
    why: 'the first key that there is',
  },
  {
    sql: 'from open_calls',
    plan: 'SCAN open_calls',
    why: 'asked once, when the server starts; the table holds only calls that wait',
  },
  {
    sql: "where wait_for = 'background'",
    plan: 'SCAN turns USING INDEX turns_unsettled',
    why: 'the index holds only the turns that are wanted',
  },
  {
    sql: 'from (select 1 from turn_text where turn_text match ? limit ?)',
    plan: 'SCAN (subquery-1)',
    why: 'at most as many messages as the limit says',
  },
  {
    sql: 'union all select id from sessions where title is not null',
    plan: 'USE TEMP B-TREE FOR ORDER BY',
    why: 'sorts the sessions that were found',
  },
];

/** Which index a statement must use, where a worse one would do without a scan. By a part of its text. */
const INDEXES: readonly (readonly [sql: string, index: string])[] = [
  ["where turn_id = ?1 and type = 'turn.queued'", 'events_turn_start'],
  ["where turn_id = ?1 and type = 'turn.started'", 'events_turn_started'],
  ['from permissions where session_id = ? and tool_use_id = ?', 'permissions_of_call'],
  ['from sessions where hidden is null and (last_activity, id) < (?, ?) order by', 'sessions_by_time'],
  [
    'from sessions where hidden is null and (last_activity, id) < (?, ?) and status = ? order by',
    'sessions_by_activity',
  ],
  [
    'from sessions where hidden is null and (last_activity, id) < (?, ?) and cwd = ? order by',
    'sessions_by_folder',
  ],
  ["from permissions where state = 'pending' and position > ? order by", 'permissions_pending'],
  ['from permissions where session_id = ? and tool_use_id = ?', 'permissions_of_call'],
  ['from api_keys where session_id is null and tenant = ?', 'api_keys_by_tenant'],
  ['and tenant = ? order by last_activity', 'sessions_by_tenant'],
  ['and tenant = ? and created_by = ? order by last_activity', 'sessions_by_maker'],
  ['where e.tenant = ? and e.cursor > ?', 'events_of_tenant'],
  ["from events where cursor > ? and type <> 'agent.message' and session_id not in", 'events_control'],
  ['from audit where tenant = ?', 'audit_by_tenant'],
  ['from audit where actor = ?', 'audit_by_actor'],
  ['from audit where session_id = ?', 'audit_by_session'],
  ["where e.type <> 'turn.started' or t.initiator = 'user'", 'events_history'],
  ["count(*) as n from sessions where coalesce(created_by, 'local') = ?", 'sessions_open_by_maker'],
  ['count(*) as n from sessions where tenant = ?', 'sessions_open_by_tenant'],
  ['from usage_days where day = ? and tenant = ?', 'usage_days_by_tenant'],
];

const usesTables = (sql: string): boolean => /^\s*(select|insert|update|delete)/i.test(sql);

/** Every statement that a store prepares while it is used in every way there is. */
async function statementsOfTheStore(): Promise<Set<string>> {
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  try {
    const store = openSqliteStore(':memory:');
    prepare.mockClear();
    await callEverything(store);
    await store.close();
    return new Set(prepare.mock.calls.map(([sql]) => sql).filter(usesTables));
  } finally {
    prepare.mockRestore();
  }
}

const oneLine = (sql: string): string => sql.replaceAll(/\s+/g, ' ');

/** Statements that do not use the index that they must use; a part of a text that no statement has is one too. */
const wrongIndexes = (db: DatabaseSync, statements: ReadonlySet<string>): string[] =>
  INDEXES.flatMap(([part, index]) => {
    const found = [...statements].filter((sql) => oneLine(sql).includes(part));
    const wrong = found.filter((sql) => !planOf(db, sql).some((step) => step.split(' ').includes(index)));
    return found.length === 0 ? [`no statement has: ${part}`] : wrong;
  });

const indexesOf = (db: DatabaseSync): string[] =>
  db
    .prepare("select name from sqlite_schema where type = 'index' and sql is not null")
    .all()
    .map((row) => String(row.name));

describe('the statements of the SQLite store', () => {
  let db: DatabaseSync;
  let statements: Set<string>;
  beforeAll(async () => {
    db = new DatabaseSync(':memory:');
    migrate(db);
    statements = await statementsOfTheStore();
  });
  afterAll(() => db.close());

  test('include every one that the source files write', () => {
    const folder = new URL('./sqlite/', import.meta.url);
    const source = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'));
    // Each text that begins like SQL, up to its end or to the first part that is put in.
    const written = [
      ...source.join('\n').matchAll(/(['"`])((?:select|insert|update|delete)\s(?:(?!\1|\$\{)[\s\S])*)/g),
    ].map(([, , sql = '']) => sql);
    expect(written.length).toBeGreaterThan(30);
    const prepared = [...statements];
    expect(written.filter((sql) => !prepared.some((each) => each.startsWith(sql)))).toEqual([]);
  });

  test('read no whole table and sort nothing, but for the exceptions', () => {
    expect(planProblems(db, statements, EXCEPTIONS)).toEqual([]);
  });

  test('need every exception', () => {
    const needed = (exception: Exception): boolean =>
      [...statements].some(
        (sql) =>
          sql.includes(exception.sql) &&
          costlySteps(planOf(db, sql)).some((step) => step.includes(exception.plan)),
      );
    expect(EXCEPTIONS.filter((each) => !needed(each)).map((each) => each.sql)).toEqual([]);
  });

  test('use every index', () => {
    const plans = [...statements].flatMap((sql) => planOf(db, sql));
    const used = (index: string): boolean => plans.some((step) => step.split(' ').includes(index));
    expect(indexesOf(db).filter((index) => !used(index))).toEqual([]);
  });

  test('use the index that is made for them', () => {
    expect(wrongIndexes(db, statements)).toEqual([]);
  });

  const fresh = new DatabaseSync(':memory:');
  migrate(fresh);
  const names = indexesOf(fresh);
  fresh.close();

  test.each(names)('fail this check without the index %s', (index) => {
    const other = new DatabaseSync(':memory:');
    try {
      migrate(other);
      other.exec(`drop index ${index}`);
      const problems = [...planProblems(other, statements, EXCEPTIONS), ...wrongIndexes(other, statements)];
      expect(problems).not.toEqual([]);
    } finally {
      other.close();
    }
  });
});
