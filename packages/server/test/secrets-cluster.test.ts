import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../src/agent/secrets/authority.ts';
import { script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { type HttpsSite, startHttpsSite } from './support/https-site.ts';
import { hasPostgres } from './support/postgres.ts';
import { HAS_BUBBLEWRAP } from './support/sandbox.ts';
import type { TestServer } from './support/server.ts';

const VALUE = 'the-real-value';

/** Servers on one database have one key for the secrets of callers. */
describe.skipIf(!HAS_BUBBLEWRAP || !hasPostgres())('secrets of a cluster', { timeout: 120_000 }, () => {
  const certificates = join(tmpdir(), `secrets-cluster-${process.pid}.pem`);
  let cluster: TestCluster;
  let site: HttpsSite;
  let config: Record<string, unknown>;
  beforeAll(async () => {
    const authority = await createAuthority();
    writeFileSync(certificates, authority.certificate);
    site = await startHttpsSite(authority, (_, response) => response.end('seen'));
    config = { sandbox: { network: 'limited', allowed_hosts: [site.address] } };
    cluster = await startTestCluster(2, {
      config: { ...config, secrets_key: 'a key that both of the nodes have been told' },
      env: { NODE_EXTRA_CA_CERTS: certificates },
    });
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    site?.close();
    rmSync(certificates, { force: true });
  }, 60_000);

  const use = async (server: TestServer, id: string): Promise<string | undefined> => {
    const command = `export NO_PROXY= no_proxy=; curl -sS -m 9 -H "x-api-key: $TOKEN" https://${site.address}/; echo "$TOKEN"`;
    const { messages } = await server.send(
      id,
      script({ tools: [{ name: 'Bash', input: { command, description: 'asks' } }] }, { say: '{{result}}' }),
    );
    const said = messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
    return /SECRET_PLACEHOLDER_\w+/.exec(said)?.[0];
  };

  test('go with a session to another node', async () => {
    const [one, two] = cluster.nodes as [TestServer, TestServer];
    const { session_id: id } = await one.createSession({
      model: 'demo',
      allowed_tools: ['Bash'],
      secrets: { TOKEN: { value: VALUE, hosts: [site.address] } },
    });
    const before = await use(one, id);
    expect(before).toBeDefined();
    expect(site.requests.at(-1)?.headers['x-api-key']).toBe(VALUE);
    await one.stop();
    site.requests.length = 0;
    expect(await use(two, id)).toBe(before);
    expect(site.requests.at(-1)?.headers['x-api-key']).toBe(VALUE);
  });

  test('are not taken by a server that has no key', async () => {
    const keyless = await cluster.start({ config });
    const secrets = { TOKEN: { value: VALUE, hosts: [site.address] } };
    const { status, body } = await keyless.call('POST', '/sessions', { secrets });
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'secrets_not_possible' });
    expect(body.detail).toContain('"secrets_key"');
  });
});
