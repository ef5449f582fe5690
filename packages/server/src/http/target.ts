import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AppError, problem } from '../errors.ts';
import { problemResponse } from './problems.ts';

export interface HttpTimes {
  /** So long may the head of a request take; then its connection is closed with a 408. */
  headersTimeoutMs?: number;
  /** How often that is looked at. */
  checkEveryMs?: number;
}

/** Longer than the idle timeout of common proxies (60 s), so that they never reuse a connection we just closed. */
const KEEP_ALIVE_MS = 65_000;

/**
 * A node:http server that passes on only requests with a path as target and a valid host. Connections that send their
 * head a byte at a time are closed after 15 s: each costs 10 KB and a descriptor, and Node's own minute lets four times
 * as many pile up.
 */
export function createHttpServer(
  listener: RequestListener,
  { headersTimeoutMs = 15_000, checkEveryMs = 5_000 }: HttpTimes = {},
): Server {
  return createServer(
    {
      // We answer a missing Host ourselves, with a sentence.
      requireHostHeader: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: checkEveryMs,
    },
    (request, response) => {
      const wrong = straighten(request);
      if (wrong) void refuse(wrong, request, response);
      else listener(request, response);
    },
  );
}

async function refuse(
  error: AppError,
  { url = '' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = problemResponse(error, url);
  const text = await answer.text();
  // The rest of this connection, such as a body, is not worth reading.
  response.writeHead(answer.status, {
    ...Object.fromEntries(answer.headers),
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}

/** Normalizes a request's target and host (RFC 9112, 3.2). Returns what is invalid about them. */
function straighten(request: IncomingMessage): AppError | undefined {
  const { url = '', headers } = request;
  if (!url.startsWith('/')) {
    // The absolute form, as sent to proxies: its host counts, not the header's.
    const target = /^https?:/i.test(url) && !url.includes('\\') ? URL.parse(url) : null;
    if (!target || target.username || target.password) {
      return problem('bad_target', { backslash: false });
    }
    request.url = target.pathname + target.search;
    setHost(request, target.host);
  } else if (url.includes('\\')) {
    return problem('bad_target', { backslash: true });
  } else if (headers.host === undefined && request.httpVersion === '1.0') {
    // HTTP/1.0 has no Host; the address that it reached stands in.
    const { localAddress = '', localPort } = request.socket;
    setHost(request, `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`);
  }
  return isHost(request.headers.host ?? '') ? undefined : problem('bad_host');
}

function setHost(request: IncomingMessage, host: string): void {
  request.headers.host = host;
  const { rawHeaders } = request;
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  if (at === -1) rawHeaders.push('Host', host);
  else rawHeaders[at + 1] = host;
}

/** A name or address with an optional port, and nothing else. */
function isHost(host: string): boolean {
  const url = /[\s/?#\\@]/.test(host) ? null : URL.parse(`http://${host}/`);
  return url !== null && url.hostname !== '';
}
