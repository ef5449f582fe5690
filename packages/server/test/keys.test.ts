import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstFrame, script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const ROOT = 'key-of-the-operator';
const ADMIN = 'key-of-the-admin';

const as = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } });

interface Made {
  key_id: string;
  key: string;
}

/** `claude-agent-server keys …`: what it prints, and its exit code. */
function keysCommand(args: string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number; said: string }>((resolve) => {
    execFile(
      process.execPath,
      ['--conditions=claude-agent-source', MAIN, 'keys', ...args],
      { env: { PATH: process.env.PATH ?? '', ...env } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), said: stdout + stderr }),
    );
  });
}
const secretIn = (said: string): string => /^cak_\S+$/m.exec(said)?.[0] ?? '';

/** Settles when the server has cut a stream off. */
async function ended(stream: AsyncGenerator<unknown>): Promise<void> {
  try {
    while (!(await stream.next()).done);
  } catch {
    // A connection that is destroyed is an error for its reader.
  }
}

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    args: ['--demo'],
    config: { api_keys: [{ id: 'admin', key: ADMIN, tenant: 'a' }] },
    env: { AGENT_SERVER_API_KEY: ROOT },
  });
});
afterAll(() => cleanUp(server));

const make = async (body: Record<string, unknown>, maker = ROOT): Promise<Made> => {
  const answer = await server.call<Made>('POST', '/keys', { name: 'of a test', ...body }, as(maker));
  expect(answer.status).toBe(200);
  return answer.body;
};
const statusWith = async (secret: string, path = '/sessions'): Promise<number> =>
  (await server.call('GET', path, undefined, as(secret))).status;
const newSession = async (secret: string): Promise<string> =>
  (await server.call<{ session_id: string }>('POST', '/sessions', { start: 'lazy' }, as(secret))).body
    .session_id;

