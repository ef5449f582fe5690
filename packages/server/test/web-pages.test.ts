/** Which web pages may call the server, and what browsers are told about it. */
import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const ROOT = 'key-of-the-operator';
const app = 'https://app.example.com';
const as = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } });

let open: TestServer;
beforeAll(async () => {
  open = await startTestServer({
    args: ['--demo'],
    config: { allowed_origins: [app] },
    env: { AGENT_SERVER_API_KEY: ROOT },
  });
});
afterAll(() => cleanUp(open));

test('of an allowed origin may call, and read what is refused too; no cookies', async () => {
  const preflight = await open.call('OPTIONS', '/sessions', undefined, {
    headers: {
      origin: app,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
  for (const headers of [{ origin: app }, { origin: app, ...as(ROOT).headers }]) {
    const answer = await open.call('GET', '/sessions', undefined, { headers });
    expect(answer.status).toBe('authorization' in headers ? 200 : 401);
    expect(answer.headers.get('access-control-allow-origin')).toBe(app);
    expect(answer.headers.has('access-control-allow-credentials')).toBe(false);
    expect(answer.headers.get('vary')).toMatch(/origin/i);
  }
});

test('of an allowed origin read what the gateway answers, refusals and streams too', async () => {
  const message = { model: 'demo', max_tokens: 9, messages: [{ role: 'user', content: 'say hi' }] };
  const asked = 'anthropic-version,x-api-key,x-stainless-os';
  const preflight = await open.call('OPTIONS', '/v1/messages', undefined, {
    headers: {
      origin: app,
      'access-control-request-method': 'POST',
      'access-control-request-headers': asked,
    },
  });
  expect(preflight.headers.get('access-control-allow-headers')?.replaceAll(' ', '')).toBe(asked);
  for (const [body, status] of [
    [message, 200],
    [{ ...message, stream: true }, 200],
    [{}, 400],
  ] as const) {
    const headers = { origin: app, ...as(ROOT).headers };
    const answer = await open.call('POST', '/v1/messages', body, { headers });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('access-control-allow-origin')).toBe(app);
    expect(answer.headers.get('access-control-expose-headers')).toContain('request-id');
    expect(answer.headers.get('vary')).toMatch(/origin/i);
  }
  const other = await open.call('POST', '/v1/messages', message, as(ROOT));
  expect(other.headers.has('access-control-allow-origin')).toBe(false);
});

test('of other origins may not, whatever key they have', async () => {
  for (const origin of ['https://evil.example', 'http://app.example.com', `${app}.evil.example`, 'null']) {
    const headers = { origin, ...as(ROOT).headers };
    const answer = await open.call('GET', '/sessions', undefined, { headers });
    expect(answer).toMatchObject({ status: 403, body: { code: 'origin_not_allowed' } });
    expect(answer.headers.has('access-control-allow-origin')).toBe(false);
  }
});

test('of the server itself work behind a TLS proxy on the same machine that keeps Host', async () => {
  const status = (headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      request(`${open.url}/sessions`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });
  const host = 'agents.example.com';
  expect(await status({ host, origin: `https://${host}`, ...as(ROOT).headers })).toBe(200);
  expect(await status({ host, ...as(ROOT).headers })).toBe(200);
  expect(await status({ host })).toBe(401);
});
