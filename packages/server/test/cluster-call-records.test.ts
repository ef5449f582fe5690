/** What another node could not know of: a call that ran and stands nowhere. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { script } from './support/api.ts';
import { hasPostgres, newDatabase } from './support/postgres.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

describe.skipIf(!hasPostgres())('a tool call of a session on PostgreSQL', { timeout: 60_000 }, () => {
  let server: TestServer;
  let database: Client;
  beforeAll(async () => {
    const url = await newDatabase();
    server = await startTestServer({ env: { AGENT_SERVER_DATABASE_URL: url } });
    database = new Client({ connectionString: url });
    await database.connect();
  });
  afterAll(async () => {
    await database?.end();
    await cleanUp(server);
  });

  const touch = (file: string) => ({
    tools: [{ name: 'Bash', input: { command: `touch ${file}`, description: 'test' } }],
  });

  test('waits until it stands in the log, if its turn goes on after a crash; others do not', async () => {
    const made = (file: string): boolean => existsSync(join(server.root, file));
    const { gates } = server.demo.model;
    const begin = async (on_crash: 'resume' | 'interrupt') => {
      const { session_id: id } = await server.createSession({ on_crash, allowed_tools: ['Bash'] });
      return server.send(id, script({ hold: on_crash, ...touch(`${on_crash}.txt`) }, { say: 'done' }));
    };
    const answers = [begin('resume'), begin('interrupt')];
    await Promise.all([gates.reached('resume'), gates.reached('interrupt')]);
    // Nothing can be written from here on.
    await database.query('begin; lock table events in exclusive mode');
    gates.release('resume');
    gates.release('interrupt');
    await vi.waitFor(() => expect(made('interrupt.txt')).toBe(true), { timeout: 20_000 });
    // Both were let go at once; the other would be there by now.
    await sleep(500);
    expect(made('resume.txt')).toBe(false);
    await database.query('commit');
    expect((await Promise.all(answers)).map(({ is_error }) => is_error)).toEqual([false, false]);
    expect(made('resume.txt')).toBe(true);
  });
});
