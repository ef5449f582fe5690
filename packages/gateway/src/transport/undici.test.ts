import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { readAll, TransportError, type UpstreamRequest } from './transport.ts';
import { createTransport, type ProxySettings } from './undici.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function listen(handler: Handler): Promise<{ server: Server; url: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function open(proxy?: ProxySettings) {
  const transport = createTransport(proxy);
  closers.push(transport.close);
  const never = new AbortController().signal;
  return (url: string, more: Partial<UpstreamRequest> = {}) =>
    transport.send({ url, method: 'POST', headers: { 'x-a': 'b' }, body: 'ask', signal: never, ...more });
}

const failureOf = async (work: Promise<unknown>): Promise<TransportError> => {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  if (!(error instanceof TransportError)) throw new Error(`no TransportError but ${String(error)}`);
  return error;
};

test('sends method, path, headers and body, and returns status, headers and body', async () => {
  const { url } = await listen(async (request, response) => {
    response.writeHead(418, { 'x-kind': 'teapot' });
    response.end(`${request.method} ${request.url} ${request.headers['x-a']} ${await readAll(request)}`);
  });
  const answer = await open()(`${url}/path?q=1`);
  expect(answer).toMatchObject({ status: 418, headers: { 'x-kind': 'teapot' } });
  expect((await readAll(answer.body)).toString()).toBe('POST /path?q=1 b ask');
});

test('decompresses an answer that is compressed although the request did not allow it', async () => {
  const { url } = await listen((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' });
    response.end(gzipSync('in fewer bytes'));
  });
  const { headers, body } = await open()(url);
  expect((await readAll(body)).toString()).toBe('in fewer bytes');
  expect(headers).toMatchObject({ 'content-type': 'text/plain' });
  expect(headers['content-encoding']).toBeUndefined();
});

test('returns everything that arrived together as one chunk', async () => {
  const { url } = await listen((_, response) => {
    for (let at = 0; at < 50; at += 1) response.write(`chunk ${at}\n`);
    response.end();
  });
  const answer = await open()(url);
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString().split('\n')).toHaveLength(51);
  expect(chunks.length).toBeLessThan(10);
});

test('a refused connection is a failure to connect', async () => {
  const { server, url } = await listen(() => {});
  await new Promise((resolve) => server.close(resolve));
  expect(await failureOf(open()(url))).toMatchObject({
    kind: 'connect',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test('silence before the headers, and between two chunks, is a time-out', async () => {
  const { url } = await listen((request, response) => {
    if (request.url === '/body') response.writeHead(200).write('a');
  });
  const send = open();
  expect(await failureOf(send(url, { timeoutMs: 100 }))).toMatchObject({
    kind: 'timeout',
    message: 'no answer within 0.1 s',
  });
  const { body } = await send(`${url}/body`, { idleTimeoutMs: 100 });
  expect(await failureOf(readAll(body))).toMatchObject({ kind: 'timeout', message: 'silent for 0.1 s' });
});

test('a connection that is closed in mid-answer is a broken answer, after the chunks that arrived before', async () => {
  const { url } = await listen((_, response) => {
    response.write('half', () => response.socket?.destroy());
    response.socket?.once('close', () => closed.resolve());
  });
  let closed = Promise.withResolvers<void>();
  for (const isSlow of [false, true]) {
    closed = Promise.withResolvers();
    const { body } = await open()(url);
    if (isSlow) {
      await closed.promise;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const chunks = body[Symbol.asyncIterator]();
    expect(Buffer.from((await chunks.next()).value ?? []).toString()).toBe('half');
    expect(await failureOf(chunks.next())).toMatchObject({ kind: 'broken' });
  }
});

test('an abort ends the request at any stage', async () => {
  let seen = () => {};
  const closed: Promise<void>[] = [];
  const { url } = await listen((request, response) => {
    closed.push(new Promise((resolve) => response.once('close', () => resolve())));
    if (request.url === '/body') response.writeHead(200).write('a');
    seen();
  });
  const send = open();
  const gone = new AbortController();
  gone.abort();
  expect(await failureOf(send(url, { signal: gone.signal }))).toMatchObject({ kind: 'aborted' });
  expect(closed).toHaveLength(0);

  const before = new AbortController();
  const arrived = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const waiting = failureOf(send(url, { signal: before.signal }));
  await arrived;
  before.abort();
  expect(await waiting).toMatchObject({ kind: 'aborted' });

  const during = new AbortController();
  const { body } = await send(`${url}/body`, { signal: during.signal });
  during.abort();
  expect(await failureOf(readAll(body))).toMatchObject({ kind: 'aborted' });

  const left = await send(`${url}/body`);
  for await (const _ of left.body) break;
  await Promise.all(closed);
  expect(closed).toHaveLength(3);
});

test('a slow reader pauses the upstream and loses nothing', async () => {
  const size = 32 * 1024 * 1024;
  let written = 0;
  const { url } = await listen((_, response) => {
    const part = Buffer.alloc(65_536, 'x');
    const fill = () => {
      while (written < size) {
        written += part.length;
        if (!response.write(part)) return void response.once('drain', fill);
      }
      response.end();
    };
    fill();
  });
  const { body } = await open()(url, { idleTimeoutMs: 60_000 });
  const chunks = body[Symbol.asyncIterator]();
  let received = (await chunks.next()).value?.byteLength ?? 0;
  // The sockets of both sides buffer a few megabytes; then the upstream has to wait.
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(written).toBeLessThan(size / 2);
  for (let next = await chunks.next(); !next.done; next = await chunks.next())
    received += next.value.byteLength;
  expect(received).toBe(size);
});

test('a request on a kept connection that closes at once is retried; one that may have been processed is not', async () => {
  const connections = new Set<Socket>();
  const asked: string[] = [];
  const { url } = await listen((request, response) => {
    const known = connections.has(request.socket);
    connections.add(request.socket);
    asked.push(request.url ?? '');
    if (request.url === '/processed' && known) setTimeout(() => request.socket.destroy(), 400);
    else if (request.url === '/never') request.socket.destroy();
    else if (known) request.socket.resetAndDestroy();
    else response.end('ok');
  });
  const send = open();
  for (let at = 0; at < 3; at += 1) {
    expect((await readAll((await send(url)).body)).toString()).toBe('ok');
  }
  expect(connections.size).toBe(3);
  expect(await failureOf(send(`${url}/processed`))).toMatchObject({ kind: 'connect' });
  expect(await failureOf(send(`${url}/never`))).toMatchObject({ kind: 'connect' });
  expect(asked.filter((path) => path === '/processed')).toHaveLength(1);
});

test('requests go through the configured proxy, except those to this machine', async () => {
  const asked: string[] = [];
  const proxy = await listen((request, response) => {
    asked.push(request.url ?? '');
    response.end('through the proxy');
  });
  proxy.server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  const direct = await listen((_, response) => void response.end('direct'));
  const send = open({ http: proxy.url, https: proxy.url, except: 'internal.test' });
  expect((await readAll((await send('http://provider.test/v1')).body)).toString()).toBe('through the proxy');
  await failureOf(send('https://provider.test/v1'));
  expect(asked).toEqual(['http://provider.test/v1', 'CONNECT provider.test:443']);
  expect((await readAll((await send(direct.url)).body)).toString()).toBe('direct');
  await failureOf(send('http://internal.test/'));
  expect(asked).toHaveLength(2);
});
