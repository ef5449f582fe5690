/**
 * The two stores side by side in one run: appends, and turns of two servers that differ only in their store. With
 * `--growth SESSIONS EVENTS` instead: the same questions to a small PostgreSQL database and to one of that size.
 *
 * Run: node --conditions=claude-agent-source bench/store.ts [--growth 100000 5000000]
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { openPostgresStore } from '../packages/server/src/store/postgres.ts';
import { openSqliteStore } from '../packages/server/src/store/sqlite.ts';
import type { Store } from '../packages/server/src/store/store.ts';
import { findPostgres, startCluster } from '../packages/server/test/support/postgres.ts';
import { sampleEvent, sampleSession } from '../packages/server/test/support/samples.ts';
import { startProgram } from './support/child.ts';
import { agentEnvironment, openHttp } from './support/conversations.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

/** A database as it runs in earnest: what is acknowledged is on the disk. */
const DURABLE = { fsync: 'on', full_page_writes: 'on', shared_buffers: '256MB', max_wal_size: '4GB' };

const JSON_OF_EVENT = JSON.stringify({ type: 'assistant', text: 'x'.repeat(500) });

async function newSessions(store: Store, count: number): Promise<string[]> {
  const sessions = Array.from({ length: count }, () => sampleSession());
  await store.write(sessions.map((session) => ({ kind: 'insert-session', session })));
  return sessions.map(({ id }) => id);
}

/** Appends of one event for a second, `each` at a time to every session. Returns how many a second. */
async function appendRate(store: Store, sessions: number, each: number): Promise<number> {
  const ids = await newSessions(store, sessions);
  const end = performance.now() + 1_000;
  let count = 0;
  const start = performance.now();
  await Promise.all(
    ids.flatMap((id) =>
      Array.from({ length: each }, async () => {
        while (performance.now() < end) {
          await store.write([sampleEvent(id, { json: JSON_OF_EVENT })]);
          count++;
        }
      }),
    ),
  );
  return (count / (performance.now() - start)) * 1_000;
}

/** One append after the other: how long each takes. */
async function appendTimes(store: Store): Promise<number[]> {
  const [id = ''] = await newSessions(store, 1);
  const times: number[] = [];
  for (let n = 0; n < 200; n++) {
    const start = performance.now();
    await store.write([sampleEvent(id, { json: JSON_OF_EVENT })]);
    times.push(performance.now() - start);
  }
  return times;
}

async function benchAppends(stores: Record<string, Store>): Promise<void> {
  const shapes = {
    '1 session, 1 at a time': [1, 1],
    '1 session, 20': [1, 20],
    '20 sessions, 5': [20, 5],
    '500 sessions, 1': [500, 1],
  } as const;
  const found = new Map<string, number[]>();
  const times = new Map<string, number[]>();
  for (let round = 0; round < 5; round++) {
    for (const [name, store] of Object.entries(stores)) {
      times.set(name, [...(times.get(name) ?? []), ...(await appendTimes(store))]);
      for (const [shape, [sessions, each]] of Object.entries(shapes)) {
        const key = `${name} ${shape}`;
        found.set(key, [...(found.get(key) ?? []), await appendRate(store, sessions, each)]);
      }
    }
  }
  const names = Object.keys(stores);
  printTable(
    'one append, durable',
    ['', 'median', 'p90'],
    names.map((name) => [name, ms(median(times.get(name) ?? [])), ms(quantile(times.get(name) ?? [], 0.9))]),
  );
  printTable(
    'appends a second (sessions, writes at a time for each)',
    ['', ...names],
    Object.keys(shapes).map((shape) => [
      shape,
      ...names.map((name) => Math.round(median(found.get(`${name} ${shape}`) ?? [])).toLocaleString('en')),
    ]),
  );
}