describe('a key that is made over HTTP', () => {
  test('opens the server; its secret is shown once and kept nowhere', async () => {
    const made = await make({ role: 'user', tenant: 'a' });
    expect(made.key).toMatch(/^cak_[\w-]{43}$/);
    expect(await statusWith(made.key)).toBe(200);
    expect(await statusWith(`${made.key.slice(0, -1)}${made.key.endsWith('A') ? 'B' : 'A'}`)).toBe(401);
    const { body } = await server.call<{ keys: Made[] }>('GET', '/keys?tenant=a', undefined, as(ROOT));
    expect(body.keys.find(({ key_id }) => key_id === made.key_id)).toMatchObject({
      role: 'user',
      tenant: 'a',
      last_used_at: expect.any(String),
    });
    expect(JSON.stringify(body)).not.toContain(made.key);
    const files = readdirSync(server.home, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => readFileSync(join(server.home, name), 'latin1'));
    expect(files.join('').includes(made.key)).toBe(false);
    expect(server.stderr()).not.toContain(made.key);
  });

  test('gives no more than its maker has', async () => {
    const ask = (body: Record<string, unknown>) =>
      server.call('POST', '/keys', { name: 'more', ...body }, as(ADMIN));
    const beyond = { status: 403, body: { code: 'key_beyond_own' } };
    expect(await ask({ role: 'operator' })).toMatchObject(beyond);
    expect(await ask({ tenant: 'b' })).toMatchObject(beyond);
    expect(await ask({ role: 'admin' })).toMatchObject({ status: 200, body: { tenant: 'a' } });
    const foreign = await make({ tenant: 'b' });
    const operator = await make({ tenant: 'a', role: 'operator' });
    const revoke = (id: string) => server.call('DELETE', `/keys/${id}`, undefined, as(ADMIN));
    expect(await revoke(foreign.key_id)).toMatchObject({ status: 404, body: { code: 'key_not_found' } });
    expect(await revoke(operator.key_id)).toMatchObject(beyond);
    expect(JSON.stringify((await server.call('GET', '/keys', undefined, as(ADMIN))).body)).not.toContain(
      foreign.key_id,
    );
  });

  test('is refused at once when it is revoked, and its open stream ends', async () => {
    const { key, key_id } = await make({ role: 'admin', tenant: 'a' });
    const stream = await server.openStream('/events', as(key));
    const waiting = ended(stream);
    const revokedAt = Date.now();
    expect((await server.call('DELETE', `/keys/${key_id}`, undefined, as(ROOT))).status).toBe(200);
    expect(await statusWith(key)).toBe(401);
    await waiting;
    expect(Date.now() - revokedAt).toBeLessThan(5_000);
  });

  test('gets another secret; the old one works as long as it is told', async () => {
    const { key, key_id } = await make({});
    const rotate = async (body?: unknown) =>
      (await server.call<Made>('POST', `/keys/${key_id}/rotate`, body, as(ROOT))).body.key;
    const second = await rotate({ keep_seconds: 60 });
    expect([await statusWith(key), await statusWith(second)]).toEqual([200, 200]);
    const third = await rotate();
    expect([await statusWith(key), await statusWith(second), await statusWith(third)]).toEqual([
      401, 401, 200,
    ]);
  });

  test('changes its name, expiry, budget and limits, which hold at once; its role, tenant and policy stay', async () => {
    const { key, key_id } = await make({ tenant: 'a', budget_usd: 1, expires_in_days: 9 });
    const patch = (body: Record<string, unknown>, by = ADMIN) =>
      server.call<Record<string, unknown>>('PATCH', `/keys/${key_id}`, body, as(by));
    const limits = { requests_per_minute: 1 };
    const { body } = await patch({ name: 'renamed', budget_usd: 5, limits });
    expect(body).toMatchObject({ key_id, name: 'renamed', role: 'user', tenant: 'a', budget_usd: 5, limits });
    expect(body.expires_at).toEqual(expect.any(String));
    expect([await statusWith(key), await statusWith(key)]).toEqual([200, 429]);
    expect((await patch({ expires_in_days: null, budget_usd: null, limits: {} })).body).toMatchObject({
      name: 'renamed',
      expires_at: null,
      budget_usd: null,
      limits: {},
    });
    expect(await statusWith(key)).toBe(200);
    for (const field of ['role', 'tenant', 'policy'])
      expect(await patch({ name: 'x', [field]: 'admin' })).toMatchObject({ status: 422 });
    const { body: audited } = await server.call<{ entries: { status: number; params: unknown }[] }>(
      'GET',
      '/audit?action=patchKey',
      undefined,
      as(ROOT),
    );
    expect(audited.entries.map(({ status, params }) => [status, params])).toEqual(
      expect.arrayContaining([
        [200, { key_id, name: 'renamed', budget_usd: '5', limits: '{"requests_per_minute":1}' }],
        [200, { key_id, expires_in_days: 'none', budget_usd: 'none', limits: '{}' }],
      ]),
    );
    await patch({ expires_in_days: 0.2 / 86_400 });
    await expect.poll(() => statusWith(key)).toBe(401);
    const beyond = await make({ tenant: 'a', role: 'operator' });
    const patchOther = (id: string) => server.call('PATCH', `/keys/${id}`, { name: 'x' }, as(ADMIN));
    expect(await patchOther(beyond.key_id)).toMatchObject({ status: 403, body: { code: 'key_beyond_own' } });
    expect(await patchOther((await make({ tenant: 'b' })).key_id)).toMatchObject({ status: 404 });
  });

  test('ends when it expires', async () => {
    const { key } = await make({ expires_in_days: 0.5 / 86_400 });
    await expect.poll(() => statusWith(key)).toBe(401);
  });
});

