import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiError } from './errors.ts';
import { createTransport } from './http.ts';
import { type Connection, readEvents } from './sse.ts';
import type { SseEvent } from './sse-parser.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server whose answer to the n-th connection is up to the test. */
async function serve(
  answer: (response: ServerResponse, lastEventId: string | undefined, connection: number) => void,
): Promise<(lastEventId: string | undefined, signal: AbortSignal) => Promise<Response>> {
  let connection = 0;
  const server = createServer((request, response) => {
    connection += 1;
    answer(response, request.headers['last-event-id'] as string | undefined, connection);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  closers.push(
    () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  );
  const transport = createTransport({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  return (lastEventId, signal) =>
    transport({ method: 'GET', path: '/', headers: { 'last-event-id': lastEventId }, signal });
}

const startStream = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
};

async function take(events: AsyncIterable<SseEvent>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const { data } of events) if (seen.push(data) === count) break;
  return seen;
}

describe('the reader', () => {
  test('goes on after the last event when the connection breaks, and shows nothing twice', async () => {
    const asked: (string | undefined)[] = [];
    const open = await serve((response, lastEventId, connection) => {
      asked.push(lastEventId);
      startStream(response);
      // The server repeats one event on purpose: the reader must drop it.
      const from = Math.max(1, Number(lastEventId ?? 0));
      for (let id = from; id < from + 3; id += 1) response.write(`id: ${id}\ndata: ${id}\n\n`);
      if (connection < 4) setTimeout(() => response.destroy(), 5);
    });
    expect(await take(readEvents({ open, minDelayMs: 1 }), 7)).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    expect(asked).toEqual([undefined, '3', '5']);
  });

  test('hands out events without an id, and does not count them', async () => {
    const open = await serve((response, lastEventId) => {
      startStream(response);
      if (lastEventId === undefined) {
        response.end('id: 1\ndata: one\n\ndata: live\n\n');
      } else {
        response.write(`id: 2\ndata: after ${lastEventId}\n\n`);
      }
    });
    expect(await take(readEvents({ open, minDelayMs: 1 }), 3)).toEqual(['one', 'live', 'after 1']);
  });

  test('a connection with nothing but keep-alives was a working one', async () => {
    const open = await serve((response, _, connection) => {
      if (connection === 4) {
        startStream(response);
        response.write('data: there\n\n');
      } else if (connection === 3) {
        // Quiet, perhaps for hours; then it breaks.
        startStream(response);
        response.write(': keep-alive\n\n', () => response.destroy());
      } else {
        response.destroy();
      }
    });
    const attempts: number[] = [];
    const events = readEvents({
      open,
      minDelayMs: 1,
      onConnection: (state) => state.state === 'retrying' && attempts.push(state.attempt),
    });
    expect(await take(events, 1)).toEqual(['there']);
    expect(attempts).toEqual([1, 2, 1]);
  });

  test('tells about lost connections, and waits longer each time', async () => {
    const open = await serve((response, _, connection) => {
      if (connection < 4) {
        response.destroy();
      } else {
        startStream(response);
        response.write('data: there\n\n');
      }
    });
    const seen: Connection[] = [];
    await take(readEvents({ open, minDelayMs: 4, onConnection: (state) => seen.push(state) }), 1);
    const delays = seen.flatMap((state) => (state.state === 'retrying' ? [state.delayMs] : []));
    expect(delays).toHaveLength(3);
    expect(delays[2]).toBeGreaterThan(delays[0] ?? 0);
    expect(seen.at(-1)).toEqual({ state: 'open' });
  });

  test('ends with the error when the server refuses', async () => {
    const open = await serve((response) => {
      response.writeHead(404, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ status: 404, code: 'session_not_found', detail: 'No such session.' }));
    });
    await expect(take(readEvents({ open }), 1)).rejects.toMatchObject({
      name: 'ApiError',
      status: 404,
      code: 'session_not_found',
      message: 'No such session.',
    });
  });

  test('tries again after a 503', async () => {
    const open = await serve((response, _, connection) => {
      if (connection === 1) {
        response.writeHead(503).end('busy');
      } else {
        startStream(response);
        response.write('data: there\n\n');
      }
    });
    expect(await take(readEvents({ open, minDelayMs: 1 }), 1)).toEqual(['there']);
  });

  test('ends quietly when it is aborted, also in the middle of a pause', async () => {
    const open = await serve((response) => response.destroy());
    const abort = new AbortController();
    const events = readEvents({
      open,
      signal: abort.signal,
      minDelayMs: 60_000,
      onConnection: () => abort.abort(),
    });
    expect(await take(events, 1)).toEqual([]);
  });

  test('takes a connection for dead on which nothing comes', async () => {
    const open = await serve((response, _, connection) => {
      startStream(response);
      if (connection === 2) response.write('data: there\n\n');
    });
    expect(await take(readEvents({ open, idleTimeoutMs: 30, minDelayMs: 1 }), 1)).toEqual(['there']);
  });

  test('gives up, when asked to, after a time without a connection', async () => {
    const open = await serve((response) => response.writeHead(500).end('broken'));
    await expect(take(readEvents({ open, minDelayMs: 5, giveUpAfterMs: 20 }), 1)).rejects.toBeInstanceOf(
      ApiError,
    );
  });
});
