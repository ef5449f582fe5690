import { createServer, type IncomingMessage, Agent as PlainAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../../errors.ts';
import { type SessionSecret, secretsFor } from '../secrets/placeholders.ts';
import type { Trust } from '../secrets/trust.ts';
import { bare, ESTABLISHED, endWith, refuse, relay, relayUpgrade, type Upstream } from './relay.ts';

/** A tunnel that an agent asks for. */
export interface Tunnel {
  sessionId: string;
  client: Socket;
  host: string;
  port: number;
  lookup: LookupFunction;
  /** Those of the session. */
  secrets: readonly SessionSecret[];
  /** Connects the client with the host and stays out of it; the client has been told that it is connected. */
  pass(): void;
}

/** Looks into the tunnels to hosts that secrets may go to, and into no others. */
export interface Interceptor {
  /** @returns false when the tunnel concerns no secret: nothing has happened to it then */
  take(tunnel: Tunnel, head: Buffer): boolean;
}

export interface InterceptorDeps {
  trust: Trust;
  /** A request was not passed on. */
  onRefused(sessionId: string, why: string): void;
}

/** The first byte of a TLS connection. */
const HANDSHAKE = 0x16;

/** No other session uses these connections. */
const KEPT = { keepAlive: true, maxSockets: 8 };

type Inside = Upstream & { sessionId: string };

export function createInterceptor({ trust, onRefused }: InterceptorDeps): Interceptor {
  const inside = new WeakMap<object, Inside>();

  /** Whether a request is for the host of its tunnel: a server that has several (a CDN) goes by what the request says. */
  const isForHost = (
    { headers, url = '', method }: IncomingMessage,
    { host, port, isPlain }: Upstream,
  ): boolean => {
    const named = URL.parse(`${isPlain ? 'http' : 'https'}://${headers.host}`);
    const isPath = url.startsWith('/') || (url === '*' && method === 'OPTIONS');
    return isPath && bare(named?.hostname) === host && Number(named?.port || (isPlain ? 80 : 443)) === port;
  };
  const misdirected = (incoming: IncomingMessage, { sessionId, host }: Inside): string => {
    const why = `A request through the tunnel to ${host} was for another host (${incoming.headers.host ?? 'none'}).`;
    onRefused(sessionId, why);
    return why;
  };

  const server = createServer({ requestTimeout: 0 }, (incoming, response) => {
    const upstream = inside.get(incoming.socket);
    if (!upstream) return refuse(response, 502, 'The tunnel is closed.');
    if (!isForHost(incoming, upstream)) return refuse(response, 421, misdirected(incoming, upstream));
    relay(incoming, response, incoming.url ?? '/', upstream);
  });
  server.on('upgrade', (incoming, client, head) => {
    const upstream = inside.get(client);
    if (!upstream) return client.destroy();
    if (!isForHost(incoming, upstream)) {
      return endWith(client, '421 Misdirected Request', misdirected(incoming, upstream));
    }
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') {
      return endWith(client, '501 Not Implemented', 'Only WebSockets are passed on.');
    }
    relayUpgrade(incoming, client, head, upstream);
  });

  /** Serves HTTP on a connection, and passes its requests on by connections of an agent that end with it. */
  const serve = (
    socket: Socket,
    { sessionId, host, port, lookup }: Tunnel,
    how: Pick<Inside, 'secrets' | 'isPlain' | 'agent'>,
  ): void => {
    socket.on('error', () => socket.destroy());
    socket.once('close', () => how.agent?.destroy());
    inside.set(socket, { ...how, sessionId, host, port, lookup });
    server.emit('connection', socket);
  };

  return {
    take(tunnel, head) {
      const { client, host, port, pass } = tunnel;
      const to = (isPlain: boolean) => secretsFor(tunnel.secrets, { host, port, isPlain });
      const [secret, plain] = [to(false), to(true)];
      if (secret.length === 0 && plain.length === 0) return false;
      const begin = async (first: number | undefined): Promise<void> => {
        if (first === HANDSHAKE && secret.length > 0) {
          const { authority, trusted } = await trust.open();
          const secureContext = await authority.contextFor(host);
          const agent = new TlsAgent({ ...KEPT, secureContext: trusted });
          const socket = new TLSSocket(client, { isServer: true, secureContext });
          serve(socket, tunnel, { secrets: secret, isPlain: false, agent });
        } else if (first !== HANDSHAKE && plain.length > 0) {
          serve(client, tunnel, { secrets: plain, isPlain: true, agent: new PlainAgent(KEPT) });
        } else pass();
      };
      // One that says nothing is not connected with anything yet.
      const gone = (): void => void client.destroy();
      client.once('end', gone);
      const look = (): void => {
        const chunk: Buffer | null = client.read();
        if (chunk === null) {
          client.once('readable', look);
          return;
        }
        client.off('end', gone);
        client.unshift(chunk);
        begin(chunk[0]).catch((error: unknown) => {
          onRefused(tunnel.sessionId, `The tunnel to ${host} could not be opened: ${messageOf(error)}`);
          client.destroy();
        });
      };
      client.write(ESTABLISHED);
      if (head.length > 0) client.unshift(head);
      look();
      return true;
    },
  };
}
