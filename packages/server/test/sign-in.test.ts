import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSealedCookies } from '../src/access/sealed-cookies.ts';
import { createSignIn } from '../src/access/sign-in.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { passProvider, startTestProvider, type TestProvider } from './support/oidc-provider.ts';
import { hasPostgres } from './support/postgres.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const ROOT = 'key-of-the-operator';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    args: ['--demo'],
    env: { AGENT_SERVER_API_KEY: ROOT },
    config: { allowed_origins: ['http://localhost:1234'] },
  });
});
afterAll(() => cleanUp(server));

interface Made {
  key_id: string;
  key: string;
}

const make = async (body: Record<string, unknown> = {}): Promise<Made> =>
  (
    await server.call<Made>(
      'POST',
      '/keys',
      { name: 'of a test', ...body },
      { headers: { authorization: `Bearer ${ROOT}` } },
    )
  ).body;

interface Answer {
  status: number;
  setCookie: string;
  body: Record<string, unknown>;
}

/** A request as a browser makes it; `fetch` may not set these headers. */
function browse(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
  on = server,
) {
  return new Promise<Answer>((resolve, reject) => {
    const sent = request(on.url + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
    });
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          setCookie: response.headers['set-cookie']?.[0] ?? '',
          body: text === '' ? {} : JSON.parse(text),
        });
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const cookieOf = (setCookie: string): string => setCookie.split(';')[0] ?? '';

async function signIn(key: string, on = server): Promise<string> {
  const answer = await browse('POST', '/sign-in', { origin: on.url }, { key }, on);
  expect(answer.status).toBe(200);
  return cookieOf(answer.setCookie);
}

describe('signing in', () => {
  test('answers with a cookie that no script can read and that does not show the key', async () => {
    const { key, key_id: id } = await make({ role: 'approver', name: 'the phone' });
    const answer = await browse('POST', '/sign-in', { origin: server.url }, { key });
    expect(answer.body).toEqual({
      kind: 'key',
      id,
      name: 'the phone',
      tenant: 'default',
      role: 'approver',
      expires_at: null,
    });
    expect(answer.setCookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
    expect(answer.setCookie).not.toContain(key);
    const overHttps = await browse(
      'POST',
      '/sign-in',
      { origin: server.url.replace('http:', 'https:') },
      { key },
    );
    expect(overHttps.setCookie).toMatch(/; Secure$/);
  });

  test('is for keys of the server: not for others, nor for a token of one session', async () => {
    for (const key of ['wrong', `cak_${'x'.repeat(43)}`, '']) {
      const { status } = await browse('POST', '/sign-in', {}, { key });
      expect(status).toBe(key === '' ? 422 : 401);
    }
    const as = { headers: { authorization: `Bearer ${ROOT}` } };
    const made = await server.call<{ session_id: string }>('POST', '/sessions', { start: 'lazy' }, as);
    const { body } = await server.call<{ token: string }>(
      'POST',
      `/sessions/${made.body.session_id}/tokens`,
      {},
      as,
    );
    expect((await browse('POST', '/sign-in', {}, { key: body.token })).status).toBe(401);
  });

  test('stands in the audit log, as that of the key, or of nobody', async () => {
    const { key, key_id: id } = await make({ role: 'viewer' });
    await signIn(key);
    await browse('POST', '/sign-in', {}, { key: 'another wrong key' });
    await expect
      .poll(async () => {
        const { body } = await browse('GET', '/audit?action=signIn&limit=2', {
          authorization: `Bearer ${ROOT}`,
        });
        return (body.entries as { status: number; actor: unknown }[]).map(({ status, actor }) => [
          status,
          actor,
        ]);
      })
      .toEqual([
        [401, { kind: 'unknown', id: null, role: null, tenant: null }],
        [200, { kind: 'key', id, role: 'viewer', tenant: 'default' }],
      ]);
  });

  test('is refused to a page of another site', async () => {
    const answer = await browse('POST', '/sign-in', { origin: 'https://evil.example' }, { key: ROOT });
    expect(answer).toMatchObject({ status: 403, setCookie: '' });
  });
});

describe('a page that is signed in', () => {
  test('is the caller whose key it has, and nobody after signing out', async () => {
    const { key, key_id: id } = await make({ role: 'viewer' });
    const cookie = await signIn(key);
    expect((await browse('GET', '/me', { cookie })).body).toMatchObject({ id, role: 'viewer' });
    const refused = await browse('POST', '/sessions', { cookie, origin: server.url }, { start: 'lazy' });
    expect(refused.body).toMatchObject({ code: 'role_insufficient' });
    const { setCookie } = await browse('POST', '/sign-out', { cookie, origin: server.url });
    expect(setCookie).toMatch(/=; Path=\/; HttpOnly; SameSite=Strict; Max-Age=0$/);
    expect(cookieOf(setCookie).split('=')[0]).toBe(cookie.split('=')[0]);
    expect((await browse('GET', '/me')).status).toBe(401);
  });

  test('is signed out at once when its key is revoked, rotated or changed by a letter', async () => {
    const [revoked, rotated] = [await make(), await make()];
    const cookies = [await signIn(revoked.key), await signIn(rotated.key)];
    for (const cookie of cookies) expect((await browse('GET', '/me', { cookie })).status).toBe(200);
    const headers = { authorization: `Bearer ${ROOT}` };
    await browse('DELETE', `/keys/${revoked.key_id}`, headers);
    await browse('POST', `/keys/${rotated.key_id}/rotate`, headers);
    for (const cookie of cookies) expect((await browse('GET', '/me', { cookie })).status).toBe(401);
    const good = await signIn(ROOT);
    const changed = good.slice(0, -3) + (good.at(-3) === 'A' ? 'B' : 'A') + good.slice(-2);
    expect((await browse('GET', '/me', { cookie: changed })).status).toBe(401);
  });

  test('is no help to a page of another port or site, which the browser sends the cookie from too', async () => {
    const cookie = await signIn(ROOT);
    const good = { cookie, 'sec-fetch-site': 'same-origin', origin: server.url };
    expect((await browse('POST', '/sessions', good, { start: 'lazy' })).status).toBe(200);
    for (const site of ['same-site', 'cross-site']) {
      expect((await browse('GET', '/sessions', { cookie, 'sec-fetch-site': site })).status).toBe(401);
    }
    // Allowed to read answers with a key of its own, but not to use the reader's.
    const other = { cookie, origin: 'http://localhost:1234' };
    expect((await browse('POST', '/sessions', other, { start: 'lazy' })).status).toBe(401);
  });

  test('makes no model calls: the gateway would not know whom to charge', async () => {
    const cookie = await signIn(ROOT);
    const call = { model: 'demo', max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] };
    expect((await browse('POST', '/v1/messages', { cookie, origin: server.url }, call)).status).toBe(401);
  });

  test('stays signed in when the server is started again', async () => {
    const first = await startTestServer({ args: ['--demo'], env: { AGENT_SERVER_API_KEY: ROOT } });
    const cookie = await signIn(ROOT, first);
    await first.stop();
    const second = await startTestServer({
      on: first,
      args: ['--demo'],
      env: { AGENT_SERVER_API_KEY: ROOT },
    });
    expect((await browse('GET', '/me', { cookie }, undefined, second)).status).toBe(200);
    // Another server has another secret, and another name for the cookie.
    expect((await browse('GET', '/me', { cookie })).status).toBe(401);
    await cleanUp(second);
  });
});

