import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHttpServer } from './target.ts';

const HEADERS_TIMEOUT_MS = 300;

let server: Server;
let port: number;
let sockets: Socket[] = [];
beforeEach(async () => {
  server = createHttpServer((request, response) => void response.end(request.url), {
    headersTimeoutMs: HEADERS_TIMEOUT_MS,
    checkEveryMs: 50,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  server.close();
  await once(server, 'close');
});

function open(text: string): Socket & { answer: string } {
  const socket = Object.assign(connect(port, '127.0.0.1'), { answer: '' });
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    socket.answer += chunk.toString();
  });
  socket.write(text);
  sockets.push(socket);
  return socket;
}

test('callers that send their head a byte at a time are closed, and others are answered meanwhile', async () => {
  const slow = Array.from({ length: 100 }, () => open('GET / HTTP/1.1\r\nhost: localhost\r\nx: '));
  const drip = setInterval(() => {
    for (const socket of slow) if (socket.writable) socket.write('y');
  }, 50);
  try {
    expect(await (await fetch(`http://127.0.0.1:${port}/decent`)).text()).toBe('/decent');
    await Promise.all(
      slow.map((socket) => new Promise<void>((resolve) => void socket.once('close', () => resolve()))),
    );
    // A byte that crosses the answer resets the connection, and the answer is lost.
    const answers = slow.map(({ answer }) => answer.split('\r\n')[0]).filter((line) => line !== '');
    expect(answers.length).toBeGreaterThan(0);
    expect(new Set(answers)).toEqual(new Set(['HTTP/1.1 408 Request Timeout']));
  } finally {
    clearInterval(drip);
  }
});

test('a connection that was idle for longer than a head may take is used again', async () => {
  const request = 'GET /again HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const socket = open(request);
  await once(socket, 'data');
  await sleep(HEADERS_TIMEOUT_MS * 2);
  const before = socket.answer.length;
  socket.write(request);
  await once(socket, 'data');
  expect(socket.answer.slice(before)).toMatch(/^HTTP\/1\.1 200 OK/);
});
