import { clientGone } from '../transport/transport.ts';
import type { Call, Provider } from '../upstream/call.ts';
import { readError, UpstreamError } from '../upstream/error.ts';
import type { Target } from '../upstream/target.ts';

/** Answers Messages requests in this process: the built-in demo model, or that of a test. */
export type LocalModel = (request: Request) => Promise<Response> | Response;

export const demoTarget: Target<'demo'> = {
  provider: 'demo',
  dialect: 'demo',
  model: 'demo',
  baseUrl: 'http://demo.invalid',
  headers: {},
  settings: {},
  facts: {},
  refuses: [],
  timeoutMs: 300_000,
  idleTimeoutMs: 120_000,
  maxConcurrency: Number.POSITIVE_INFINITY,
};

async function* read(
  stream: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    if (stream) yield* stream;
  } catch (error) {
    throw signal.aborted ? clientGone() : error;
  }
}

export function createDemoProvider(model: LocalModel): Provider {
  async function answer(request: Request): Promise<Response> {
    try {
      return await model(request);
    } catch (error) {
      throw request.signal.aborted ? clientGone() : error;
    }
  }

  async function ask(call: Call, path: string): Promise<Response> {
    const request = new Request(`http://demo.invalid${path}${call.query}`, {
      method: 'POST',
      headers: call.headers,
      body: call.body.bytes as BodyInit,
      signal: call.signal,
    });
    const response = await answer(request);
    if (response.status >= 400) {
      const headers = Object.fromEntries(response.headers);
      throw new UpstreamError(readError(response.status, headers, await response.text()));
    }
    return response;
  }
  return {
    async send(call) {
      const response = await ask(call, '/v1/messages');
      const headers = Object.fromEntries(response.headers);
      delete headers['content-length'];
      return {
        kind: 'bytes',
        status: response.status,
        headers,
        body: read(response.body, call.signal),
        stream: headers['content-type']?.includes('text/event-stream') ?? false,
      };
    },
    async countTokens(call) {
      const answer = (await (await ask(call, '/v1/messages/count_tokens')).json()) as {
        input_tokens?: number;
      };
      return answer.input_tokens;
    },
  };
}