describe.skipIf(!hasPostgres())('in a cluster', () => {
  /** Of a proxy that keeps the nodes below a path; the test stands for it. */
  const PUBLIC_URL = 'http://127.0.0.1:1/agents';
  let cluster: TestCluster;
  let provider: TestProvider;
  let [one, two] = [{} as TestServer, {} as TestServer];
  beforeAll(async () => {
    provider = await startTestProvider();
    cluster = await startTestCluster(2, {
      env: { AGENT_SERVER_API_KEY: ROOT },
      config: { oidc: { ...provider.settings, public_url: PUBLIC_URL } },
    });
    [one, two] = cluster.nodes as [TestServer, TestServer];
    provider.register(PUBLIC_URL);
    provider.users.set('anna', { role: 'user' });
  });
  afterAll(async () => {
    await cluster.stop();
    await provider.close();
  });

  test('a page is signed in on every node', async () => {
    const cookie = await signIn(ROOT, one);
    expect((await browse('GET', '/me', { cookie }, undefined, two)).status).toBe(200);
  });

  test('a login at an identity provider may end on another node than the one on which it began', async () => {
    const began = await fetch(`${one.url}/sign-in/oidc?return_to=inbox`, { redirect: 'manual' });
    const login = cookieOf(began.headers.get('set-cookie') ?? '');
    const callback = await passProvider(provider, began.headers.get('location') ?? '', 'anna');
    expect(callback).toMatch(`${PUBLIC_URL}/sign-in/oidc/callback?`);
    const ended = await fetch(callback.replace(PUBLIC_URL, two.url), {
      redirect: 'manual',
      headers: { cookie: login },
    });
    expect(ended.headers.get('location')).toBe('../../console/inbox');
    const [signedIn = '', forgotten] = ended.headers.getSetCookie();
    expect(forgotten).toMatch(/_login=; .*Max-Age=0$/);
    const cookie = cookieOf(signedIn);
    for (const node of [one, two])
      expect((await browse('GET', '/me', { cookie }, undefined, node)).body).toMatchObject({
        id: 'jwt:anna',
      });
    const renewed = await browse('POST', '/sign-in/renew', { cookie, origin: two.url }, undefined, two);
    expect([renewed.status, renewed.body.id]).toEqual([200, 'jwt:anna']);
    const after = { cookie: cookieOf(renewed.setCookie), origin: one.url };
    const out = await browse('POST', '/sign-out', after, undefined, one);
    const { searchParams, origin } = new URL(String(out.body.continue_at));
    expect([origin, searchParams.get('post_logout_redirect_uri')]).toEqual([
      provider.issuer,
      `${PUBLIC_URL}/console/`,
    ]);
    // A copy of the cookie is good for the rest of its token, and gets no other.
    const copy = await browse('POST', '/sign-in/renew', after, undefined, one);
    expect([copy.status, copy.body.code]).toEqual([401, 'sign_in_over']);
  });
});

test('a cookie is no good after its time', async () => {
  const store = openSqliteStore(':memory:');
  const signIns = createSignIn(createSealedCookies(store), undefined);
  const cookie = cookieOf(await signIns.seal({ credential: 'a key' }, false));
  expect(await signIns.open(`other=1; ${cookie}; more=2`)).toEqual({ credential: 'a key' });
  const { now } = Date;
  Date.now = () => now() - 31 * 86_400_000;
  const old = cookieOf(await signIns.seal({ credential: 'a key' }, false));
  Date.now = now;
  expect(await signIns.open(old)).toBeUndefined();
  await store.close();
});
