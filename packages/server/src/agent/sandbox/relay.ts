import { type Agent, type IncomingMessage, request as plainRequest, type ServerResponse } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { conceal, fillHeader, fillPath, type SessionSecret } from '../secrets/placeholders.ts';

/** Where requests are passed on to, and what is put into them. */
export interface Upstream {
  host: string;
  port: number;
  lookup: LookupFunction;
  /** Without TLS. */
  isPlain: boolean;
  secrets: readonly SessionSecret[];
  /** Makes its connections; with TLS, it says what certificates are checked with. */
  agent?: Agent;
}

/** The answer to CONNECT. */
export const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';

/** A host without the brackets of an address, and without the dot of the root. */
export const bare = (hostname = ''): string => hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');

/** Headers that are between the agent and the proxy, and those that are made here. */
const HOP = /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|http2-settings)$/i;
const MADE_HERE = /^(host|expect)$/i;
/** Methods that servers expect a length of, even when there is no body. */
const WITH_BODY = /^(POST|PUT|PATCH)$/;

const pairs = (raw: readonly string[]): [string, string][] =>
  raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? '']] : []));

/** The headers of a request as they go on, with the values of secrets. */
function headersOf(incoming: IncomingMessage, { host, port, isPlain, secrets }: Upstream): string[] {
  const { headers, method = '' } = incoming;
  const dropped = new Set((headers.connection ?? '').toLowerCase().split(/ *, */));
  const kept = pairs(incoming.rawHeaders).filter(
    ([name]) => !HOP.test(name) && !MADE_HERE.test(name) && !dropped.has(name.toLowerCase()),
  );
  const isUsual = port === (isPlain ? 80 : 443);
  const name = isIP(host) === 6 ? `[${host}]` : host;
  // The framing is said explicitly: a body that followed without it would be the next request to the server.
  const isChunked = headers['transfer-encoding'] !== undefined;
  const isEmpty = !isChunked && headers['content-length'] === undefined;
  return [
    ...['Host', isUsual ? name : `${name}:${port}`],
    ...kept.flatMap(([header, value]) => [header, fillHeader(value, secrets)]),
    ...(isChunked ? ['Transfer-Encoding', 'chunked'] : []),
    ...(isEmpty && WITH_BODY.test(method) ? ['Content-Length', '0'] : []),
  ];
}

function open(incoming: IncomingMessage, path: string, upstream: Upstream, more: readonly string[] = []) {
  const { host, port, lookup, isPlain, agent, secrets } = upstream;
  const options = {
    host,
    port,
    lookup,
    method: incoming.method ?? 'GET',
    path: fillPath(path, secrets),
    headers: [...headersOf(incoming, upstream), ...more],
    ...(agent && { agent }),
  };
  if (isPlain) return plainRequest(options);
  // The name that the certificate must have is never taken from a header.
  const servername = isIP(host) ? '' : host;
  return tlsRequest({ ...options, servername, rejectUnauthorized: true });
}

/** Headers of an answer as they go back. */
const backOf = (answered: IncomingMessage, { secrets }: Upstream): [string, string][] =>
  pairs(answered.rawHeaders).map(([name, value]) => [name, conceal(value, secrets)]);

/** Passes a request on, and its answer back; bodies as they come. @param path with the query */
export function relay(
  incoming: IncomingMessage,
  response: ServerResponse,
  path: string,
  upstream: Upstream,
  isSecond = false,
): void {
  const { headers } = incoming;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    refuse(response, 501, `The transfer coding ${coding} is not passed on.`);
    return;
  }
  const outgoing = open(incoming, path, upstream);
  outgoing.on('response', (answered) => {
    const back = backOf(answered, upstream).filter(([name]) => !HOP.test(name));
    response.writeHead(answered.statusCode ?? 502, answered.statusMessage, back.flat());
    pipeline(answered, response, () => undefined);
  });
  const hasBody = coding !== undefined || (headers['content-length'] ?? '0') !== '0';
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    // The server closed a connection that was kept just as it was used again.
    const isStale = outgoing.reusedSocket && error.code === 'ECONNRESET' && !hasBody && !isSecond;
    if (isStale && !response.headersSent) relay(incoming, response, path, upstream, true);
    else refuse(response, 502, `${upstream.host} cannot be reached: ${error.message}`);
  });
  response.on('close', () => outgoing.destroy());
  if (hasBody) incoming.pipe(outgoing);
  else outgoing.end();
}

/** Passes a request for a WebSocket on, and joins the two ends; what they send is not looked at. */
export function relayUpgrade(
  incoming: IncomingMessage,
  client: Duplex,
  head: Buffer,
  upstream: Upstream,
): void {
  client.on('error', () => client.destroy());
  const outgoing = open(incoming, incoming.url ?? '/', upstream, [
    'Connection',
    'Upgrade',
    'Upgrade',
    'websocket',
  ]);
  const answer = (
    { statusCode = 502, statusMessage = '' }: IncomingMessage,
    back: [string, string][],
  ): void => {
    const lines = back.map(([name, value]) => `${name}: ${value}\r\n`);
    client.write(`HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('')}\r\n`, 'latin1');
  };
  outgoing.on('upgrade', (answered, server: Duplex, first: Buffer) => {
    answer(answered, backOf(answered, upstream));
    client.write(first);
    server.write(head);
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    server.pipe(client).pipe(server);
  });
  outgoing.on('response', (answered) => {
    const back = backOf(answered, upstream).filter(([name]) => !HOP.test(name));
    answer(answered, [...back, ['Connection', 'close']]);
    pipeline(answered, client, () => undefined);
  });
  outgoing.on('error', (error) =>
    endWith(client, '502 Bad Gateway', `${upstream.host} cannot be reached: ${error.message}`),
  );
  client.on('close', () => outgoing.destroy());
  outgoing.end();
}

/** Answers instead of the server. */
export function refuse(response: ServerResponse, status: number, words: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${words}\n`);
}

/** The same on a connection that has no response. */
export function endWith(client: Duplex, status: string, words: string): void {
  if (!client.destroyed)
    client.end(`HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${words}\n`);
}
