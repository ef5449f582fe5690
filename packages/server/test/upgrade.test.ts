/** What waits while the program is replaced by a later version, whose start changes the schema of the database. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { checkOut, hasCommit } from './support/old-version.ts';
import { ask, eventsOf, pending, respond, sendAgain, servers, until } from './support/parking.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';

/** The last version with 13 migrations of SQLite: three and more follow, two of which rewrite tables. */
const OF_SQLITE = 'b60ff45^';
/** The last version with 3 migrations of PostgreSQL. */
const OF_POSTGRES = '0c349e0';

const lines = (on: TestServer, file = 'ran.txt'): string =>
  existsSync(join(on.root, file)) ? readFileSync(join(on.root, file), 'utf8') : '';

async function checkLog(on: TestServer, id: string): Promise<void> {
  const events = await eventsOf(on, id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const types = events.map(({ type }) => type);
  for (const once of ['turn.started', 'turn.completed', 'permission.requested', 'permission.resolved'])
    expect(
      types.filter((type) => type === once),
      once,
    ).toHaveLength(1);
}

/** What tests say in the configuration that older versions do not know. */
const UNKNOWN_THEN = { sandbox: undefined };

vi.setConfig({ testTimeout: 120_000 });

if (![OF_SQLITE, OF_POSTGRES].every(hasCommit))
  console.warn('The history of this clone is cut: tests of upgrades are skipped (git fetch --unshallow).');

describe.skipIf(!hasCommit(OF_SQLITE))('a home of an older version', () => {
  let old: ReturnType<typeof checkOut> | undefined;
  beforeAll(() => {
    old = checkOut(OF_SQLITE);
  });
  afterAll(() => old?.remove());

  test.for([
    ['was killed', 'kill'],
    ['was shut down', 'stop'],
  ] as const)('keeps the approval that waited when it %s; its call runs once', async ([, how], context) => {
    const start = servers(context);
    let on = await start({ program: old?.program, config: UNKNOWN_THEN });
    const { id, request, key } = await ask(on);
    await on[how]();
    on = await start();
    expect(await pending(on, id)).toMatchObject({ ...request, state: 'pending', durable: true });
    const ended = sendAgain(on, id, key);
    expect((await respond(on, id, { request_id: request.request_id, allowed: true })).status).toBe(200);
    expect(await ended).toMatchObject({ turn_id: request.turn_id, is_error: false });
    expect(lines(on)).toBe('asked\n');
    await checkLog(on, id);
    expect(JSON.stringify(await on.send(id, 'say and on'))).toContain('and on');
  });
});

describe.skipIf(!hasPostgres() || !hasCommit(OF_POSTGRES))('a cluster of an older version', () => {
  let old: ReturnType<typeof checkOut> | undefined;
  let cluster: TestCluster;
  beforeAll(async () => {
    old = checkOut(OF_POSTGRES);
    cluster = await startTestCluster(2, {
      program: old?.program,
      args: ['--lease-seconds', '10'],
      config: UNKNOWN_THEN,
    });
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    old?.remove();
  }, 60_000);

  test('works on beside a node of this version, and hands a waiting approval over to it when it stops', async () => {
    const [one, two] = cluster.nodes as [TestServer, TestServer];
    const { id, request, key } = await ask(one, { park_after_seconds: 0 });
    await until(async () => (await eventsOf(one, id)).some(({ type }) => type === 'turn.parked'));
    const { session_id: other } = await two.createSession();
    expect((await two.send(other, 'say before')).is_error).toBe(false);

    const later = await cluster.start({ program: undefined, config: {} });
    // The schema is the new one; the old nodes do their work on it.
    expect((await one.send(other, 'say meanwhile')).is_error).toBe(false);
    expect((await two.createSession()).status).toBe('connected');
    expect(await one.stop()).toBe(0);
    expect((await later.send(other, 'say to either')).is_error).toBe(false);
    expect(await two.stop()).toBe(0);

    expect(await pending(later, id)).toMatchObject({ ...request, state: 'pending' });
    const ended = sendAgain(later, id, key);
    expect((await respond(later, id, { request_id: request.request_id, allowed: true })).status).toBe(200);
    expect(await ended).toMatchObject({ turn_id: request.turn_id, is_error: false });
    expect(lines(later)).toBe('asked\n');
    await checkLog(later, id);
    expect((await later.send(other, 'say after')).is_error).toBe(false);
    const events = await eventsOf(later, other);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ type }) => type === 'turn.completed')).toHaveLength(4);
  });
});
