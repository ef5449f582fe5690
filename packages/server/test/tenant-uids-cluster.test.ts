import { chmodSync, statSync } from 'node:fs';
import type { SessionCreated, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentsOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';
import { NO_TENANT_UIDS } from './support/tenant-uids.ts';

const KEYS = { a: 'key-of-tenant-a-1', b: 'key-of-tenant-b-1' };
const why = NO_TENANT_UIDS ?? (hasPostgres() ? undefined : 'there is no PostgreSQL');

/** Nodes of one database, each with a home and transcripts of its own. */
describe.skipIf(why !== undefined)(
  `users of tenants in a cluster${why === undefined ? '' : ` (skipped: ${why})`}`,
  { timeout: 180_000 },
  () => {
    let cluster: TestCluster;
    beforeAll(async () => {
      cluster = await startTestCluster(1, {
        config: {
          sandbox: { tenant_uids: { first: 282_000, count: 10 } },
          api_keys: Object.entries(KEYS).map(([id, key]) => ({ id, key, tenant: id, role: 'user' })),
        },
      });
      await cluster.start({ ownUser: true });
      chmodSync(cluster.nodes[0]?.root ?? '', 0o1777);
    }, 180_000);
    afterAll(() => cluster?.stop(), 60_000);

    const call = async <T>(
      node: TestServer,
      who: keyof typeof KEYS,
      path: string,
      body: unknown,
    ): Promise<T> => {
      const headers = { authorization: `Bearer ${KEYS[who]}` };
      const { status, body: said } = await node.call<T>('POST', path, body, { headers });
      if (status !== 200) throw new Error(`HTTP ${status}: ${JSON.stringify(said)}`);
      return said;
    };
    const send = async (
      node: TestServer,
      who: keyof typeof KEYS,
      id: string,
      message: string,
    ): Promise<string> => {
      const { messages } = await call<TurnResult>(node, who, `/sessions/${id}/messages`, { message });
      return messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
    };
    const create = async (node: TestServer, who: keyof typeof KEYS): Promise<string> =>
      (await call<SessionCreated>(node, who, '/sessions', { allowed_tools: ['Bash'] })).session_id;
    const WHO = script(
      { tools: [{ name: 'Bash', input: { command: 'id -u; touch f-$(id -u) && stat -c %u f-$(id -u)' } }] },
      { say: '{{result}}' },
    );

    test('are the same on every node, and go with a session that moves', async () => {
      const [one, two] = cluster.nodes as [TestServer, TestServer];
      // Both nodes give numbers at once.
      const [a1, b2, a2, b1] = await Promise.all([
        create(one, 'a'),
        create(two, 'b'),
        create(two, 'a'),
        create(one, 'b'),
      ]);
      const uids = [a1, a2, b1, b2].map((id) => [
        ...new Set(agentsOf(id).map(({ pid }) => statSync(`/proc/${pid}`).uid)),
      ]);
      const [ofA, , ofB] = uids as [number[], number[], number[], number[]];
      expect(uids).toEqual([ofA, ofA, ofB, ofB]);
      expect([...ofA, ...ofB].sort()).toEqual([282_000, 282_001]);
      const [uid] = ofA;
      expect(await send(one, 'a', a1, WHO)).toBe(`${uid}\n${uid}`);
      await send(one, 'a', a1, 'say apple');
      await one.stop();
      expect(await send(two, 'a', a1, 'what did I say')).toMatch(/apple/);
      expect(await send(two, 'a', a1, WHO)).toBe(`${uid}\n${uid}`);
    });
  },
);
