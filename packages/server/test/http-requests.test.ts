import { once } from 'node:events';
import { connect } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { SessionCreated } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALL_ROUTES, paramsOf } from './support/all-routes.ts';
import { type Calls, callsOver, expectProblem } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// Requests that are wrong in themselves: their target, method, encoding or connection.

let server: TestServer;
let api: Transport;
let calls: Calls;
let session: SessionCreated;
beforeAll(async () => {
  server = await startTestServer();
  api = direct(server);
  calls = callsOver(api);
  session = await calls.create();
});
afterAll(() => cleanUp(server));

describe('a path that exists', () => {
  const allowOf = (path: string): string[] =>
    ALL_ROUTES.filter((other) => other.path === path).map(({ method }) => method);

  test.each(ALL_ROUTES)('$method $path: another method is a 405 that names the right ones', async (spec) => {
    for (const method of ['PUT', 'PROPFIND']) {
      const answer = await api.call(method, spec.path, paramsOf(session.session_id));
      expect([method, answer.status]).toEqual([method, 405]);
      expect(answer.body).toHaveProperty(spec.path.startsWith('/v1/') ? 'error' : 'detail');
      const allow = answer.headers.get('allow')?.split(', ');
      expect(allow).toEqual(expect.arrayContaining([...allowOf(spec.path), 'OPTIONS']));
      expect(allow).not.toContain(method);
    }
    const options = await api.call('OPTIONS', spec.path, paramsOf(session.session_id));
    expect([options.status, options.headers.get('allow')?.includes(spec.method)]).toEqual([204, true]);
  });

  test('that does not exist stays a 404 for every method', async () => {
    for (const method of ['GET', 'PUT', 'OPTIONS', 'HEAD']) {
      expect((await server.call(method, '/nowhere')).status).toBe(404);
    }
  });

  test.each(ALL_ROUTES.filter(({ method }) => method === 'GET'))('HEAD $path: is as GET', async (spec) => {
    const answer = await api.call('HEAD', spec.path, {
      ...paramsOf(session.session_id),
      // Not held to its end: of a stream too there are the headers only.
      ...(spec.path.includes('/events') && { headers: { accept: 'text/event-stream' } }),
    });
    // There is no turn, request and webhook of this id.
    expect(answer.status).toBe(/\{(turn|request|webhook)_id\}/.test(spec.path) ? 404 : 200);
    expect(answer.body).toBe('');
  });

  test('may end in a slash', async () => {
    for (const path of [
      '/sessions/',
      '/health/',
      '/docs/',
      '/v1/models/',
      `/sessions/${session.session_id}/`,
    ]) {
      expect([path, (await server.call('GET', path)).status]).toEqual([path, 200]);
    }
    const body = { model: 'demo', max_tokens: 5, messages: [{ role: 'user', content: 'say hi' }] };
    expect((await server.call('POST', '/v1/messages/', body)).status).toBe(200);
    expect((await server.call('POST', '/invocations/', { path: '/health/', method: 'GET' })).status).toBe(
      200,
    );
  });
});

describe('a compressed body', () => {
  const send = async (path: string, encoding: string, body: Uint8Array) => {
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': encoding },
      body: body as Uint8Array<ArrayBuffer>,
    });
    const answer = (await response.json()) as { code?: string; detail?: string; error?: { message: string } };
    return { ...answer, status: response.status, headers: response.headers };
  };
  const model = '{"model": "demo", "max_tokens": 5, "messages": [{"role": "user", "content": "say hi"}]}';
  const places = () => [
    [`/sessions/${session.session_id}/model`, '{"model": "demo"}'],
    ['/invocations', '{"path": "/health", "method": "GET"}'],
    ['/v1/messages', model],
  ];

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('in %s is understood', async (encoding, compress) => {
    for (const [path = '', text = ''] of places()) {
      expect([path, (await send(path, encoding, compress(text))).status]).toEqual([path, 200]);
    }
  });

  test('is held to the same limit once it is unpacked: a small body that becomes a large one is a 413', async () => {
    const bomb = (megabytes: number) => gzipSync(Buffer.alloc(megabytes * 1024 * 1024, ' '));
    expect(await send('/sessions', 'gzip', bomb(11))).toMatchObject({ status: 413, code: 'body_too_large' });
    const models = await send('/v1/messages', 'gzip', bomb(65));
    expect([models.status, models.error?.message]).toEqual([413, expect.stringContaining('decompressed')]);
  });

  test('in an encoding that nobody knows is a 415 that names those that are known', async () => {
    for (const encoding of ['compress', 'gzip, gzip', 'x']) {
      const answer = await send('/sessions', encoding, gzipSync('{}'));
      expect(answer).toMatchObject({ status: 415, code: 'encoding_unknown' });
      expect(answer.headers.get('accept-encoding')).toContain('gzip');
      expect((await send('/v1/messages', encoding, gzipSync(model))).status).toBe(415);
    }
  });

  test('that is damaged is a 400', async () => {
    for (const bytes of [Buffer.from('{}'), gzipSync('{"title": "x"}').subarray(0, 15)]) {
      expect(await send('/sessions', 'gzip', bytes)).toMatchObject({ status: 400, code: 'malformed_body' });
      expect((await send('/v1/messages', 'gzip', bytes)).status).toBe(400);
    }
  });
});

