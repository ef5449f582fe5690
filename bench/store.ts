/**
 * The two stores side by side in one run: appends, and turns of two servers that differ only in their store.
 *
 * Run: node --conditions=claude-agent-source bench/store.ts
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgresStore } from '../packages/server/src/store/postgres.ts';
import { openSqliteStore } from '../packages/server/src/store/sqlite.ts';
import type { Store } from '../packages/server/src/store/store.ts';
import { sampleEvent, sampleSession } from '../packages/server/test/support/samples.ts';
import { startProgram } from './support/child.ts';
import { agentEnvironment, openHttp } from './support/conversations.ts';
import { startDatabase } from './support/postgres.ts';
import { cpuSeconds } from './support/process.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

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
    const before = Object.values(servers).map(({ pid }) => cpuSeconds(pid));
    for (let n = 0; n < turns; n++) {
      for (const [name, conversation] of conversations) {
        totals.set(name, [...(totals.get(name) ?? []), (await conversation.turn()).end]);
      }
    }
    const spent = Object.values(servers).map(({ pid }, n) => cpuSeconds(pid) - (before[n] ?? 0));
    for (const [, conversation] of conversations) await conversation.close();
    printTable(
      `a turn over HTTP to its end, model scripted (${turns} each, alternating)`,
      ['', 'median', 'p90', 'CPU of the server'],
      [...totals].map(([name, values], n) => [
        name,
        ms(median(values)),
        ms(quantile(values, 0.9)),
        ms(((spent[n] ?? 0) / turns) * 1000),
      ]),
    );
  } finally {
    for (const server of Object.values(servers)) await server.stop();
    await upstream.stop();
  }
}

const database = await startDatabase();
const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-store-')));
try {
  const { url } = database;
  const stores = {
    SQLite: openSqliteStore(join(base, 'bench.db')),
    PostgreSQL: await openPostgresStore({ url }),
  };
  await benchAppends(stores);
  for (const store of Object.values(stores)) await store.close();
  await benchTurns(base, url);
} finally {
  await database.stop();
  rmSync(base, { recursive: true, force: true });
}
