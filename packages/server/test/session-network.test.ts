import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { HAS_BUBBLEWRAP } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** The network of the server is open; a policy limits it, and sessions limit it further. */
describe.skipIf(!HAS_BUBBLEWRAP)('the network of a session', () => {
  let server: TestServer;
  let sites: Server[];
  let addresses: string[];
  const address = (at: number): string => addresses[at] ?? '';

  beforeAll(async () => {
    sites = [createServer(), createServer(), createServer()];
    for (const site of sites) {
      site.on('request', (request, response) => response.end(`seen ${request.headers.host}\n`));
      await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    }
    addresses = sites.map((site) => `127.0.0.1:${(site.address() as AddressInfo).port}`);
    server = await startTestServer({
      config: {
        sandbox: { mode: 'required' },
        policy: { network: { mode: 'limited', hosts: [address(0), address(1)] } },
      },
    });
  });
  afterAll(async () => {
    await cleanUp(server);
    for (const site of sites) site.close();
  });

  const create = async (network?: Record<string, unknown>): Promise<string> => {
    const more = network && { network };
    return (await server.createSession({ model: 'demo', allowed_tools: ['Bash'], ...more })).session_id;
  };
  const bash = async (id: string, command: string): Promise<string> => {
    const { messages } = await server.send(
      id,
      script({ tools: [{ name: 'Bash', input: { command, description: 'tries' } }] }, { say: '{{result}}' }),
    );
    return messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
  };
  /** Which of the sites an agent reaches, by the proxy or without. */
  const reached = async (id: string): Promise<number[]> => {
    const get = addresses.flatMap((host) =>
      ["''", "'*'"].map((no) => `curl -s -m 5 --noproxy ${no} http://${host}/;`),
    );
    const said = await bash(id, `${get.join(' ')} true`);
    return addresses.flatMap((host, at) => (said.includes(`seen ${host}`) ? [at] : []));
  };

  test('is that of the policy, or less of it if the session says so', async () => {
    expect(await reached(await create())).toEqual([0, 1]);
    expect(await reached(await create({ mode: 'limited' }))).toEqual([0, 1]);
    expect(await reached(await create({ mode: 'limited', hosts: [address(1)] }))).toEqual([1]);
    expect(await reached(await create({ mode: 'none' }))).toEqual([]);
  });

  test('is never more', async () => {
    const beyond = { network: { mode: 'limited', hosts: [address(0), address(2)] } };
    const refused = await server.call('POST', '/sessions', beyond);
    expect(refused).toMatchObject({ status: 403, body: { code: 'policy_forbids' } });
    expect(refused.body.detail).toContain(`the host ${address(2)}`);
    expect(refused.body.detail).toContain(address(1));
    for (const network of [{ mode: 'open' }, { mode: 'limited', hosts: ['http://a'] }, { mode: 'x' }]) {
      expect((await server.call('POST', '/sessions', { network })).status).toBe(422);
    }
  });

  test.each([{ mode: 'limited' }, { mode: 'none' }])(
    'with %j lets no model key in: the agent calls the gateway with its token',
    async (network) => {
      const id = await create(network);
      const key = 'test-key';
      const said = await bash(
        id,
        `cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c '${key}'; grep -rlsa '${key}' ~ /tmp | head -3; echo "base=$ANTHROPIC_BASE_URL key=$ANTHROPIC_API_KEY"`,
      );
      // The name of the key stands in the command that looks for it, which is in the transcript, and nowhere else.
      expect(said.split('\n')[0]).toBe('0');
      expect(said).toContain('base=http://127.0.0.1:3128');
      for (const { env } of processesOf(id)) {
        expect(Object.values(env)).not.toContain(key);
        if (env.ANTHROPIC_API_KEY !== undefined) expect(env.ANTHROPIC_API_KEY).toMatch(`session-${id}`);
      }
      const { body } = await server.call<{ input_tokens: number }>('GET', `/sessions/${id}/usage`);
      expect(body.input_tokens).toBeGreaterThan(0);
    },
  );
});
