import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { routes } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// What a hostile caller, or a page in somebody's browser, tries. See also auth.test.ts (DNS rebinding, other origins),
// http-requests.test.ts (targets, hosts, gzip bombs), http-validation.test.ts (__proto__), fuzz.test.ts and bench/hostile.ts.

const KEY = 'key-of-the-tests-1';
const headers = { authorization: `Bearer ${KEY}` };

let server: TestServer;
/** Stands for a service that only the server can reach. */
let inside: Server;
let visits: string[] = [];
beforeAll(async () => {
  inside = createServer((request, response) => {
    visits.push(`${request.method} ${request.url}`);
    response.end('{}');
  });
  inside.listen(0, '127.0.0.1');
  await once(inside, 'listening');
  server = await startTestServer({
    args: ['--demo'],
    config: { push_contact: 'mailto:ops@example.org' },
    env: { AGENT_SERVER_API_KEY: KEY },
  });
});
afterAll(async () => {
  await cleanUp(server);
  inside.close();
});

const internal = (path = '/'): string => `http://127.0.0.1:${(inside.address() as AddressInfo).port}${path}`;
const post = (path: string, body: unknown) => server.call('POST', path, body, { headers });

/** The bytes of a request as they are, and all of the answer. */
async function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.end(text, 'latin1');
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('an address in a request does not make the server call it', () => {
  /** Every field of the contract that takes an address, and what the server does with it. */
  const FIELDS: Record<string, string> = {
    'CreateSession.hooks.*[].url': 'refused',
    'CreateSession.custom_tools[].url': 'refused',
    'CreateSession.mcp_servers.*.url': 'connected to by the agent, not by the server',
    'CreateSession.agents.*.mcpServers[].*.url': 'connected to by the agent, not by the server',
    'CreateSession.workspace.git': 'refused',
    'CreateWebhook.url': 'refused',
    'CreatePushSubscription.endpoint': 'refused',
    'SendMessage.message[].source.url': 'passed on to the model',
    'Invocation.prompt[].source.url': 'passed on to the model',
    'Invocation.input[].source.url': 'passed on to the model',
  };

  test('and no field for one is missing here', () => {
    const found = new Set<string>();
    for (const [name, field] of addressFields()) {
      const known = Object.keys(FIELDS).find((path) => field === path.slice(path.indexOf('.')));
      found.add(known ?? `${name}${field}`);
    }
    expect([...found].filter((field) => FIELDS[field] === undefined)).toEqual([]);
    expect(found.size).toBeGreaterThan(4);
  });

  test.each([
    ['a hook', { hooks: { PreToolUse: [{ url: '' }] } }, 'callback_not_allowed'],
    [
      'a tool',
      { custom_tools: [{ name: 'x', description: 'x', input_schema: { type: 'object' }, url: '' }] },
      'callback_not_allowed',
    ],
    ['a workspace', { workspace: { git: '' } }, 'git_url_not_allowed'],
  ])('%s', async (_, form, code) => {
    visits = [];
    const body = JSON.parse(JSON.stringify(form).replace('""', JSON.stringify(internal('/x.git'))));
    const answer = await post('/sessions', body);
    expect([answer.status, answer.body.code]).toEqual([403, code]);
    expect(visits).toEqual([]);
  });

  test('a webhook', async () => {
    visits = [];
    const answer = await post('/webhooks', { url: internal('/hook'), events: ['turn.completed'] });
    expect([answer.status, answer.body.code]).toEqual([403, 'webhook_url_not_allowed']);
    expect(visits).toEqual([]);
  });

  test('a push service', async () => {
    visits = [];
    const keys = { p256dh: 'AAAA', auth: 'AAAA' };
    for (const endpoint of [internal('/push'), internal('/push').replace('http:', 'https:')]) {
      const answer = await post('/push/subscriptions', { endpoint, keys });
      expect([answer.status, answer.body.code]).toEqual([403, 'push_url_not_allowed']);
    }
    expect(visits).toEqual([]);
  });

  test('an image of a message', async () => {
    visits = [];
    const { body } = await post('/sessions', {});
    const image = { type: 'image', source: { type: 'url', url: internal('/picture.png') } };
    const text = { type: 'text', text: script({ say: 'seen' }) };
    const answer = await post(`/sessions/${body.session_id}/messages`, { message: [text, image] });
    expect(answer.status).toBe(200);
    expect(visits).toEqual([]);
  });
});

