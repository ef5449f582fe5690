import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasPostgres, newDatabase } from './support/postgres.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** Runs the program to its end. */
const run = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, ['--conditions=claude-agent-source', MAIN, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...env },
    encoding: 'utf8',
  });

describe('a server on a database', () => {
  test('that cannot be reached does not start, and says so without the password', async () => {
    const started = startTestServer({
      env: { AGENT_SERVER_DATABASE_URL: 'postgres://someone:hunter2@127.0.0.1:1/agents' },
    });
    const error = await started.then(
      () => 'it started',
      (reason: unknown) => String(reason),
    );
    expect(error).toMatch(
      /The database postgres:\/\/someone@127\.0\.0\.1:1\/agents cannot be used: .*ECONNREFUSED.*Check --database-url/,
    );
    expect(error).not.toContain('hunter2');
  });

  test('is saved with pg_dump, not with "backup"', () => {
    const { status, stderr } = run(['backup', '/tmp/never'], {
      AGENT_SERVER_DATABASE_URL: 'postgres://someone:hunter2@db/agents',
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(/in PostgreSQL .*pg_dump/);
    expect(stderr).not.toContain('hunter2');
  });
});

describe.skipIf(!hasPostgres())('a server on PostgreSQL', () => {
  let server: TestServer;
  let database: string;
  beforeAll(async () => {
    database = await newDatabase();
    server = await startTestServer({ env: { AGENT_SERVER_DATABASE_URL: database } });
  });
  afterAll(() => cleanUp(server));

  test('says that it is not ready while the database is away, and goes on when it is back', async () => {
    const ready = async () => (await fetch(`${server.url}/ready`)).status;
    const created = await fetch(`${server.url}/sessions`, { method: 'POST', body: '{}' });
    expect(created.status).toBe(200);
    expect(await ready()).toBe(200);
    const name = new URL(database.replace('test@', '')).pathname.slice(1);
    const admin = new Client({ connectionString: database.replace(`/${name}`, '/postgres') });
    await admin.connect();
    await admin.query(`alter database ${name} allow_connections false`);
    await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    expect(await ready()).toBe(503);
    const refused = await fetch(`${server.url}/sessions`, { method: 'POST', body: '{}' });
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'storage_failed' });
    await admin.query(`alter database ${name} allow_connections true`);
    await admin.end();
    await expect.poll(ready).toBe(200);
    expect((await fetch(`${server.url}/sessions`, { method: 'POST', body: '{}' })).status).toBe(200);
    expect(server.stderr()).not.toContain(database);
  });
});
