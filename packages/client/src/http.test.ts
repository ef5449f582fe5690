import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { routes } from 'claude-agent-protocol';
import { afterEach, expect, test } from 'vitest';
import { createClient } from './client.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Answer {
  status?: number;
  type?: string;
  body: string;
}

/** A server that gives one answer and remembers what it was asked. */
async function serve(answer: Answer | 'nothing') {
  const requests: { line: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    requests.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
    if (answer === 'nothing') return;
    response.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'application/json' });
    response.end(answer.body);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const ID = '7b0f5f3c-55cf-4bd4-9a1f-4fbb0a1f5d5e';

test('a call fills the path, the query and the body, and sends the key', async () => {
  const { url, requests } = await serve({ body: '{"turns":[]}' });
  const client = createClient({ baseUrl: `${url}/`, apiKey: 'secret' });
  await client.call('listTurns', { params: { session_id: ID }, query: { limit: '5', state: undefined } });
  await client.call(routes.setModel, { params: { session_id: ID }, body: { model: null } });
  expect(requests.map(({ line, body }) => [line, body])).toEqual([
    [`GET /sessions/${ID}/turns?limit=5`, ''],
    [`POST /sessions/${ID}/model`, '{"model":null}'],
  ]);
  expect(requests[0]?.headers.authorization).toBe('Bearer secret');
});

test('a problem document becomes an ApiError with its code and sentence', async () => {
  const problem = {
    type: 'about:blank',
    title: 'Unprocessable',
    status: 422,
    code: 'invalid_request',
    detail: 'The message must not be empty.',
    instance: '/sessions',
    errors: [{ path: 'message', message: 'must not be empty' }],
  };
  const { url } = await serve({
    status: 422,
    type: 'application/problem+json',
    body: JSON.stringify(problem),
  });
  await expect(createClient({ baseUrl: url }).sessions.create()).rejects.toMatchObject({
    name: 'ApiError',
    status: 422,
    code: 'invalid_request',
    message: 'The message must not be empty.',
    errors: [{ path: 'message', message: 'must not be empty' }],
  });
});

test('an error of the gateway keeps its words', async () => {
  const body = JSON.stringify({
    type: 'error',
    error: { type: 'not_found_error', message: 'No such model.' },
  });
  const { url } = await serve({ status: 404, body });
  await expect(createClient({ baseUrl: url }).call('gatewayModels')).rejects.toMatchObject({
    status: 404,
    detail: 'No such model.',
  });
});

test('an error page of a proxy is an ApiError too', async () => {
  const { url } = await serve({ status: 502, type: 'text/html', body: '<h1>Bad Gateway</h1>' });
  await expect(createClient({ baseUrl: url }).health()).rejects.toMatchObject({
    status: 502,
    code: 'http_502',
    detail: '<h1>Bad Gateway</h1>',
  });
});

test('without a server, the error names the address and the reason', async () => {
  const { url } = await serve('nothing');
  for (const close of closers.splice(0)) close();
  await expect(createClient({ baseUrl: url }).health()).rejects.toMatchObject({
    name: 'ServerUnreachable',
    url,
    message: expect.stringContaining(`No server answers at ${url} (ECONNREFUSED)`),
  });
});

test('a request that takes too long is a RequestTimeout', async () => {
  const { url } = await serve('nothing');
  await expect(createClient({ baseUrl: url, timeoutMs: 20 }).health()).rejects.toMatchObject({
    name: 'RequestTimeout',
  });
});

test('the time limit of the client holds for handing a message over too, and the call may set its own', async () => {
  const { url } = await serve('nothing');
  const limited = createClient({ baseUrl: url, timeoutMs: 20 }).session(ID);
  await expect(limited.submit('hello')).rejects.toMatchObject({ name: 'RequestTimeout' });
  const patient = createClient({ baseUrl: url }).session(ID);
  await expect(patient.submit('hello', { timeoutMs: 20 })).rejects.toMatchObject({ name: 'RequestTimeout' });
});

test('an aborted request rejects with the reason of the abort', async () => {
  const { url, requests } = await serve('nothing');
  const abort = new AbortController();
  const answer = createClient({ baseUrl: url }).health({ signal: abort.signal });
  await expect.poll(() => requests.length).toBe(1);
  abort.abort(new Error('enough'));
  await expect(answer).rejects.toThrow('enough');
});

test('another fetch can be given', async () => {
  const seen: string[] = [];
  const client = createClient({
    baseUrl: 'http://agent.test',
    fetch: async (url) => {
      seen.push(url);
      return Response.json({ status: 'healthy', active_sessions: 0, timestamp: '2026-01-01T00:00:00Z' });
    },
  });
  expect((await client.health()).status).toBe('healthy');
  expect(seen).toEqual(['http://agent.test/health']);
});

test('a list is read over all of its pages, each asked for when it is wanted', async () => {
  const asked: string[] = [];
  const client = createClient({
    baseUrl: 'http://agent.test',
    fetch: async (url) => {
      const { search, searchParams } = new URL(url);
      asked.push(search);
      const first = searchParams.get('cursor') === null;
      return Response.json({
        turns: first ? [{ turn_id: 'a' }, { turn_id: 'b' }] : [{ turn_id: 'c' }],
        next_cursor: first ? 'b' : null,
        has_more: first,
      });
    },
  });
  const seen: string[] = [];
  for await (const turn of client.list('listTurns', { params: { session_id: ID }, query: { limit: 2 } })) {
    if (turn.turn_id === 'b') expect(asked).toHaveLength(1);
    seen.push(turn.turn_id);
  }
  expect(seen).toEqual(['a', 'b', 'c']);
  expect(asked).toEqual(['?limit=2', '?limit=2&cursor=b']);
});
