import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { script } from './support/api.ts';
import { WAIT } from './support/processes.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const KEY = 'the-secret-key';
const headers = { authorization: `Bearer ${KEY}` };

let server: TestServer;
let id: string;
beforeAll(async () => {
  server = await startTestServer({
    args: ['--demo'],
    env: { AGENT_SERVER_API_KEY: KEY },
    config: { log_level: 'debug' },
  });
  const { body } = await server.call<{ session_id: string }>('POST', '/sessions', {}, { headers });
  id = body.session_id;
});
afterAll(() => cleanUp(server));

interface Line {
  msg: string;
  request?: { id: string; method: string; path: string; status: number };
  call?: { session_id: string };
  for?: { turn_id: string; request_id: string };
}
const lines = (): Line[] =>
  server
    .stderr()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
const lineOf = (requestId: string): Line['request'] =>
  lines().find(({ request }) => request?.id === requestId)?.request;

describe('x-request-id', () => {
  test.each([
    ['GET', '/sessions', 200],
    ['GET', '/sessions/unknown', 404],
    ['GET', '/nowhere', 404],
    ['POST', '/v1/messages', 400],
  ])('comes back as it was sent, and is in the log: %s %s', async (method, path, status) => {
    const mine = `req.${method}:${path.replaceAll('/', '-')}`;
    const body = method === 'POST' ? {} : undefined;
    const answer = await server.call(method, path, body, { headers: { ...headers, 'x-request-id': mine } });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-request-id')).toBe(mine);
    await vi.waitFor(() => expect(lineOf(mine)).toMatchObject({ method, path, status }), WAIT);
  });

  test('is made where none was sent, or one that would not fit into a line', async () => {
    const uuid = /^[0-9a-f-]{36}$/;
    const made = async (given: Record<string, string>): Promise<string | null> =>
      (await server.call('GET', '/health', undefined, { headers: given })).headers.get('x-request-id');
    expect(await made({})).toMatch(uuid);
    for (const odd of ['two words', '{"a":1}', 'x'.repeat(129), '']) {
      expect(await made({ 'x-request-id': odd })).toMatch(uuid);
    }
    expect((await server.call('GET', '/sessions')).headers.get('x-request-id')).toMatch(uuid);
  });

  test('stays the same through /invocations', async () => {
    const { headers: answered } = await server.call(
      'POST',
      '/invocations',
      { path: '/sessions', method: 'GET' },
      { headers: { ...headers, 'x-request-id': 'outer' } },
    );
    expect(answered.get('x-request-id')).toBe('outer');
  });

  test('leads from a message to the model calls of its turn', async () => {
    const { body } = await server.call<{ turn_id: string }>(
      'POST',
      `/sessions/${id}/messages`,
      { message: 'hello' },
      { headers: { ...headers, 'x-request-id': 'message-1' } },
    );
    await vi.waitFor(() => {
      const call = lines().find((line) => line.for?.request_id === 'message-1');
      expect(call).toMatchObject({ msg: 'a model call', call: { session_id: id } });
      expect(call?.for?.turn_id).toBe(body.turn_id);
    }, WAIT);
  });
});

describe('the log', () => {
  test('holds neither what is said nor keys nor tokens, even at its most talkative', async () => {
    const said = 'what-the-user-said';
    const path = `/sessions/${id}/messages`;
    await server.call('POST', path, { message: script({ say: 'what-the-model-said' }) + said }, { headers });
    await server.call('GET', `/sessions?cwd=in-the-query`, undefined, { headers });
    await server.call('GET', '/sessions', undefined, { headers: { authorization: 'Bearer wrong-key' } });
    await vi.waitFor(() => expect(server.stderr()).toContain(path), WAIT);
    expect(server.stderr()).not.toMatch(
      /what-the-(user|model)-said|the-secret-key|wrong-key|in-the-query|Bearer|session-[0-9a-f-]{36}\./,
    );
  });

  test('has no stack for a client that went away, whatever it was waiting for', async () => {
    const before = server.stderr().length;
    const leave = async (method: string, path: string, body?: unknown): Promise<void> => {
      const gone = new AbortController();
      const asked = server.call(method, path, body, { headers, signal: gone.signal });
      setTimeout(() => gone.abort(), 150);
      await expect(asked).rejects.toThrow();
    };
    await leave('POST', `/sessions/${id}/messages`, { message: script({ say: 'word '.repeat(500) }) });
    await leave('GET', `/sessions/${id}/events`);
    await leave('GET', '/events');
    await leave('POST', '/v1/messages', {
      model: 'demo',
      stream: true,
      max_tokens: 100,
      messages: [{ role: 'user', content: script({ say: 'word '.repeat(200) }) }],
    });
    await cutUpload(`/sessions/${id}/messages`);
    await cutUpload('/v1/messages');
    // A request that is answered and logged after them.
    await server.call('GET', '/sessions', undefined, { headers: { ...headers, 'x-request-id': 'last' } });
    await vi.waitFor(() => expect(lineOf('last')).toBeDefined(), WAIT);
    const logged = server.stderr().slice(before);
    expect(logged).not.toMatch(/ {4}at |\\n +at |"stack"/);
    expect(logged).not.toMatch(/"level":(50|40)/);
  });
});

/** Sends half of a body, and closes the connection. */
async function cutUpload(path: string): Promise<void> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    `Authorization: Bearer ${KEY}`,
    'Content-Type: application/json',
    'Content-Length: 1000',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n{"message": `);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.destroy();
  });
}
