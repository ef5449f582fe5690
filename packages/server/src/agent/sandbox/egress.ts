import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type LookupFunction, type Socket } from 'node:net';
import { type SessionSecret, secretsFor } from '../secrets/placeholders.ts';
import type { Interceptor } from './interceptor.ts';
import { bare, ESTABLISHED, endWith, refuse, relay } from './relay.ts';

/** Where a connection comes from, and what that sandbox reaches. */
export interface Origin {
  sessionId: string;
  /** How a host may be reached; undefined if it may not. */
  admit(host: string, port: number): LookupFunction | undefined;
  /** What its agent has placeholders for. */
  secrets: readonly SessionSecret[];
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
  interceptor: Interceptor;
}

/**
 * A request for a path is for the gateway: only model calls, and only with the token of the session whose sandbox it
 * comes from, so that a token that got into another sandbox is of no use there. One for a URL, or CONNECT, is for the
 * proxy. What is in a tunnel is not looked at.
 */
export function createEgress({ sessionOf, answer, interceptor }: EgressDeps): Egress {
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
  server.on('connect', (incoming: IncomingMessage, client: Socket, head: Buffer) => {
    const origin = origins.get(client);
    const { hostname, port } = targetOf(`https://${incoming.url}`) ?? {};
    const target = { host: bare(hostname), port: Number(port || 443) };
    const lookup = origin?.admit(target.host, target.port);
    if (!origin || !lookup) return endWith(client, '403 Forbidden', notAllowed(incoming.url));
    const { sessionId, secrets } = origin;
    const pass = (): void => tunnel(client, { ...target, lookup }, 'is told');
    if (interceptor.take({ ...target, sessionId, client, lookup, secrets, pass }, head)) return;
    if (head.length > 0) client.unshift(head);
    tunnel(client, { ...target, lookup }, 'waits');
  });

  function forward(incoming: IncomingMessage, response: ServerResponse): void {
    const url = targetOf(incoming.url ?? '');
    const origin = origins.get(incoming.socket);
    const target = { host: bare(url?.hostname), port: Number(url?.port || 80) };
    const lookup = url?.protocol === 'http:' ? origin?.admit(target.host, target.port) : undefined;
    if (!url || !origin || !lookup) {
      refuse(response, 403, notAllowed(url?.host ?? incoming.url));
      return;
    }
    const secrets = secretsFor(origin.secrets, { ...target, isPlain: true });
    relay(incoming, response, url.pathname + url.search, { ...target, lookup, isPlain: true, secrets });
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

/**
 * Connects an agent with a host; what they say is not looked at.
 * @param agent `waits` to hear that it is connected, or `is told` already
 */
function tunnel(
  client: Socket,
  target: { host: string; port: number; lookup: LookupFunction },
  agent: 'waits' | 'is told',
): void {
  const server = connect(target);
  let isConnected = false;
  server.once('connect', () => {
    isConnected = true;
    if (agent === 'waits') client.write(ESTABLISHED);
    server.pipe(client).pipe(server);
  });
  server.on('error', (error) => {
    if (agent === 'waits' && !isConnected) endWith(client, '502 Bad Gateway', error.message);
    else client.destroy();
  });
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroySoon());
}

const targetOf = (url: string): URL | undefined => URL.parse(url) ?? undefined;

const notAllowed = (host: string | undefined): string =>
  `This sandbox may not reach ${host ?? 'that host'}. The operator of the server names the hosts in "sandbox.allowed_hosts", and a session may have fewer ("network").`;
