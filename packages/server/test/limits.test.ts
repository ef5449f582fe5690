import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endpoints } from 'claude-agent-protocol/endpoints';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from './support/api.ts';
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

describe('open sessions', () => {
  test('are limited exactly, and one that is closed makes room', async () => {
    const { key, key_id } = await make({ limits: { live_sessions: 1 } });
    const open = () => server.call<{ session_id: string }>('POST', '/sessions', { start: 'lazy' }, as(key));
    const answers = await Promise.all(Array.from({ length: 8 }, open));
    const [made] = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect([made?.status, refused.length]).toEqual([200, 7]);
    expect(refused[0]).toMatchObject({
      body: {
        code: 'session_limit',
        detail: expect.stringContaining(`The key "${key_id}" may have 1 open sessions`),
      },
    });
    const path = `/sessions/${made?.body.session_id}`;
    expect((await get(key, '/limits')).body.limits).toMatchObject([
      { limit: 'live_sessions', used: 1, max: 1 },
    ]);
    await server.call('DELETE', path, undefined, as(key));
    expect((await open()).status).toBe(200);
    const resumed = { resume_session_id: made?.body.session_id, start: 'lazy' };
    expect(await server.call('POST', '/sessions', resumed, as(key))).toMatchObject({ status: 429 });
    expect(await server.call('GET', path, undefined, as(key))).toMatchObject({ body: { status: 'closed' } });
  });
});

describe('messages that wait', () => {
  test('are limited over all sessions of a key', async () => {
    const { key } = await make({ limits: { queued_turns: 2 } });
    const { body } = await server.call<{ session_id: string }>(
      'POST',
      '/sessions',
      { start: 'lazy' },
      as(key),
    );
    const send = (message: string) =>
      server.call(
        'POST',
        `/sessions/${body.session_id}/messages`,
        { message },
        as(key, { prefer: 'respond-async' }),
      );
    expect((await send(script({ hold: 'limits' }))).status).toBe(202);
    await server.demo.model.gates.reached('limits');
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map(send));
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(2);
    expect(answers.find(({ status }) => status === 429)).toMatchObject({ body: { code: 'queue_limit' } });
    expect((await get(key, '/limits')).body.limits).toMatchObject([{ limit: 'queued_turns', used: 2 }]);
    server.demo.model.gates.release('limits');
  });
});

describe('tokens of a day', () => {
  test('are counted in sessions and in calls; then messages are refused, and calls of agents end their turn', async () => {
    const { key, key_id } = await make({ limits: { tokens_per_day: 1 } });
    const { body } = await server.call<{ session_id: string }>(
      'POST',
      '/sessions',
      { start: 'lazy' },
      as(key),
    );
    const path = `/sessions/${body.session_id}/messages`;
    const call = () =>
      fetch(`${server.url}/v1/messages`, {
        ...as(key, { 'content-type': 'application/json' }),
        method: 'POST',
        body: JSON.stringify({ model: 'demo', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] }),
      });
    expect((await call()).status).toBe(200);
    await expect.poll(async () => (await call()).status).toBe(429);
    const refused = await call();
    expect(await refused.json()).toMatchObject({
      error: {
        type: 'rate_limit_error',
        message: expect.stringContaining(`The key "${key_id}" may use 1 tokens a day`),
      },
    });
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await server.call('POST', path, { message: 'hello' }, as(key))).toMatchObject({
      status: 429,
      body: {
        code: 'token_limit',
        detail: expect.stringMatching(/It may again in \d+ s, at \d{4}-\d\d-\d\dT00:00:00/),
      },
    });
    const [state] = (await get(key, '/limits')).body.limits ?? [];
    expect(state).toMatchObject({
      limit: 'tokens_per_day',
      max: 1,
      resets_at: expect.stringContaining('T00:00:00.000Z'),
    });
  });

  test('end a turn that uses more than is left, with the reason', async () => {
    const { key, key_id } = await make({ limits: { tokens_per_day: 30 } });
    const { body } = await server.call<{ session_id: string }>(
      'POST',
      '/sessions',
      { enable_proxy: true, model: 'demo' },
      as(key),
    );
    const sent = await server.call<{ is_error: boolean; error: { message: string } | null }>(
      'POST',
      `/sessions/${body.session_id}/messages`,
      { message: script({ tools: [{ name: 'Read', input: { file_path: 'none.txt' } }] }, { say: 'read' }) },
      as(key),
    );
    expect(JSON.stringify(sent.body)).toContain(`The key \\"${key_id}\\" may use 30 tokens a day`);
  });
});

describe('dollars of a day', () => {
  test('refuse the next message when they are spent, also where the agent calls its provider by itself', async () => {
    const { key, key_id } = await make({ limits: { usd_per_day: 0.01 } });
    const { body } = await server.call<{ session_id: string }>('POST', '/sessions', {}, as(key));
    const send = () =>
      server.call('POST', `/sessions/${body.session_id}/messages`, { message: 'hello' }, as(key));
    expect(await send()).toMatchObject({ status: 200, body: { is_error: false } });
    expect(await send()).toMatchObject({
      status: 402,
      body: {
        code: 'spend_limit',
        detail: expect.stringContaining(`The key "${key_id}" may spend $0.01 a day`),
      },
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

  test('N sessions at once, on two nodes, make as many as the limit allows', async () => {
    const [a, b] = cluster.nodes as [TestServer, TestServer];
    const { key } = await make({ limits: { live_sessions: 2 } }, a);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        (n % 2 === 0 ? a : b).call('POST', '/sessions', { start: 'lazy' }, as(key)),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([
      200,
      200,
      ...Array<number>(10).fill(429),
    ]);
    expect((await get(key, '/limits', {}, b)).body.limits).toMatchObject([{ used: 2 }]);
  });

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