async function benchTurns(base: string, database: string, turns = 60): Promise<void> {
  const work = join(base, 'work');
  mkdirSync(work);
  const upstream = await startProgram('bench/support/upstream.ts');
  const env = agentEnvironment(base, upstream.url);
  const start = (name: string, more: string[]) =>
    startProgram('packages/server/src/main.ts', {
      args: ['--port', '0', '--home', join(base, name), '--root', work, '--spares', '0', ...more],
      env,
    });
  const servers = {
    SQLite: await start('sqlite', []),
    PostgreSQL: await start('postgres', ['--database-url', database]),
  };
  try {
    const conversations = await Promise.all(
      Object.entries(servers).map(
        async ([name, { url }]) => [name, await openHttp(url, 'application/json')] as const,
      ),
    );
    const totals = new Map<string, number[]>();
    for (const [, conversation] of conversations) for (let n = 0; n < 5; n++) await conversation.turn();
    for (let n = 0; n < turns; n++) {
      for (const [name, conversation] of conversations) {
        totals.set(name, [...(totals.get(name) ?? []), (await conversation.turn()).end]);
      }
    }
    for (const [, conversation] of conversations) await conversation.close();
    printTable(
      `a turn over HTTP to its end, model scripted (${turns} each, alternating)`,
      ['', 'median', 'p90'],
      [...totals].map(([name, values]) => [name, ms(median(values)), ms(quantile(values, 0.9))]),
    );
  } finally {
    for (const server of Object.values(servers)) await server.stop();
    await upstream.stop();
  }
}

/** Fills a database with sessions of fifty events by SQL: through the store it would take an hour. */
const fill = (sessions: number, events: number): string => `
  insert into sessions (id, created_at, last_activity, status, metadata, tags, cwd, permission_mode, options,
      message_count, conversation_id, has_transcript, last_seq, log_bytes, last_cursor)
    select md5(n::text)::uuid::text, '2026-01-01T00:00:00.000Z',
      to_char(timestamp '2026-01-01' + n * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"'),
      case when n % 3 = 0 then 'connected' else 'closed' end, '{}', '{}', '/work/' || n % 100, 'default',
      '{"enable_proxy":false}', 1, md5(n::text)::uuid::text, true, ${Math.floor(events / sessions)}, 0, 0
    from generate_series(1, ${sessions}) n;
  insert into conversations select id, id, 0, false, 0 from sessions;
  insert into turns (session_id, id, position, state, initiator, input, input_hash, wait_for, urgent, created_at, started_at,
      ended_at, result)
    select md5((1 + n % ${sessions})::text)::uuid::text, md5('turn' || n)::uuid::text, n, 'completed', 'user',
      '"a question about something"', '', 'turn', false, '', '', '', '{}'
    from generate_series(1, ${sessions * 5}) n;
  insert into permissions (session_id, id, position, kind, tool_name, tool_input, suggestions, durable, default_to_no,
      requested_at, state)
    select md5((1 + n % ${sessions})::text)::uuid::text, md5('p' || n)::uuid::text, n, 'tool', 'Bash', '{}', '[]', false,
      false, '2026-01-01T00:00:00.000Z', case when n <= 200 then 'pending' else 'allowed' end
    from generate_series(1, ${sessions}) n;
  insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data)
    select md5((1 + n / ${Math.floor(events / sessions)})::text)::uuid::text, 1 + n % ${Math.floor(events / sessions)}, n,
      '2026-01-01T00:00:00.000Z', md5('turn' || n / 10)::uuid::text,
      case n % 10 when 0 then 'turn.queued' when 1 then 'turn.started' when 9 then 'turn.completed' else 'agent.message' end,
      220, n % 10 between 1 and 8, '{"type":"assistant","text":"' || repeat(md5(n::text), 6) || '"}'
    from generate_series(0, ${events} - 1) n`;

