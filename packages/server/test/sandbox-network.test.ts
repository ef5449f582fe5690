import { mkdirSync, readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { WAIT } from './support/processes.ts';
import { HAS_BUBBLEWRAP } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

describe.skipIf(!HAS_BUBBLEWRAP)('an agent in a sandbox with a limited network', () => {
  let server: TestServer;
  let site: Server;
  let other: Server;
  const port = (of: Server): number => (of.address() as AddressInfo).port;

  beforeAll(async () => {
    [site, other] = [createServer(), createServer()];
    for (const each of [site, other]) {
      each.on('request', (request, response) => {
        const target = request.url?.match(/^\/redirect\?(.*)/)?.[1];
        if (target !== undefined) response.writeHead(302, { location: target });
        response.end(`seen ${request.headers.host} ${request.url}\n`);
      });
      await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve));
    }
    server = await startTestServer({
      // The server with a resolver of which one name is in the hands of somebody else.
      program: fileURLToPath(new URL('fixtures/hostile-names.ts', import.meta.url)),
      config: {
        sandbox: {
          network: 'limited',
          allowed_hosts: [`127.0.0.1:${port(site)}`, '*.example.invalid', 'named.example.test'],
        },
      },
    });
  });
  afterAll(async () => {
    await cleanUp(server);
    site.close();
    other.close();
  });

  const start = async (name: string): Promise<string> => {
    const cwd = join(server.root, name);
    mkdirSync(cwd);
    const { session_id } = await server.createSession({ cwd, model: 'demo', allowed_tools: ['Bash'] });
    return session_id;
  };
  const bash = async (id: string, command: string): Promise<string> => {
    const { messages } = await server.send(
      id,
      script({ tools: [{ name: 'Bash', input: { command, description: 'tries' } }] }, { say: '{{result}}' }),
    );
    return messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
  };

  test('reaches the hosts that are allowed, by its proxy, and no other', async () => {
    const id = await start('reaches');
    const get = (url: string, flags = ''): string => `curl -sS -m 5 --noproxy '' ${flags} ${url}; `;
    const [allowed, forbidden] = [`http://127.0.0.1:${port(site)}`, `http://127.0.0.1:${port(other)}`];
    const said = await bash(
      id,
      [
        get(`${allowed}/plain`),
        get(`${allowed}/tunnel`, '-p'),
        get(`${forbidden}/1`),
        get(`${forbidden}/2`, '-p'),
        'true',
      ].join(''),
    );
    expect(said).toContain(`seen 127.0.0.1:${port(site)} /plain`);
    expect(said).toContain(`seen 127.0.0.1:${port(site)} /tunnel`);
    expect(said).not.toContain(`seen 127.0.0.1:${port(other)}`);
    expect(said).toContain(`may not reach 127.0.0.1:${port(other)}`);
    expect(said).toMatch(/CONNECT tunnel failed, response 403/);
  });

  test('has no other way out: not directly, not to cloud metadata, not to the server', async () => {
    const id = await start('directly');
    const get = (url: string, flags = "--noproxy '*'"): string => `curl -sS -m 5 ${flags} ${url}; `;
    const said = await bash(
      id,
      [
        get(`http://127.0.0.1:${port(site)}/`),
        get(`${server.url}/sessions`),
        get('http://1.1.1.1/'),
        get('http://169.254.169.254/latest/meta-data/', ''),
        get('http://metadata.example.invalid/', ''),
        'ip addr; true',
      ].join(''),
    );
    expect(said).not.toContain('seen ');
    expect(said).not.toContain('session_id');
    expect(said.match(/Couldn't connect to server/g)).toHaveLength(3);
    expect(said).toContain('may not reach 169.254.169.254');
  });

  test('does not get cloud metadata: not by its address in any form, a redirect, or a name that leads there', async () => {
    const id = await start('metadata');
    const get = (url: string): string =>
      `curl -gsSL -m 5 --noproxy '' '${url}'; curl -gsSL -m 5 --noproxy '' -p '${url}'; `;
    const addresses = [
      '169.254.169.254',
      '2852039166',
      '0xa9fea9fe',
      '[::ffff:a9fe:a9fe]',
      '[fd00:ec2::254]',
    ];
    const said = await bash(
      id,
      [
        ...addresses.map((address) => get(`http://${address}/latest/meta-data/`)),
        get(`http://127.0.0.1:${port(site)}/redirect?http://169.254.169.254/latest/meta-data/`),
        // One name fits a pattern, the other is on the list as it is: neither may lead there.
        get('http://metadata.example.invalid/latest/meta-data/'),
        get('http://named.example.test/latest/meta-data/'),
        'true',
      ].join(''),
    );
    expect(said.match(/may not reach (169\.254\.169\.254|\[)/g)).toHaveLength(addresses.length + 1);
    expect(said.match(/CONNECT tunnel failed, response 403/g)).toHaveLength(addresses.length + 1);
    expect(said.match(/leads to no address that may be reached/g)).toHaveLength(2);
    expect(said.match(/CONNECT tunnel failed, response 502/g)).toHaveLength(2);
  });

  test('calls models with its own token only, and finds nothing else of the server', async () => {
    const [id, victim] = [await start('own'), await start('victim')];
    const [agent] = processesOf(id);
    const [robbed] = processesOf(victim);
    const call = (token: string): string =>
      `curl -sS -m 5 -o /dev/null -w 'status=%{http_code} ' -H 'x-api-key: ${token}' -H 'content-type: application/json' -d '{"model":"demo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}' http://127.0.0.1:3128/v1/messages; `;
    const tokens = [agent, robbed].map((each) => each?.env.ANTHROPIC_API_KEY ?? '');
    expect(tokens.every((token) => token.startsWith('session-'))).toBe(true);
    const said = await bash(
      id,
      `${tokens.map(call).join('')}${call('')} for p in /sessions /health /v1/../sessions; do curl -sS --path-as-is -m 5 -H 'x-api-key: ${tokens[0]}' -o /dev/null -w "status=%{http_code} " http://127.0.0.1:3128$p; done`,
    );
    expect(said).toContain('status=200 status=401 status=401  status=404 status=404'.replace('  ', ' '));
    expect(said).not.toMatch(/status=200.*status=200/);
    const { body } = await server.call('GET', `/sessions/${victim}/usage`);
    expect(body).toMatchObject({ input_tokens: 0, output_tokens: 0 });
  });

  test('of a session that was started ahead has the same way out', async () => {
    const ahead = await startTestServer({
      args: ['--spares', '1'],
      config: { sandbox: { network: 'none' } },
    });
    const spare = await vi.waitFor(() => {
      const names = readdirSync(join(ahead.home, 'sandboxes'));
      expect(names).toHaveLength(1);
      expect(processesOf(names[0] ?? '').length).toBeGreaterThan(2);
      return names[0];
    }, WAIT);
    await vi.waitFor(async () => {
      const { session_id } = await ahead.createSession({ model: 'demo' });
      expect(await ahead.send(session_id, 'say hello')).toMatchObject({ is_error: false });
      expect(session_id).toBe(spare);
    }, WAIT);
    await cleanUp(ahead);
  });
});

test.skipIf(!HAS_BUBBLEWRAP)(
  'a limited network needs a sandbox and a credential of the gateway: the server says so',
  async () => {
    const limited = { sandbox: { network: 'none', mode: 'off' } };
    await expect(startTestServer({ config: limited })).rejects.toThrow('there is no sandbox');
    const none = startTestServer({
      config: { sandbox: { network: 'none' } },
      env: { ANTHROPIC_API_KEY: '' },
    });
    await expect(none).rejects.toThrow('it has no credential');
  },
);
