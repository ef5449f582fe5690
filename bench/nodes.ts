/**
 * What a cluster costs its PostgreSQL before anybody sends a message: looks for dead nodes, heartbeats and notifications, with
 * more nodes and owned sessions than one machine can run; and the log that turns write. In processor time of the database's
 * processes, because that hardly changes with what else the machine does.
 *
 * Run: node --conditions=claude-agent-source bench/nodes.ts
 */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { createMembership } from '../packages/server/src/cluster/membership.ts';
import { createSharedOwnership } from '../packages/server/src/cluster/shared-ownership.ts';
import { createPostgresPool, type PostgresPool } from '../packages/server/src/store/postgres/pool.ts';
import { openPostgresStore, type PostgresStore } from '../packages/server/src/store/postgres.ts';
import { sampleEvent, sampleSession, sampleTurn } from '../packages/server/test/support/samples.ts';
import { startDatabase } from './support/postgres.ts';
import { cpuSeconds } from './support/process.ts';
import { printTable } from './support/table.ts';

const SESSIONS = 100_000;
/** Nodes, and the sessions that each owns. */
const CLUSTERS = [
  [10, 300],
  [100, 300],
  [1_000, 30],
] as const;
const LISTENERS = [0, 1, 10, 50];
const NOTIFICATIONS = 3_000;
const TURNS = 400;
const EVENTS_OF_A_TURN = 10;

const us = (seconds: number): string => `${(seconds * 1e6).toFixed(0)} µs`;
const ignore = (): void => {};

/** How long the database's processes worked for one of `times` calls. */
async function cpuOf(pids: readonly number[], times: number, work: () => Promise<unknown>): Promise<number> {
  const used = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = used();
  for (let n = 0; n < times; n++) await work();
  return (used() - before) / times;
}

const backendOf = async (pool: PostgresPool): Promise<number> =>
  Number((await pool.get('select pg_backend_pid() as pid'))?.pid);

async function benchLooks(url: string, store: PostgresStore): Promise<void> {
  await store.pool.all(`
    insert into sessions (id, created_at, last_activity, status, metadata, tags, cwd, permission_mode, options,
        message_count, conversation_id, has_transcript)
      select md5(n::text), '', n::text, 'connected', '{}', '{}', '/work', 'default', '{}', 0, md5(n::text), false
      from generate_series(1, ${SESSIONS}) n`);
  const pool = createPostgresPool({ url, connections: 1 });
  const membership = createMembership({
    sql: pool,
    id: 'this node',
    heartbeatMs: 1e6,
    leaseMs: 1e7,
    room: () => 0,
    onError: ignore,
  });
  const ownership = createSharedOwnership({
    sql: pool,
    store,
    membership,
    sharedFolders: true,
    onError: ignore,
  });
  const rows: string[][] = [];
  for (const [nodes, each] of CLUSTERS) {
    await store.pool.all('delete from nodes');
    await membership.join('http://localhost');
    await store.pool.all(
      `insert into nodes (id, incarnation, address, started_at, expires_at)
         select 'n' || n, 'i' || n, 'http://10.0.0.1:8787', now(), now() + interval '1 day' from generate_series(2, $1::int) n`,
      nodes,
    );
    await store.pool.all(
      `update sessions s set owner = case when r.n <= $1::int * $2::int then 'i' || 2 + r.n % ($1::int - 1) end
         from (select id, row_number() over (order by id) as n from sessions) r where r.id = s.id`,
      nodes,
      each,
    );
    await store.pool.all('vacuum analyze sessions');
    const pids = [await backendOf(pool)];
    const times = nodes > 500 ? 200 : 1_000;
    const sweep = await cpuOf(pids, times, membership.sweep);
    const take = await cpuOf(pids, times, () => ownership.takeOrphans([], 8));
    const all = await cpuOf(pids, times / 5, ownership.deadOwners);
    // How it was: every owned session, in every look.
    const before = await cpuOf(pids, 50, () =>
      pool.all(
        `select id from sessions s where owner is not null
           and not exists (select from nodes n where n.incarnation = s.owner) limit 8 for update skip locked`,
      ),
    );
    const look = sweep + take + all / 10;
    rows.push([
      `${nodes} nodes, ${nodes * each} owned`,
      ...[sweep, take, all, look, sweep + before].map(us),
      `${(look * nodes).toFixed(2)}`,
      `${((sweep + before) * nodes).toFixed(2)}`,
    ]);
  }
  printTable(
    'one look, in processor time of the database; with one look a second, processors for all nodes',
    ['', 'nodes', 'sessions', 'all owners', 'a look', 'before', 'processors', 'before'],
    rows,
  );
  const pids = [await backendOf(pool)];
  const beat = await cpuOf(pids, 2_000, () =>
    pool.all(
      `update nodes set expires_at = now() + interval '1 day', room = 0 where id = $1 and incarnation = $2 returning id`,
      'n2',
      'i2',
    ),
  );
  console.log(`a heartbeat among ${CLUSTERS.at(-1)?.[0]} nodes: ${us(beat)}`);
  await membership.leave();
  await pool.close();
}