async function benchGrowth(socket: string, sessions: number, events: number): Promise<void> {
  const sizes = { small: [1_000, 50_000], large: [sessions, events] } as const;
  const stores: Record<string, Awaited<ReturnType<typeof openPostgresStore>>> = {};
  const admin = new Client({ host: socket, user: 'test', database: 'postgres' });
  await admin.connect();
  for (const [name, [many, all]] of Object.entries(sizes)) {
    await admin.query(`create database ${name}`);
    const url = `postgres://test@localhost/${name}?host=${encodeURIComponent(socket)}`;
    stores[name] = await openPostgresStore({ url, connections: 2 });
    const client = new Client({ connectionString: url });
    await client.connect();
    const start = performance.now();
    await client.query(fill(many, all));
    await client.query('vacuum analyze');
    const { rows } = await client.query(
      'select pg_size_pretty(pg_database_size(current_database())) as size',
    );
    await client.end();
    console.log(
      `${name}: ${many} sessions, ${all} events, ${rows[0].size}, ${ms(performance.now() - start)}`,
    );
  }
  await admin.end();
  const pick = async (store: Store): Promise<string[]> =>
    (await store.listSessions({ status: 'all', limit: 50 })).sessions.map(({ id }) => id);
  const ids = { small: await pick(stores.small as Store), large: await pick(stores.large as Store) };
  const questions: Record<string, (store: Store, id: string) => Promise<unknown>> = {
    'list, a page of 50': (store) => store.listSessions({ status: 'all', limit: 50 }),
    'list by status': (store) => store.listSessions({ status: 'connected', limit: 50 }),
    'list by folder': (store) => store.listSessions({ status: 'all', cwd: '/work/7', limit: 10 }),
    'inbox, a page of 50': (store) => store.pendingPermissions({ limit: 50 }),
    'replay of a session': (store, id) => store.readEvents(id, 0, 500),
    'history of a session': (store, id) =>
      store.history(id, { after: 0, until: 9_999, limit: 100, offset: 0 }),
    'events of all, a page of 500': (store) => store.readControlEvents(0, 500),
    'last cursor': (store) => store.lastCursor(),
    'one session': (store, id) => store.getSession(id),
    append: (store, id) => store.write([sampleEvent(id, { json: JSON_OF_EVENT })]),
  };
  const rows: string[][] = [];
  for (const [what, ask] of Object.entries(questions)) {
    const times = { small: [] as number[], large: [] as number[] };
    for (let n = 0; n < 205; n++) {
      for (const name of ['small', 'large'] as const) {
        const start = performance.now();
        await ask(stores[name] as Store, ids[name][n % 50] ?? '');
        // The first ones fill caches.
        if (n >= 5) times[name].push(performance.now() - start);
      }
    }
    const [small, large] = [median(times.small), median(times.large)];
    const least = [quantile(times.small, 0.05), quantile(times.large, 0.05)] as const;
    rows.push([
      what,
      ms(small),
      ms(large),
      `${(large / small).toFixed(2)}x`,
      ...least.map(ms),
      `${(least[1] / least[0]).toFixed(2)}x`,
    ]);
  }
  printTable(
    'median of 200, alternating',
    ['', 'small', 'large', 'ratio', 'p5 small', 'p5 large', 'ratio'],
    rows,
  );
  for (const store of Object.values(stores)) await store.close();
}

const programs = findPostgres();
if (programs === undefined) throw new Error('This bench needs PostgreSQL: apt-get install postgresql.');
const cluster = await startCluster(programs, DURABLE);
const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-store-')));
try {
  const at = process.argv.indexOf('--growth');
  if (at >= 0) await benchGrowth(cluster.socket, Number(process.argv[at + 1]), Number(process.argv[at + 2]));
  else {
    const url = `postgres://test@localhost/postgres?host=${encodeURIComponent(cluster.socket)}`;
    const stores = {
      SQLite: openSqliteStore(join(base, 'bench.db')),
      PostgreSQL: await openPostgresStore({ url }),
    };
    await benchAppends(stores);
    for (const store of Object.values(stores)) await store.close();
    await benchTurns(base, url);
  }
} finally {
  await cluster.stop();
  rmSync(base, { recursive: true, force: true });
}
