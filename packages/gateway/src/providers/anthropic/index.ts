import { readAll } from '../../http/transport.ts';
import { mayHoldOrigin } from '../../messages/origin.ts';
import type { Call, Provider, Reply } from '../provider.ts';
import { readError, UpstreamError } from '../shared/upstream-error.ts';
import { adaptBody } from './adapt-body.ts';

/** Never handed on: about this connection, or about who the client is to us. */
const dropped = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'expect',
  'x-api-key',
  'authorization',
  'cookie',
  'accept-encoding',
  'origin',
  'referer',
]);

/** Optional fields that an imitation may refuse; the request is then sent without them. */
const optional = ['context_management', 'thinking', 'output_config', 'metadata', 'service_tier', 'top_k'];

function upstreamHeaders(call: Call): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(call.headers)) {
    if (dropped.has(name) || name.startsWith('sec-') || name.startsWith('x-forwarded-')) continue;
    if (
      name.startsWith('x-claude-code-') ||
      name.startsWith('anthropic-') ||
      name.startsWith('x-anthropic-')
    ) {
      if (!call.target.firstParty && name !== 'anthropic-version') continue;
    }
    headers[name] = value;
  }
  headers['accept-encoding'] = 'identity';
  headers['content-type'] = 'application/json';
  headers['anthropic-version'] ??= '2023-06-01';
  return Object.assign(headers, call.target.headers);
}

function url(call: Call, path: string): string {
  const { baseUrl } = call.target;
  const root = baseUrl.endsWith('/v1') ? baseUrl : `${baseUrl}/v1`;
  return `${root}${path}${call.target.firstParty ? call.query : ''}`;
}

/** The request's bytes, touched only where they have to be. */
function upstreamBody(
  call: Call,
  refused: ReadonlySet<string> | undefined,
  withoutThinking: boolean,
): Uint8Array | string {
  const { body, target } = call;
  if (target.firstParty && !withoutThinking && !mayHoldOrigin(body.text)) {
    return body.model === target.model ? body.bytes : body.withModel(target.model);
  }
  return JSON.stringify(
    adaptBody(body.json(), {
      model: target.model,
      firstParty: target.firstParty,
      refused,
      withoutThinking,
    }),
  );
}

async function post(call: Call, path: string) {
  const key = `${call.target.provider}/${call.target.model}`;
  let withoutThinking = false;
  for (;;) {
    const refused = call.learned.get(key);
    const response = await call.send({
      url: url(call, path),
      method: 'POST',
      headers: upstreamHeaders(call),
      body: upstreamBody(call, refused, withoutThinking),
      signal: call.signal,
      timeoutMs: call.target.timeoutMs,
      idleTimeoutMs: call.target.idleTimeoutMs,
    });
    if (response.status < 400) return response;
    const text = (await readAll(response.body)).toString();
    const upstream = readError(response.status, response.headers, text);
    // The conversation began at another provider that speaks Anthropic's dialect, whose signatures are its own.
    if (response.status === 400 && !withoutThinking && /signature/i.test(upstream.message)) {
      withoutThinking = true;
      continue;
    }
    const field =
      !call.target.firstParty && (response.status === 400 || response.status === 422)
        ? optional.find(
            (name) => name in call.body.json() && new RegExp(`\\b${name}\\b`).test(upstream.message),
          )
        : undefined;
    if (!field || refused?.has(field)) throw new UpstreamError(upstream);
    call.learned.set(key, new Set([...(refused ?? []), field]));
  }
}

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'content-encoding',
]);

/** Anthropic, and everyone who speaks its dialect: bytes through. */
export const anthropic: Provider = {
  async send(call: Call): Promise<Reply> {
    const response = await post(call, '/messages');
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(response.headers)) {
      if (!hopByHop.has(name) && name !== 'set-cookie') headers[name] = value;
    }
    const stream = headers['content-type']?.includes('text/event-stream') ?? false;
    return { kind: 'bytes', status: response.status, headers, body: response.body, stream };
  },
  async countTokens(call: Call): Promise<number | undefined> {
    const response = await post(call, '/messages/count_tokens');
    const answer: unknown = JSON.parse((await readAll(response.body)).toString());
    if (typeof answer !== 'object' || answer === null || !('input_tokens' in answer)) return undefined;
    return typeof answer.input_tokens === 'number' ? answer.input_tokens : undefined;
  },
};