describe('a token of one session', () => {
  const token = async (id: string, body: Record<string, unknown>, maker = ADMIN): Promise<string> => {
    const answer = await server.call<{ token: string }>('POST', `/sessions/${id}/tokens`, body, as(maker));
    expect(answer.status).toBe(200);
    return answer.body.token;
  };

  test('reads its session and nothing else', async () => {
    const [id, other] = [await newSession(ADMIN), await newSession(ADMIN)];
    const secret = await token(id, {});
    expect(await statusWith(secret, `/sessions/${id}`)).toBe(200);
    expect(await statusWith(secret, `/sessions/${id}/messages`)).toBe(200);
    expect(await statusWith(secret, `/sessions/${other}`)).toBe(404);
    for (const path of ['/sessions', '/events', '/permissions', '/usage', '/docs'])
      expect(await server.call('GET', path, undefined, as(secret))).toMatchObject({
        status: 403,
        body: { code: 'token_of_one_session' },
      });
    const answer = await server.call('POST', `/sessions/${id}/messages`, { message: 'hi' }, as(secret));
    expect(answer).toMatchObject({ status: 403, body: { code: 'role_insufficient' } });
    const respond = { request_id: 'x', behavior: 'allow' };
    const path = `/sessions/${id}/permissions/respond`;
    expect((await server.call('POST', path, respond, as(secret))).status).toBe(403);
    const answering = await token(id, { scope: 'answer' });
    expect((await server.call('POST', path, {}, as(answering))).status).toBe(422);
  });

  test('answers in the name of its key: the request says who', async () => {
    const { key, key_id } = await make({ role: 'user', tenant: 'a', name: 'Ada' });
    const id = await newSession(key);
    const message = script({ tools: [{ name: 'Bash', input: { command: 'touch made' } }] }, { say: 'done' });
    const answer = server.call('POST', `/sessions/${id}/messages`, { message }, as(key));
    const stream = await server.openStream(`/sessions/${id}/events`, as(key));
    const { data } = await firstFrame(stream, ({ event }) => event === 'permission.requested');
    const { request_id } = data.data;
    await server.call('POST', `/sessions/${id}/permissions/respond`, { request_id, allowed: true }, as(key));
    await answer;
    const { body } = await server.call(
      'GET',
      `/sessions/${id}/permissions/${request_id}`,
      undefined,
      as(key),
    );
    expect(body.resolved_by).toEqual({ kind: 'key', id: key_id, name: 'Ada' });
  });

  test('opens the event stream from its URL, as an EventSource needs it; a key does not', async () => {
    const id = await newSession(ADMIN);
    const secret = await token(id, {});
    const stream = await server.openStream(`/sessions/${id}/events?access_token=${secret}`);
    await firstFrame(stream, ({ event }) => event === 'session.created');
    const { status } = await server.call('GET', `/sessions/${id}/events?access_token=${ADMIN}`);
    expect(status).toBe(401);
    expect((await server.call('GET', `/sessions/${id}?access_token=${secret}`)).status).toBe(401);
    expect(server.stderr()).not.toContain(secret);
  });

  test('ends with the key that made it, its open stream included', async () => {
    const { key, key_id } = await make({ role: 'user', tenant: 'a' });
    const id = await newSession(key);
    const secret = await token(id, { scope: 'answer' }, key);
    const stream = await server.openStream(`/sessions/${id}/events?access_token=${secret}`);
    const waiting = ended(stream);
    await server.call('DELETE', `/keys/${key_id}`, undefined, as(ROOT));
    await waiting;
    expect(await statusWith(secret, `/sessions/${id}`)).toBe(401);
  });

  test('ends when the configuration does not name the key any more that made it', async () => {
    const home = join(server.home, 'removed');
    mkdirSync(home);
    const start = (ids: string[]) =>
      startTestServer({
        on: { ...server, home },
        args: ['--demo'],
        config: { api_keys: ids.map((id) => ({ id, key: `key-of-${id}-000`, tenant: 'a' })) },
        env: { AGENT_SERVER_API_KEY: ROOT },
      });
    const before = await start(['left', 'kept']);
    const tokens: string[] = [];
    let path = '';
    for (const id of ['left', 'kept']) {
      const maker = as(`key-of-${id}-000`);
      const { body } = await before.call<{ session_id: string }>(
        'POST',
        '/sessions',
        { start: 'lazy' },
        maker,
      );
      path = `/sessions/${body.session_id}`;
      tokens.push((await before.call<{ token: string }>('POST', `${path}/tokens`, {}, maker)).body.token);
    }
    await before.stop();
    const after = await start(['kept']);
    const statuses = tokens.map(
      async (token) => (await after.call('GET', path, undefined, as(token))).status,
    );
    expect(await Promise.all(statuses)).toEqual([401, 200]);
    await after.stop();
  });

  test('ends in time, and its stream with it', async () => {
    const id = await newSession(ADMIN);
    const secret = await token(id, { expires_in_seconds: 1 });
    await ended(await server.openStream(`/sessions/${id}/events?access_token=${secret}`));
    expect(await statusWith(secret, `/sessions/${id}`)).toBe(401);
  });
});

