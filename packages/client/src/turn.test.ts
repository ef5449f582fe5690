import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { AgentClient } from './client.ts';
import { ServerUnreachable } from './errors.ts';

const SESSION = '00000000-0000-4000-8000-000000000001';
const TURN = '00000000-0000-4000-8000-000000000002';
const RESULT = { session_id: SESSION, turn_id: TURN, status: 'complete', messages: [] };

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const listen = (made: Server, port: number): Promise<number> =>
  new Promise((ready) => {
    server = made.listen(port, '127.0.0.1', () => ready((made.address() as AddressInfo).port));
  });

test('a message whose connection broke before any answer is sent again under its key until a server answers', async () => {
  const keys: unknown[] = [];
  const dying = createServer((request) => {
    keys.push(request.headers['idempotency-key']);
    dying.close();
    request.socket.resetAndDestroy();
  });
  const port = await listen(dying, 0);
  const client = new AgentClient({ baseUrl: `http://127.0.0.1:${port}` });
  const refused: unknown[] = [];
  const turn = client.session(SESSION).send('hello', {
    onConnection(connection) {
      // The first retry found nobody there; now a server comes back.
      if (connection.state !== 'retrying' || refused.push(connection.error) !== 2) return;
      const back = createServer((request, response) => {
        keys.push(request.headers['idempotency-key']);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const event = { seq: 1, session_id: SESSION, turn_id: TURN, type: 'turn.completed' };
        response.end(`id: 1\ndata: ${JSON.stringify({ ...event, data: { result: RESULT } })}\n\n`);
      });
      void listen(back, port);
    },
  });
  expect(await turn).toEqual(RESULT);
  expect(keys).toEqual([turn.idempotencyKey, turn.idempotencyKey]);
  expect(refused.map(String)).toEqual([
    expect.stringContaining('ECONNRESET'),
    expect.stringContaining('ECONNREFUSED'),
  ]);
});

test('a message to an address where nobody listens fails at once', async () => {
  const port = await listen(createServer(), 0);
  await new Promise((done) => server?.close(done));
  const client = new AgentClient({ baseUrl: `http://127.0.0.1:${port}` });
  await expect(client.session(SESSION).send('hello')).rejects.toBeInstanceOf(ServerUnreachable);
});
