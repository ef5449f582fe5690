import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { isLoopback } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import type { BrowserConfig } from '../../access/browser-config.ts';
import type { Peers } from '../../agent/peers.ts';
import { AppError, messageOf } from '../../errors.ts';
import { checkOrigin, checkPeer, type HttpEnv } from '../auth.ts';
import type { AddressOf } from '../client-address.ts';
import { framesOf } from './frames.ts';
import { type Call, callOf, type RuntimeSessions, SESSION_HEADER } from './sessions.ts';

export interface SocketsDeps {
  app: Hono<HttpEnv>;
  runtimeSessions: RuntimeSessions;
  peers: Peers;
  addressOf: AddressOf;
  /** The address that the server listens on. */
  host: string;
  browsers: BrowserConfig;
  bodyLimitBytes: number;
  onError(error: unknown, what: string): void;
}

/** AgentCore's `/ws`: the events of a session come down, messages and answers go up. */
export interface Sockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends all of them. */
  close(): Promise<void>;
}

/** What a client sends. Fields beside `type` are those of the route that it stands for. */
const Up = z.looseObject({ type: z.enum(['message', 'permission', 'interrupt', 'ping']) });

/** Reserved codes of RFC 6455. */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const SERVER_ERROR = 1011;
/** A number beyond the last event: what comes from now on. */
const END = '999999999999999';

export function createSockets({
  app,
  runtimeSessions,
  peers,
  addressOf,
  host,
  browsers,
  bodyLimitBytes,
  onError,
}: SocketsDeps): Sockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: bodyLimitBytes });

  /** @returns what is wrong with a request for a socket */
  const refusalOf = async (
    { headers, socket }: IncomingMessage,
    path: string,
  ): Promise<string | undefined> => {
    if (path !== '/ws') return '404 Not Found';
    try {
      // As for other requests that change something: no foreign web page, and no agent of this server.
      checkOrigin(headers, browsers, isLoopback(host));
      checkPeer(await peers.of(socket));
      return undefined;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return '403 Forbidden';
    }
  };

  const accept = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://localhost');
    const refusal = await refusalOf(request, url.pathname);
    const query = new Map([...url.searchParams].map(([name, value]) => [name.toLowerCase(), value]));
    const runtimeId =
      [request.headers[SESSION_HEADER]].flat()[0] ?? query.get(SESSION_HEADER) ?? query.get('session_id');
    if (refusal !== undefined || !runtimeId) {
      socket.end(
        `HTTP/1.1 ${refusal ?? '400 Bad Request'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
      );
      return;
    }
    server.handleUpgrade(request, socket, head, (ws) => {
      const header = (name: string): string | undefined => [request.headers[name]].flat()[0];
      const address = addressOf({ env: { incoming: request }, req: { header } }) ?? null;
      const call = callOf(app, { platform: true, address }, headersOf(request), url.origin);
      serve(ws, call, runtimeId, query.get('after') ?? END).catch((error: unknown) => {
        onError(error, 'serve a WebSocket');
        ws.close(SERVER_ERROR);
      });
    });
  };

  const serve = async (ws: WebSocket, call: Call, runtimeId: string, after: string): Promise<void> => {
    const gone = new AbortController();
    ws.on('close', () => gone.abort());
    // A client that breaks the protocol; `close` follows.
    ws.on('error', () => {});
    const waiting: RawData[] = [];
    ws.on('message', (data) => waiting.push(data));
    const id = await runtimeSessions.sessionOf(call, runtimeId);
    const events =
      typeof id === 'string'
        ? await call('GET', `/sessions/${id}/events?after=${encodeURIComponent(after)}`, undefined, {
            accept: 'text/event-stream',
          })
        : id;
    if (typeof id !== 'string' || !events.ok || !events.body) {
      await send(ws, { type: 'problem', problem: await events.json() });
      ws.close(POLICY_VIOLATION);
      return;
    }
    await send(ws, { type: 'ready', session_id: id });
    let last: Promise<void> = Promise.resolve();
    const take = (data: RawData): void => {
      // In order: an answer must not overtake the message before it.
      last = last.then(async () => send(ws, await handle(call, `/sessions/${id}`, data))).catch(() => {});
    };
    for (const data of waiting) take(data);
    ws.removeAllListeners('message').on('message', take);
    await pump(ws, events.body, gone.signal);
    ws.close(GOING_AWAY);
  };

  return {
    upgrade(request, socket, head) {
      socket.on('error', () => socket.destroy());
      accept(request, socket, head).catch((error: unknown) => {
        onError(error, 'open a WebSocket');
        socket.destroy();
      });
    },
    async close() {
      for (const ws of server.clients) ws.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Passes events on at the pace of the client. */
async function pump(ws: WebSocket, body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
  const down = new WritableStream({ write: ({ data }: { data: string }) => send(ws, data) });
  await framesOf(body)
    .pipeTo(down, { signal })
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
}

const send = (ws: WebSocket, frame: object | string): Promise<void> =>
  new Promise((resolve, reject) => {
    ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame), (error) =>
      error ? reject(error) : resolve(),
    );
  });

/** Does what a client asks for. @returns the answer to it */
async function handle(call: Call, session: string, data: RawData): Promise<object> {
  let json: unknown;
  try {
    json = JSON.parse(String(data));
  } catch (error) {
    return {
      type: 'problem',
      problem: { status: 400, code: 'malformed_json', detail: `${messageOf(error)}.` },
    };
  }
  const up = Up.safeParse(json);
  if (!up.success) {
    const detail =
      'Send {"type": "message", "message": …}, {"type": "permission", "request_id": …, "allowed": …}, {"type": "interrupt"} or {"type": "ping"}.';
    return { type: 'problem', problem: { status: 422, code: 'validation_failed', detail } };
  }
  const { type, ...body } = up.data;
  if (type === 'ping') return { type: 'pong' };
  const routes = {
    message: ['/messages', 'accepted'],
    permission: ['/permissions/respond', 'answered'],
    interrupt: ['/interrupt', 'interrupted'],
  } as const;
  const [path, done] = routes[type];
  const answer = await call('POST', session + path, body, { prefer: 'respond-async' });
  const said = (await answer.json()) as object;
  return answer.ok ? { ...said, type: done } : { type: 'problem', problem: said };
}

/** What the caller sends with each request of its session. */
function headersOf({ headers }: IncomingMessage): Headers {
  const kept = ['authorization', 'x-api-key', 'host', 'traceparent', 'tracestate', 'baggage', 'user-agent'];
  return new Headers(
    kept.flatMap((name): [string, string][] => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
