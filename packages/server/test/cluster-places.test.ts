/** Nodes with folders of their own: a session goes to the node that has its folder, and waits for it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Session, Turn } from 'claude-agent-protocol';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';
import { git } from './support/workspaces.ts';

describe.skipIf(!hasPostgres())('nodes with folders of their own', { timeout: 120_000 }, () => {
  let cluster: TestCluster;
  let one: TestServer;
  let two: TestServer;
  let database: Client;
  const shared = realpathSync(mkdtempSync(join(tmpdir(), 'cluster-places-')));
  beforeAll(async () => {
    cluster = await startTestCluster(2, {
      args: ['--lease-seconds', '10'],
      config: {
        shared_folders: false,
        shutdown_grace_seconds: 1,
        workspaces: { folder: join(shared, 'workspaces'), objects: { folder: join(shared, 'objects') } },
      },
    });
    [one, two] = cluster.nodes as [TestServer, TestServer];
    database = new Client(cluster.database);
    await database.connect();
  }, 120_000);
  afterAll(async () => {
    await database?.end();
    await cluster?.stop();
    rmSync(shared, { recursive: true, force: true });
  }, 60_000);

  /** The address of the node that had the session last. */
  const nodeOf = async (id: string): Promise<string | undefined> => {
    const { rows } = await database.query<{ address: string }>(
      'select n.address from sessions s join nodes n on n.id = s.node where s.id = $1',
      [id],
    );
    return rows[0]?.address;
  };
  const turnsOf = async (on: TestServer, id: string): Promise<Turn[]> =>
    (await on.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`)).body.turns;

  test('a session waits for the node that has its folder, and a workspace does not', async () => {
    const origin = join(one.root, 'origin');
    mkdirSync(origin);
    git(origin, 'init', '-q', '-b', 'main');
    writeFileSync(join(origin, 'a.txt'), 'one\n');
    git(origin, 'add', '-A');
    git(origin, 'commit', '-q', '-m', 'first');
    const workspace = { git: `file://${origin}` };
    const [plain, closing, near, far, queued] = await Promise.all([
      one.createSession(),
      one.createSession({ start: 'lazy' }),
      one.createSession({ workspace, start: 'lazy' }),
      one.createSession({ workspace, start: 'lazy' }),
      one.createSession({ start: 'lazy' }),
    ]);
    await one.send(plain.session_id, 'say first');
    const busy = script({ say: 'a {{hold:busy}}b' });
    const later = { headers: { prefer: 'respond-async' } };
    for (const message of [busy, 'say later'])
      await one.call('POST', `/sessions/${queued.session_id}/messages`, { message }, later);
    await vi.waitFor(async () => expect((await one.status(queued.session_id)).state).toBe('running'));
    expect(await one.stop()).toBe(0);

    const refused = await two.call('POST', `/sessions/${plain.session_id}/messages`, { message: 'say no' });
    expect([refused.status, refused.body.code, refused.body.detail]).toMatchObject([
      409,
      'folder_elsewhere',
      expect.stringContaining(plain.cwd),
    ]);
    const resume = { resume_session_id: plain.session_id };
    expect((await two.call('POST', '/sessions', resume)).body.code).toBe('folder_elsewhere');
    expect((await two.call<Session>('GET', `/sessions/${plain.session_id}`)).body.message_count).toBe(1);
    expect((await two.call('DELETE', `/sessions/${closing.session_id}`)).status).toBe(200);
    // Only the folder that can be restored goes on elsewhere.
    expect((await two.send(far.session_id, 'say here')).is_error).toBe(false);
    expect(await nodeOf(far.session_id)).toBe(two.url);
    expect((await turnsOf(two, queued.session_id)).map(({ state }) => state)).toEqual([
      'interrupted',
      'queued',
    ]);

    one.demo.model.gates.release('busy');
    one = await cluster.start({ on: one });
    await vi.waitFor(
      async () => expect((await turnsOf(two, queued.session_id))[1]?.state).toBe('completed'),
      { timeout: 30_000 },
    );
    for (const { session_id: id } of [plain, near]) {
      await vi.waitFor(async () => expect((await two.send(id, 'say back')).is_error).toBe(false), 10_000);
      expect(await nodeOf(id)).toBe(one.url);
    }
    expect(await nodeOf(queued.session_id)).toBe(one.url);
  });

  test('a new session stays with the node that was asked for its folder', async () => {
    const { session_id: id } = await two.createSession({ start: 'lazy' });
    expect(await nodeOf(id)).toBe(two.url);
  });
});