async function benchNotifications(url: string): Promise<void> {
  const rows: string[][] = [];
  for (const count of LISTENERS) {
    const listeners = Array.from({ length: count }, () => new Client({ connectionString: url }));
    let heard = 0;
    const pids: number[] = [];
    for (const listener of listeners) {
      await listener.connect();
      listener.on('notification', () => void heard++);
      await listener.query('listen claude_agent_events');
      pids.push(Number((await listener.query('select pg_backend_pid() as pid')).rows[0].pid));
    }
    const pool = createPostgresPool({ url, connections: 1 });
    pids.push(await backendOf(pool));
    const id = randomUUID();
    const cpu = await cpuOf(pids, NOTIFICATIONS, () =>
      pool.all('select pg_notify($1, id) from unnest($2::text[]) id', 'claude_agent_events', [id]),
    );
    rows.push([`${count} listening`, us(cpu), `${heard}`]);
    await pool.close();
    await Promise.all(listeners.map((listener) => listener.end()));
  }
  printTable('one notification, in processor time of the database', ['', 'each', 'heard'], rows);
}

/** Turns as a node writes them: four commits, ten events of 500 bytes. */
async function benchTurns(store: PostgresStore): Promise<void> {
  const session = sampleSession();
  const id = session.id;
  await store.write([{ kind: 'insert-session', session }]);
  const position = async (): Promise<number> =>
    Number((await store.pool.get(`select pg_current_wal_insert_lsn() - '0/0' as bytes`))?.bytes);
  const data = (bytes: number) => ({ json: JSON.stringify({ text: 'x'.repeat(bytes) }) });
  await store.pool.all('checkpoint');
  const { writer } = (await store.pool.get(
    `select pid as writer from pg_stat_activity where query like '%apply_writes%' and pid <> pg_backend_pid()
     order by query_start desc limit 1`,
  )) as { writer: number };
  const start = await position();
  const cpu = await cpuOf([Number(writer)], TURNS, async () => {
    const turn = sampleTurn(id, { input: `a question of about twenty words ${'and more '.repeat(12)}` });
    const named = { sessionId: id, id: turn.id };
    const told = (type: 'turn.queued' | 'agent.message' | 'turn.completed', count: number) =>
      Array.from({ length: count }, () => sampleEvent(id, { type, turnId: turn.id, ...data(450) }));
    await store.write([{ kind: 'insert-turn', turn }, ...told('turn.queued', 2)]);
    await store.write([
      { kind: 'update-turn', ...named, from: ['queued'], set: { state: 'running', startedAt: 'now' } },
      ...told('agent.message', 3),
    ]);
    await store.write(told('agent.message', 3));
    await store.write([
      { kind: 'update-turn', ...named, from: ['running'], set: { state: 'completed', endedAt: 'now' } },
      { kind: 'update-session', id, set: { lastActivity: new Date().toISOString() } },
      { kind: 'count-message', id },
      ...told('turn.completed', 2),
    ]);
  });
  console.log(
    `\na turn (4 commits, ${EVENTS_OF_A_TURN} events of 500 bytes): ${(((await position()) - start) / TURNS / 1024).toFixed(1)} KB of write-ahead log, ${us(cpu)} of the writer's processor time`,
  );
}

const database = await startDatabase({
  fsync: 'on',
  full_page_writes: 'on',
  wal_level: 'replica',
  shared_buffers: '256MB',
});
const { url } = database;
const store = await openPostgresStore({ url, connections: 2 });
try {
  await benchLooks(url, store);
  await benchNotifications(url);
  await benchTurns(store);
} finally {
  await store.close();
  await database.stop();
}