describe('what a caller writes stays in its place', () => {
  const ODD = 'a\u001b[2J\u0085"},{"level":60,"msg":"forged"} \u2028';

  test('in the log each line is one record, and none is forged', async () => {
    await server.call(
      'GET',
      `/sessions/${encodeURIComponent(`${ODD}\r\n{"level":60,"msg":"forged"}`)}`,
      undefined,
      {
        headers: {
          ...headers,
          'x-request-id': 'a"},{"level":60',
          'user-agent': '{"level":60,"msg":"forged"}',
        },
      },
    );
    await post('/sessions', { title: `${ODD}\n{"level":60,"msg":"forged"}`, start: 'lazy' });
    await raw(
      'GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: a\u001b[31m\r\nconnection: close\r\n\r\n',
    );
    for (const line of server.stderr().split('\n')) {
      if (!line.startsWith('{')) continue;
      const record = JSON.parse(line) as { level: number; msg: string };
      expect(record).not.toMatchObject({ msg: 'forged' });
      expect(record.level).toBeLessThan(50);
      expect(line).not.toContain('\u001b');
    }
  });

  test('it adds no header to a response', async () => {
    for (const id of ['x%0d%0aset-cookie:%20a=b', 'x\rset-cookie: a=b', 'x\u00e9\u0000y']) {
      const answer = await raw(
        `GET /sessions/${encodeURIComponent(id)}?limit=${encodeURIComponent(id)} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: ${id}\r\nauthorization: Bearer ${KEY}\r\nconnection: close\r\n\r\n`,
      );
      expect(answer.split('\r\n\r\n')[0]).not.toMatch(/^set-cookie/im);
    }
  });

  test('a second request hidden in the body of the first is not answered', async () => {
    const smuggled = 'GET /sessions HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';
    for (const framing of [
      `content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
      `transfer-encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `content-length: 0\r\ncontent-length: ${smuggled.length}\r\n\r\n${smuggled}`,
    ]) {
      const answer = await raw(`POST /sessions HTTP/1.1\r\nhost: 127.0.0.1\r\n${framing}`);
      expect(answer.match(/^HTTP\/1\.1 /gm), framing).toHaveLength(1);
      expect(answer, framing).toMatch(/^HTTP\/1\.1 400 /);
    }
  });

  test('the names that every object has are no fields', async () => {
    const pollution =
      '{"start":"lazy","metadata":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}';
    const { status } = await server.call('POST', '/sessions', pollution, { headers });
    expect([200, 422]).toContain(status);
    const { body } = await server.call('GET', '/sessions?limit=1', undefined, { headers });
    expect(JSON.stringify(body)).not.toMatch(/"polluted":1[^}]*"session_id"/);
    const created = await post('/sessions', { start: 'lazy' });
    expect(created.body).not.toHaveProperty('polluted');
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const answer = await server.call('GET', `/sessions/${name}`, undefined, { headers });
      expect(answer.status, name).toBe(404);
      expect((await post('/sessions', { [name === '__proto__' ? 'toString' : name]: 1 })).status, name).toBe(
        422,
      );
    }
  });
});

/** Every string of a request that is an address: `CreateSession.hooks.*[].url`, with the name of its route. */
function addressFields(): [string, string][] {
  const found: [string, string][] = [];
  for (const [name, { body }] of Object.entries(routes) as [string, { body?: z.ZodType }][]) {
    if (!body) continue;
    const schema = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any', reused: 'inline' });
    walk(schema as JsonSchema, schema as JsonSchema, '', (path) => found.push([name, path]), 0);
  }
  return found;
}

interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  format?: string;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
}

function walk(
  root: JsonSchema,
  given: JsonSchema,
  path: string,
  onFound: (path: string) => void,
  depth: number,
): void {
  // Some forms contain themselves.
  if (depth > 12) return;
  const schema = given.$ref ? (root.$defs?.[given.$ref.split('/').at(-1) ?? ''] ?? {}) : given;
  const into = (next: JsonSchema, more: string): void => walk(root, next, path + more, onFound, depth + 1);
  const name = path.split('.').at(-1) ?? '';
  if (schema.format === 'uri' || /^(url|uri|git|href|endpoint|webhook)$/i.test(name)) onFound(path);
  for (const [key, next] of Object.entries(schema.properties ?? {})) into(next, `.${key}`);
  if (typeof schema.additionalProperties === 'object') into(schema.additionalProperties, '.*');
  if (schema.items) into(schema.items, '[]');
  for (const next of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])])
    into(next, '');
}

describe('a web page of another site', () => {
  test('opens no WebSocket, though browsers ask nobody before they do', async () => {
    const home = join(server.home, 'agentcore');
    mkdirSync(home);
    const platform = await startTestServer({
      on: { ...server, home },
      args: ['--demo', '--agentcore', '--port', '0', '--host', '127.0.0.1'],
      config: { allowed_origins: ['https://app.example.com'] },
      env: { AGENT_SERVER_API_KEY: KEY },
    });
    const { host, hostname, port } = new URL(platform.url);
    const open = (origin: string | undefined, name = host) =>
      new Promise<number>((resolve, reject) => {
        const asked = request({
          hostname,
          port,
          path: '/ws?session_id=of-a-page',
          headers: {
            ...(origin !== undefined && { origin }),
            host: name,
            connection: 'upgrade',
            upgrade: 'websocket',
            'sec-websocket-version': '13',
            'sec-websocket-key': Buffer.alloc(16).toString('base64'),
          },
        });
        asked.on('response', (response) => resolve(response.statusCode ?? 0));
        asked.on('upgrade', (_, socket) => {
          socket.destroy();
          resolve(101);
        });
        asked.on('error', reject).end();
      });
    const foreign = [
      'https://evil.example',
      'null',
      `http://${hostname}:1`,
      `http://${host}.evil.example`,
      'https://app.example.com.evil.example',
      'http://app.example.com',
    ];
    for (const origin of foreign) expect([origin, await open(origin)]).toEqual([origin, 403]);
    // After DNS rebinding the page is of the same origin, under a name of its own.
    expect(await open('http://evil.example', 'evil.example')).toBe(403);
    const sessions = async () =>
      (await platform.call<{ sessions: unknown[] }>('GET', '/sessions', undefined, { headers })).body
        .sessions;
    expect(await sessions()).toEqual([]);
    expect(await open('https://app.example.com')).toBe(101);
    expect(await open(`http://${host}`)).toBe(101);
    await platform.stop();
  });
});