describe('claude-agent-server keys', () => {
  test('makes the first key of a home whose server does not run; then it may be reached by others', async () => {
    const home = join(server.home, 'first');
    const made = await keysCommand(['create', '--name', 'first', '--role', 'operator', '--home', home]);
    expect(made.code).toBe(0);
    const fresh = await startTestServer({ on: { ...server, home }, args: ['--demo', '--host', '0.0.0.0'] });
    const local = { ...fresh, url: fresh.url.replace('0.0.0.0', '127.0.0.1') };
    const get = (secret?: string) =>
      fetch(`${local.url}/keys`, { headers: secret === undefined ? {} : as(secret).headers });
    expect((await get()).status).toBe(401);
    expect((await get(secretIn(made.said))).status).toBe(200);
    await fresh.stop();
    const list = await keysCommand(['list', '--home', home]);
    expect(list.said).toMatch(/key_\w+ +default +operator +first +good/);
  });

  test('asks the server that runs, with the key in the environment', async () => {
    const env = { AGENT_SERVER_API_KEY: ROOT };
    const home = ['--home', server.home];
    const made = await keysCommand(['create', '--name', 'ci', '--tenant', 'a', ...home], env);
    expect(await statusWith(secretIn(made.said))).toBe(200);
    const id = /key_\w+/.exec(made.said)?.[0] ?? '';
    const updated = await keysCommand(
      ['update', id, '--name', 'cd', '--limit', 'live_sessions=2', ...home],
      env,
    );
    expect(updated.said).toMatch(new RegExp(`${id} +a +user +cd +good`));
    const rotated = await keysCommand(['rotate', id, ...home], env);
    expect(await statusWith(secretIn(rotated.said))).toBe(200);
    expect(await keysCommand(['revoke', id, ...home], env)).toEqual({ code: 0, said: `Revoked ${id}.\n` });
    expect(await statusWith(secretIn(rotated.said))).toBe(401);
    expect((await keysCommand(['list', '--tenant', 'a', ...home], env)).said).toMatch(`${id}  a`);
  });

  test.each<[string[], Record<string, string>, string]>([
    [['list'], {}, 'AGENT_SERVER_API_KEY'],
    [['create'], { AGENT_SERVER_API_KEY: ROOT }, 'name'],
    [['create', '--name', 'x', '--role', 'king'], { AGENT_SERVER_API_KEY: ROOT }, 'role'],
    [['update', 'nobody', '--role', 'admin'], { AGENT_SERVER_API_KEY: ROOT }, 'role'],
    [['revoke', 'nobody'], { AGENT_SERVER_API_KEY: ROOT }, 'There is no key nobody'],
    [['burn'], {}, 'Usage:'],
  ])('%j is refused with a sentence', async (args, env, sentence) => {
    const { code, said } = await keysCommand([...args, '--home', server.home], env);
    expect(code).toBe(2);
    expect(said).toContain(sentence);
    expect(said).not.toMatch(/\n\s+at /);
  });
});

describe.skipIf(!hasPostgres())('with several nodes', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster(2, { args: ['--demo'], env: { AGENT_SERVER_API_KEY: ROOT } });
  });
  afterAll(() => cluster?.stop());

  test('a key works on every node, and is changed and revoked on every node within a second, open streams included', async () => {
    const [one, two] = cluster.nodes as [TestServer, TestServer];
    const made = await one.call<Made>(
      'POST',
      '/keys',
      { name: 'both', tenant: 'a', role: 'admin' },
      as(ROOT),
    );
    const { key, key_id } = made.body;
    expect((await two.call('GET', '/sessions', undefined, as(key))).status).toBe(200);
    const created = await one.call<{ session_id: string }>('POST', '/sessions', { start: 'lazy' }, as(key));
    const path = `/sessions/${created.body.session_id}`;
    // Passed on, with the principal: another tenant's session does not exist there either.
    const foreign = await one.call<Made>('POST', '/keys', { name: 'foreign', tenant: 'b' }, as(ROOT));
    for (const node of [one, two]) {
      expect((await node.call('PATCH', path, { title: 'x' }, as(key))).status).toBe(200);
      expect((await node.call('PATCH', path, { title: 'x' }, as(foreign.body.key))).status).toBe(404);
    }
    const streams = [
      await two.openStream('/events', as(key)),
      await two.openStream(`${path}/events`, as(key)),
    ];
    const waiting = Promise.all(streams.map(ended));
    const onTwo = async () => (await two.call('GET', '/sessions', undefined, as(key))).status;
    await one.call('PATCH', `/keys/${key_id}`, { limits: { requests_per_minute: 1 } }, as(ROOT));
    const changedAt = Date.now();
    await expect.poll(onTwo, { timeout: 5_000 }).toBe(429);
    // Half a second, and what one poll takes on a busy machine.
    expect(Date.now() - changedAt).toBeLessThan(2_000);
    await one.call('PATCH', `/keys/${key_id}`, { limits: {} }, as(ROOT));
    await expect.poll(onTwo, { timeout: 5_000 }).toBe(200);
    await one.call('DELETE', `/keys/${key_id}`, undefined, as(ROOT));
    await expect.poll(onTwo, { timeout: 5_000 }).toBe(401);
    await waiting;
    // Straight into the database, while the nodes run.
    const direct = await keysCommand(['create', '--name', 'direct', '--database-url', cluster.database]);
    expect((await two.call('GET', '/sessions', undefined, as(secretIn(direct.said)))).status).toBe(200);
  });
});
