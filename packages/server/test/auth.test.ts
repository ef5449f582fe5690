import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { routes } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** A request with headers that fetch does not let a program choose. */
function rawStatus(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

describe('a server on loopback without a key', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => cleanUp(server));

  test('is open to programs of this machine', async () => {
    expect((await server.call('GET', '/sessions')).status).toBe(200);
    const { port } = new URL(server.url);
    expect(await rawStatus(`${server.url}/sessions`, { host: `localhost:${port}` })).toBe(200);
  });

  test.each(['evil.example', 'evil.example:8000', '127.0.0.1.evil.example'])(
    'refuses the Host "%s": after DNS rebinding a page would send it',
    async (host) => {
      expect(await rawStatus(`${server.url}/sessions`, { host })).toBe(403);
    },
  );

  test.each(['http://evil.example', 'null', 'http://127.0.0.1:1', 'https://localhost'])(
    'refuses the Origin "%s": a web page is not a program of this machine',
    async (origin) => {
      const answer = await server.call('GET', '/health', undefined, { headers: { origin } });
      expect(answer).toMatchObject({ status: 403, body: { code: 'origin_not_allowed' } });
    },
  );

  test('lets its own pages call it, and refuses CORS preflights', async () => {
    const same = await server.call('GET', '/sessions', undefined, { headers: { origin: server.url } });
    expect(same.status).toBe(200);
    const preflight = await server.call('OPTIONS', '/sessions', undefined, {
      headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(403);
    expect(preflight.headers.has('access-control-allow-origin')).toBe(false);
  });

  test('forbids bypassPermissions, at creation and later', async () => {
    const forbidden = { status: 403, body: { code: 'permission_mode_forbidden' } };
    expect(await server.call('POST', '/sessions', { permission_mode: 'bypassPermissions' })).toMatchObject(
      forbidden,
    );
    const { session_id } = await server.createSession();
    const mode = await server.call('POST', `/sessions/${session_id}/permission_mode`, {
      mode: 'bypassPermissions',
    });
    expect(mode).toMatchObject(forbidden);
    expect((await server.status(session_id)).permission_mode).toBe('default');
  });
});

describe('a server with keys', () => {
  let server: TestServer;
  const folder = mkdtempSync(join(tmpdir(), 'agent-server-keys-'));
  beforeAll(async () => {
    const keys = join(folder, 'keys');
    writeFileSync(keys, '# the team\nkey-of-the-file\n');
    server = await startTestServer({
      args: ['--demo'],
      config: { allow_bypass_permissions: true },
      env: { AGENT_SERVER_API_KEY: 'key-of-the-environment', AGENT_SERVER_API_KEYS_FILE: keys },
    });
  });
  afterAll(async () => {
    await cleanUp(server);
    rmSync(folder, { recursive: true });
  });

  const withKey = { headers: { authorization: 'Bearer key-of-the-environment' } };

  test('every route requires one, except health, readiness, the files of the console, and signing in and out', async () => {
    // Whatever is added must be put here on purpose.
    const open: Record<string, number> = {
      '/health': 200,
      '/ping': 200,
      '/ready': 200,
      '/console': 200,
      '/sign-in': 200,
      'POST /sign-in': 422,
      '/sign-in/oidc': 200,
      '/sign-in/oidc/callback': 200,
      '/sign-in/renew': 401,
      '/sign-out': 200,
    };
    for (const { method, path } of Object.values(routes)) {
      const concrete = path.replaceAll(/\{\w+\}/g, crypto.randomUUID());
      const { status, body } = await server.call(method, concrete, method === 'GET' ? undefined : {});
      const expected = open[`${method} ${path}`] ?? open[path];
      if (expected !== undefined) expect(status, path).toBe(expected);
      else if (path.startsWith('/v1/'))
        expect(body).toMatchObject({ error: { type: 'authentication_error' } });
      else expect([status, body.code], path).toEqual([401, 'unauthorized']);
    }
  });

  test.each([
    ['Bearer', { authorization: 'Bearer key-of-the-file' }],
    ['x-api-key', { 'x-api-key': 'key-of-the-environment' }],
  ])('takes a known key as %s, and no other', async (_, headers) => {
    expect((await server.call('GET', '/sessions', undefined, { headers })).status).toBe(200);
    const wrong = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, `${value}x`]));
    expect((await server.call('GET', '/sessions', undefined, { headers: wrong })).status).toBe(401);
  });

  test('the token of an agent process opens only the gateway', async () => {
    const created = await server.call<{ session_id: string }>('POST', '/sessions', {}, withKey);
    const [agent] = processesOf(created.body.session_id);
    const token = agent?.env.ANTHROPIC_API_KEY ?? '';
    expect(token).toMatch(/^session-/);
    const headers = { 'x-api-key': token };
    expect((await server.call('GET', '/v1/models', undefined, { headers })).status).toBe(200);
    expect((await server.call('GET', '/sessions', undefined, { headers })).status).toBe(403);
    const forged = { 'x-api-key': token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')) };
    expect((await server.call('GET', '/v1/models', undefined, { headers: forged })).status).toBe(401);
  });

  test('allows bypassPermissions if the configuration does', async () => {
    const mode = { permission_mode: 'bypassPermissions' };
    const created = await server.call<{ session_id: string }>('POST', '/sessions', mode, withKey);
    expect(created.status).toBe(200);
    const message = script(
      { tools: [{ name: 'Bash', input: { command: 'touch bypassed' } }] },
      { say: 'not asked' },
    );
    const answer = await server.call(
      'POST',
      `/sessions/${created.body.session_id}/messages`,
      { message },
      withKey,
    );
    expect(answer.body).toMatchObject({ is_error: false });
  });
});
