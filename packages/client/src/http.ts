import { RequestTimeout, ServerUnreachable, toApiError } from './errors.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface TransportOptions {
  /** The server's address, for example `http://127.0.0.1:8000`. */
  baseUrl: string;
  /** Sent as `Authorization: Bearer`; needed when the server has keys. */
  apiKey?: string | undefined;
  /** Replaces the global `fetch`. */
  fetch?: Fetch | undefined;
  /** How long an ordinary request may take; streams and turns have no such limit. Default: 60 seconds. */
  timeoutMs?: number | undefined;
}

export interface HttpRequest {
  method: string;
  /** With `{name}` placeholders. */
  path: string;
  params?: Record<string, string> | undefined;
  query?: Record<string, unknown> | undefined;
  headers?: Record<string, string | undefined> | undefined;
  body?: unknown;
  /** A body that is sent as it comes, in place of JSON. */
  stream?: ReadableStream<Uint8Array> | Blob | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds until the response must have begun; `undefined` waits as long as it takes. */
  timeoutMs?: number | undefined;
}

/** Sends one request. Resolves with a response that is not an error; everything else is a typed error. */
export type Transport = (request: HttpRequest) => Promise<Response>;

export function createTransport(options: TransportOptions): Transport {
  const baseUrl = options.baseUrl.replace(/\/+$/, '');
  return async (request) => {
    // Looked up at every call: tests and tracing replace the global after a client was made.
    const send: Fetch = options.fetch ?? globalThis.fetch;
    const timeout = request.timeoutMs === undefined ? undefined : AbortSignal.timeout(request.timeoutMs);
    const signals = [request.signal, timeout].filter((signal) => signal !== undefined);
    const init: RequestInit = { method: request.method, headers: headersOf(request, options.apiKey) };
    if (request.body !== undefined) init.body = JSON.stringify(request.body);
    // A stream is sent while the answer may already come.
    if (request.stream instanceof Blob) init.body = request.stream;
    else if (request.stream) Object.assign(init, { body: request.stream, duplex: 'half' });
    if (signals.length > 0) init.signal = AbortSignal.any(signals);
    let response: Response;
    try {
      response = await send(baseUrl + pathOf(request), init);
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      if (timeout?.aborted) {
        throw new RequestTimeout(`${request.method} ${request.path}`, request.timeoutMs ?? 0);
      }
      throw new ServerUnreachable(baseUrl, error);
    }
    if (!response.ok) throw await toApiError(response);
    return response;
  };
}

function headersOf(request: HttpRequest, apiKey: string | undefined): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (request.body !== undefined) headers['content-type'] = 'application/json';
  if (apiKey !== undefined) headers.authorization = `Bearer ${apiKey}`;
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

function pathOf(request: HttpRequest): string {
  const path = request.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = request.params?.[name];
    if (value === undefined || value === '') throw new TypeError(`${request.path}: ${name} is missing`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined && value !== null) query.set(name, String(value));
  }
  return query.size === 0 ? path : `${path}?${query}`;
}