test('a file of the documentation that does not exist is a 404', async () => {
  for (const name of ['x.js', '__proto__', 'constructor', '..%2f..%2fpackage.json']) {
    expectProblem(await server.call('GET', `/docs/assets/${name}`), 404, 'route_not_found');
  }
});

test('a client that hangs up in the middle of its body is no error of the server', async () => {
  const { hostname, port } = new URL(server.url);
  const lengths = ['content-length: 1000', 'transfer-encoding: chunked'];
  for (const [path, length] of ['/sessions', '/v1/messages'].flatMap((to) => lengths.map((by) => [to, by]))) {
    const socket = connect(Number(port), hostname);
    socket.write(`POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\n${length}\r\n\r\n5\r\n{"a":`);
    await once(socket, 'connect');
    // What was sent is with the server once it has answered somebody else.
    await server.call('GET', '/health');
    socket.destroy();
    await once(socket, 'close');
  }
});

/** The answer to a request that no ordinary client can send. */
async function rawAnswer(text: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), body };
}

describe('what stands around a request', () => {
  const raw = (target: string, host: string | undefined, version = '1.1') =>
    rawAnswer(
      `GET ${target} HTTP/${version}\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`,
    );

  test.each([
    'http://user:secret@127.0.0.1/health',
    'ftp://127.0.0.1/health',
    'http://[::/health',
    '*',
    '/sessions\\x',
  ])('the target "%s" is a 400', async (target) => {
    const { status, body } = await raw(target, '127.0.0.1');
    expect([status, JSON.parse(body)]).toMatchObject([400, { code: 'bad_target', status: 400 }]);
    expect(body).not.toContain('made a mistake');
  });

  test.each([
    '127.999.999.999',
    '127.0.0.1:99999',
    'user:secret@127.0.0.1',
    '127.0.0.1/x',
    '127.0.0.1 x',
    '[::1',
    '',
    undefined,
  ])('the Host "%s" is a 400', async (host) => {
    const { status, body } = await raw('/health', host);
    expect([status, JSON.parse(body)]).toMatchObject([400, { code: 'bad_host' }]);
    const messages = await raw('/v1/models', host);
    expect([messages.status, JSON.parse(messages.body)]).toMatchObject([
      400,
      { type: 'error', error: { type: 'invalid_request_error' } },
    ]);
  });

  test('the absolute form is a path and a host; the host in it counts', async () => {
    const { host } = new URL(server.url);
    expect((await raw(`http://${host}/sessions?limit=1`, 'evil.example')).status).toBe(200);
    expect((await raw('http://evil.example/health', host)).status).toBe(403);
    expect((await raw(`http://${host}/v1/models`, host)).status).toBe(200);
  });

  test('HTTP/1.0 needs no Host', async () => {
    expect((await raw('/health', undefined, '1.0')).status).toBe(200);
    expect((await raw('/sessions', undefined, '1.0')).status).toBe(200);
    expect((await raw('/v1/models', undefined, '1.0')).status).toBe(200);
    expect((await raw('/sessions', 'evil.example', '1.0')).status).toBe(403);
  });
});

test('after all of that, the server is healthy and has logged no error', async () => {
  expect((await server.call('GET', '/health')).status).toBe(200);
  expect(server.stderr()).not.toMatch(/"level":[56]0/);
});
