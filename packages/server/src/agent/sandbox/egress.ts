import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Where a connection comes from, and what that sandbox reaches. */
export interface Origin {
  sessionId: string;
  /** How a host may be reached; undefined if it may not. */
  admit(host: string, port: number): LookupFunction | undefined;
}

/** All that sandboxes without a network of their own can reach: this server's gateway, and an HTTP proxy. */
export interface Egress {
  /** Takes a connection out of a session's sandbox. */
  accept(socket: Socket, origin: Origin): void;
  close(): void;
}

export interface EgressDeps {
  /** The session that a request's credential belongs to. */
  sessionOf(headers: IncomingMessage['headers']): string | undefined;
  /** Answers a request to the gateway. */
  answer(request: IncomingMessage, response: ServerResponse): void;
}

/** Headers that are between the agent and the proxy. */
const HOP = /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade)$/i;

/**
 * A request for a path is for the gateway: only model calls, and only with the token of the session whose sandbox it
 * comes from, so that a token that got into another sandbox is of no use there. One for a URL, or CONNECT, is for the
 * proxy. What is in a tunnel is not looked at.
 */
export function createEgress({ sessionOf, answer }: EgressDeps): Egress {
  const origins = new WeakMap<object, Origin>();
  const open = new Set<Socket>();

  const server = createServer((incoming, response) => {
    const { url = '' } = incoming;
    if (!url.startsWith('/')) return forward(incoming, response);
    if (!/^\/v1\//.test(url)) return refuse(response, 404, 'Only model calls (/v1/) are answered here.');
    if (sessionOf(incoming.headers) !== origins.get(incoming.socket)?.sessionId) {
      return refuse(response, 401, "Model calls need the token of this session's agent.");
    }
    answer(incoming, response);
  });
  server.on('connect', (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    const { hostname, port } = targetOf(`http://${incoming.url}`) ?? {};
    const find =
      hostname === undefined ? undefined : origins.get(client)?.admit(hostname, Number(port || 443));
    if (hostname === undefined || !find) return endWith(client, '403 Forbidden', notAllowed(incoming.url));
    const target = connect({
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port || 443),
      lookup: find,
    });
    target.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.write(head);
      target.pipe(client).pipe(target);
    });
    target.on('error', (error) => endWith(client, '502 Bad Gateway', error.message));
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
  });

  function forward(incoming: IncomingMessage, response: ServerResponse): void {
    const target = targetOf(incoming.url ?? '');
    const find =
      target?.protocol === 'http:'
        ? origins.get(incoming.socket)?.admit(target.hostname, Number(target.port || 80))
        : undefined;
    if (!target || !find) {
      refuse(response, 403, notAllowed(target?.host ?? incoming.url));
      return;
    }
    const headers = Object.entries(incoming.headers).filter(([name]) => !HOP.test(name));
    const outgoing = request(
      target,
      {
        method: incoming.method,
        headers: { ...Object.fromEntries(headers), host: target.host },
        lookup: find,
      },
      (answered) => {
        const back = Object.entries(answered.headers).filter(([name]) => !HOP.test(name));
        response.writeHead(answered.statusCode ?? 502, Object.fromEntries(back));
        answered.pipe(response);
      },
    );
    outgoing.on('error', (error) => refuse(response, 502, error.message));
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  return {
    accept(socket, origin) {
      origins.set(socket, origin);
      open.add(socket);
      // After CONNECT nobody else listens; an agent that resets its connection must not end the server.
      socket.on('error', () => socket.destroy());
      socket.once('close', () => open.delete(socket));
      server.emit('connection', socket);
    },
    close() {
      for (const socket of open) socket.destroy();
    },
  };
}

const targetOf = (url: string): URL | undefined => URL.parse(url) ?? undefined;

const notAllowed = (host: string | undefined): string =>
  `This sandbox may not reach ${host ?? 'that host'}. The operator of the server names the hosts in "sandbox.allowed_hosts", and a session may have fewer ("network").`;

function refuse(response: ServerResponse, status: number, words: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${words}\n`);
}

function endWith(client: Duplex, status: string, words: string): void {
  if (!client.destroyed)
    client.end(`HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${words}\n`);
}
