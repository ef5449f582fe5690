import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Authority } from '../../src/agent/secrets/authority.ts';

/** An HTTPS server on loopback. */
export interface HttpsSite {
  /** `127.0.0.1:PORT`. */
  address: string;
  /** What it was asked. */
  requests: Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders'>[];
  /** Connections that began TLS, whether or not a request came. */
  connections(): number;
  close(): void;
}

/**
 * @param authority signs its certificate
 * @param host whose certificate it shows
 */
export async function startHttpsSite(
  authority: Authority,
  answer: RequestListener,
  host = '127.0.0.1',
): Promise<HttpsSite> {
  const requests: HttpsSite['requests'] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const http = createServer((request, response) => {
    const { method, url, headers, rawHeaders } = request;
    requests.push({ method, url, headers, rawHeaders });
    answer(request, response);
  });
  http.on('upgrade', (request, socket) => {
    const { method, url, headers, rawHeaders } = request;
    requests.push({ method, url, headers, rawHeaders });
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  const secureContext = await authority.contextFor(host);
  const tcp = createTcpServer((raw) => {
    connections++;
    sockets.add(raw);
    raw.on('error', () => undefined);
    const socket = new TLSSocket(raw, { isServer: true, secureContext });
    socket.on('error', () => undefined);
    http.emit('connection', socket);
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(tcp.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
    close() {
      tcp.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
