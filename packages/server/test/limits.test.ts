import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endpoints } from 'claude-agent-protocol/endpoints';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const ROOT = 'key-of-the-operator';
const FEW = 'key-with-few-requests';

const as = (secret: string, more: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${secret}`, ...more },
});
const limitsOf = (n: number) => ({ requests_per_minute: n });

interface Answer {
  status: number;
  headers: Headers;
  body: {
    code?: string;
    detail?: string;
    limits?: Record<string, unknown>[];
    error?: { type: string; message: string };
  };
}

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    args: ['--demo'],
    config: {
      api_keys: [
        { id: 'few', key: FEW, tenant: 'small', limits: limitsOf(5) },
        { id: 'other', key: 'key-of-the-same-tenant', tenant: 'small' },
        { id: 'model', key: 'key-that-calls-models', tenant: 'callers', limits: limitsOf(1) },
      ],
      tenants: { small: { limits: limitsOf(7) } },
      trusted_proxies: ['127.0.0.1'],
    },
    env: { AGENT_SERVER_API_KEY: ROOT },
  });
});
afterAll(() => cleanUp(server));

const get = async (secret: string, path = '/sessions', headers: Record<string, string> = {}, on = server) => {
  const response = await fetch(on.url + path, as(secret, headers));
  return { status: response.status, headers: response.headers, body: await response.json() } as Answer;
};
const make = async (body: Record<string, unknown>, on = server): Promise<{ key: string; key_id: string }> =>
  (await on.call<{ key: string; key_id: string }>('POST', '/keys', { name: 'of a test', ...body }, as(ROOT)))
    .body;

describe('requests in a minute', () => {
  test('are counted for a key and for its tenant; the answer says whose limit it is and when it ends', async () => {
    const first = await get(FEW);
    expect(first.headers.get('ratelimit-policy')).toBe('"key";q=5;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"key";r=4;t=(60|59)$/);
    for (let n = 0; n < 4; n++) expect((await get(FEW)).status).toBe(200);
    const refused = await get(FEW);
    expect(refused).toMatchObject({ status: 429, body: { code: 'request_limit' } });
    expect(refused.body.detail).toMatch(
      /^The key "few" may send 5 requests a minute, and has\. It may again in \d+ s, at \d{4}-\d\d-\d\dT[\d:.]+Z\.$/,
    );
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60);
    // What the key was refused does not count for its tenant.
    const others = [await get('key-of-the-same-tenant'), await get('key-of-the-same-tenant')];
    expect(others.map(({ status }) => status)).toEqual([200, 200]);
    const last = await get('key-of-the-same-tenant');
    expect(last).toMatchObject({ status: 429, body: { code: 'request_limit' } });
    expect(last.body.detail).toContain('The tenant "small" may send 7 requests a minute');
    expect((await get(ROOT)).status).toBe(200);
    const { body } = await server.call<string>('GET', '/metrics', undefined, as(ROOT));
    expect(String(body)).toContain('limit_refusals_total{limit="requests_per_minute",of="tenant"} 1');
  });

  test('count calls of models, which are refused as Anthropic does', async () => {
    const call = () =>
      fetch(`${server.url}/v1/messages`, {
        ...as('key-that-calls-models', { 'content-type': 'application/json' }),
        method: 'POST',
        body: JSON.stringify({ model: 'demo', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] }),
      });
    const answered = await call();
    expect([answered.status, answered.headers.get('ratelimit')]).toEqual([200, '"key";r=0;t=60']);
    const refused = await call();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({
      error: {
        type: 'rate_limit_error',
        message: expect.stringContaining('The key "model" may send 1 requests'),
      },
    });
  });

  test('of a session token count for the key that made it', async () => {
    const { key, key_id } = await make({ role: 'user', limits: limitsOf(4) });
    const { body: made } = await server.call<{ session_id: string }>(
      'POST',
      '/sessions',
      { start: 'lazy' },
      as(key),
    );
    const path = `/sessions/${made.session_id}`;
    const token = (await server.call<{ token: string }>('POST', `${path}/tokens`, {}, as(key))).body.token;
    expect([(await get(token, path)).status, (await get(key)).status]).toEqual([200, 200]);
    const refused = await get(token, path);
    expect(refused).toMatchObject({ status: 429 });
    expect(refused.body.detail).toContain(`"${key_id}"`);
  });

  test('are shown with what is used, also of a key from the command line', async () => {
    const said = await new Promise<string>((resolve) => {
      execFile(
        process.execPath,
        [
          '--conditions=claude-agent-source',
          MAIN,
          'keys',
          'create',
          '--name',
          'c',
          '--limit',
          'requests_per_minute=9',
        ],
        { env: { PATH: process.env.PATH ?? '', AGENT_SERVER_HOME: server.home, AGENT_SERVER_API_KEY: ROOT } },
        (_, stdout, stderr) => resolve(stdout + stderr),
      );
    });
    const key = /^cak_\S+$/m.exec(said)?.[0] ?? said;
    const { body } = await get(key, '/limits');
    expect(body.limits).toEqual([
      {
        limit: 'requests_per_minute',
        of: 'key',
        id: expect.stringMatching(/^key_/),
        max: 9,
        used: 1,
        resets_at: expect.any(String),
      },
    ]);
    expect((await get(ROOT, '/limits')).body.limits).toEqual([]);
    const { body: listed } = await server.call<{ keys: unknown[] }>('GET', '/keys', undefined, as(ROOT));
    expect(listed.keys).toContainEqual(expect.objectContaining({ name: 'c', limits: limitsOf(9) }));
  });

  test('must be numbers that make sense', async () => {
    for (const limits of [limitsOf(0), limitsOf(1.5), { requests_per_hour: 1 }])
      expect(await server.call('POST', '/keys', { name: 'x', limits }, as(ROOT))).toMatchObject({
        status: 422,
      });
  });
});

describe('wrong keys', () => {
  test('slow down their address behind a trusted proxy, and nobody else', async () => {
    const from = (address: string) => ({ 'x-forwarded-for': `203.0.113.1, ${address}` });
    const statuses = [];
    for (let n = 0; n < 12; n++)
      statuses.push((await get(`guess-${n}`, '/sessions', from('198.51.100.1'))).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429]);
    const fresh = (await make({})).key;
    const refused = await get(fresh, '/sessions', from('198.51.100.1'));
    expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_failures' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await get(ROOT, '/sessions', from('198.51.100.1'))).status).toBe(200);
    expect((await get(fresh, '/sessions', from('198.51.100.2'))).status).toBe(200);
    const signIn = await fetch(`${server.url}${endpoints.signIn.path}`, {
      method: 'POST',
      headers: { ...from('198.51.100.1'), 'content-type': 'application/json' },
      body: JSON.stringify({ key: 'guess-100' }),
    });
    expect([signIn.status, ((await signIn.json()) as { code: string }).code]).toEqual([
      429,
      'too_many_failures',
    ]);
    expect((await get(fresh, '/health', from('198.51.100.1'))).status).toBe(200);
  });
});

describe.skipIf(!hasPostgres)('in a cluster', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster(2, { args: ['--demo'], env: { AGENT_SERVER_API_KEY: ROOT } });
  });
  afterAll(() => cluster?.stop());

  test('requests of all nodes count together, exactly, whatever comes at once', async () => {
    const [a, b] = cluster.nodes as [TestServer, TestServer];
    const { key } = await make({ limits: limitsOf(10) }, a);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => get(key, '/limits', {}, n % 2 === 0 ? a : b)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(30);
  });
});
