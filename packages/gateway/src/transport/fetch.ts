import { clientGone, type Transport, TransportError } from './transport.ts';

/** A transport on a fetch function: for tests, and for hosts that bring their own. */
export function fetchTransport(fetchFunction: typeof fetch): Transport {
  return async (request) => {
    const timeout = request.timeoutMs ? AbortSignal.timeout(request.timeoutMs) : undefined;
    let response: Response;
    try {
      response = await fetchFunction(request.url, {
        method: request.method,
        headers: request.headers,
        signal: timeout ? AbortSignal.any([request.signal, timeout]) : request.signal,
        ...(request.body === undefined ? {} : { body: request.body as BodyInit }),
      });
    } catch (error) {
      if (request.signal.aborted) throw clientGone();
      if (timeout?.aborted) throw new TransportError('timeout', 'no answer in time');
      throw new TransportError('connect', error instanceof Error ? error.message : String(error));
    }
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: response.body ? readStream(response.body) : (async function* () {})(),
    };
  };
}

async function* readStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk;
  } catch {
    throw new TransportError('broken', 'the connection was closed in mid-answer');
  }
}

/** A fetch function on a transport, for the provider packages. */
export function transportFetch(send: Transport, defaults: { timeoutMs: number; idleTimeoutMs: number }) {
  return async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined;
    const answer = await send({
      url: request.url,
      method: request.method,
      headers: Object.fromEntries(request.headers),
      signal: init?.signal ?? request.signal,
      ...defaults,
      ...(body ? { body } : {}),
    });
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value));
    return new Response(answer.status === 204 ? null : webStream(answer.body), {
      status: answer.status,
      headers,
    });
  };
}

function webStream(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await chunks.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}
