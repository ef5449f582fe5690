/** The audit log of several nodes: one entry, whichever node answers. */
import { randomUUID } from 'node:crypto';
import type { AuditEntry } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UNKNOWN } from './support/calls.ts';
import { type DatabaseProxy, startProxy, startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';

const ROOT = 'key-of-the-operator';
const as = (secret: string, more: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${secret}`, ...more },
});

describe.skipIf(!hasPostgres())('with several nodes', { timeout: 120_000 }, () => {
  let cluster: TestCluster;
  let proxy: DatabaseProxy;
  let [one, two] = [{} as TestServer, {} as TestServer];
  beforeAll(async () => {
    cluster = await startTestCluster(1, {
      args: ['--lease-seconds', '10'],
      env: { AGENT_SERVER_API_KEY: ROOT },
      config: { trusted_proxies: ['127.0.0.1'] },
    });
    proxy = await startProxy(cluster.database);
    one = cluster.nodes[0] as TestServer;
    two = await cluster.start({
      env: { AGENT_SERVER_API_KEY: ROOT, AGENT_SERVER_DATABASE_URL: proxy.url },
    });
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    await proxy?.close();
  }, 60_000);

  const on = async (node: TestServer, id: string): Promise<AuditEntry[]> =>
    (
      await node.call<{ entries: AuditEntry[] }>('GET', '/audit?limit=1000', undefined, as(ROOT))
    ).body.entries.filter((entry) => entry.request_id === id);

  test('what one node passes on to another has one entry, with the address of the caller', async () => {
    const made = await one.call<{ session_id: string }>('POST', '/sessions', {}, as(ROOT));
    const path = `/sessions/${made.body.session_id}`;
    const requests: [string, string, unknown, Record<string, string>, object][] = [
      ['PATCH', path, { title: 'x' }, {}, { action: 'patchSession', status: 200 }],
      ['PATCH', path, { title: 1 }, {}, { status: 422, problem: 'validation_failed' }],
      ['POST', `${path}/messages`, { message: 'say x' }, {}, { action: 'sendMessage', status: 202 }],
      [
        'POST',
        `${path}/messages`,
        { message: 'say y' },
        { accept: 'text/event-stream' },
        { action: 'sendMessage', status: 202 },
      ],
      [
        'POST',
        `/sessions/${UNKNOWN}/interrupt`,
        undefined,
        {},
        { status: 404, problem: 'session_not_found' },
      ],
      ['DELETE', path, undefined, {}, { action: 'closeSession', status: 200 }],
    ];
    for (const [method, url, body, more, expected] of requests) {
      const id = randomUUID();
      const headers = as(ROOT, { 'x-request-id': id, 'x-forwarded-for': '198.51.100.7', ...more });
      const answer = await two.call(method, url, body, headers);
      expect(answer.headers.has('x-claude-agent-audited')).toBe(false);
      await two.call('GET', '/audit', undefined, as(ROOT));
      for (const node of [one, two]) {
        const found = await on(node, id);
        expect(found).toMatchObject([{ address: '198.51.100.7', actor: { id: 'environment' }, ...expected }]);
        expect(found).toHaveLength(1);
      }
    }
  });

  test('what a node could not write because its database was away is written afterwards', async () => {
    const id = randomUUID();
    proxy.cut();
    const answer = await two.call('POST', '/keys', { name: 'x' }, as(ROOT, { 'x-request-id': id }));
    proxy.mend();
    expect(answer.status).toBe(503);
    await expect
      .poll(() => on(one, id), { timeout: 20_000 })
      .toMatchObject([{ action: 'createKey', status: 503, problem: 'storage_failed' }]);
  });
});
