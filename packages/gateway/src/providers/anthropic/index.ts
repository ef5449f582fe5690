import { mayContainProvenance } from '../../messages/provenance.ts';
import { readAll, type UpstreamResponse } from '../../transport/transport.ts';
import type { Call, Provider, Reply } from '../../upstream/call.ts';
import { thinkingMissing, thoughtsRefused, type UpstreamFailure } from '../../upstream/error.ts';
import { settingsOf } from '../../upstream/target.ts';
import { lessonOf } from '../shared/refusals.ts';
import { post, sendAndLearn } from '../shared/send-and-learn.ts';
import { adaptBody, ownThoughts, thinkingMode } from './adapt-body.ts';

/** Headers of one connection, in either direction; `connection` may name more. */
const hopByHop = [
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Not forwarded to the upstream: headers about this connection, and the client's credentials. */
const dropped = new Set([
  ...hopByHop,
  'proxy-authorization',
  'host',
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

/** The lower-case names in the `connection` header; a repeated header is an array. */
function namedByConnection(headers: Record<string, string | string[]>): Set<string> {
  const names = String(headers.connection ?? '').split(',');
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

function upstreamHeaders(call: Call): Record<string, string> {
  const { firstParty } = settingsOf(call.target, 'anthropic');
  const headers: Record<string, string> = {};
  const named = namedByConnection(call.headers);
  for (const [name, value] of Object.entries(call.headers)) {
    if (dropped.has(name) || named.has(name) || name.startsWith('sec-') || name.startsWith('x-forwarded-'))
      continue;
    if (
      name.startsWith('x-claude-code-') ||
      name.startsWith('anthropic-') ||
      name.startsWith('x-anthropic-')
    ) {
      if (!firstParty && name !== 'anthropic-version') continue;
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
  return `${root}${path}${settingsOf(call.target, 'anthropic').firstParty ? call.query : ''}`;
}

/** The request's own bytes if possible, else an adapted copy. */
function upstreamBody(call: Call, refused: ReadonlySet<string>): Uint8Array | string {
  const { body, target } = call;
  const { firstParty } = settingsOf(target, 'anthropic');
  const isTouched = refused.has(ownThoughts) || refused.has(thinkingMode) || mayContainProvenance(body.text);
  if (firstParty && !isTouched) {
    return body.model === target.model ? body.bytes : body.withModel(target.model);
  }
  const adapted = adaptBody(body.json(), { model: target.model, firstParty, refused });
  for (const field of Object.keys(body.json())) if (!(field in adapted)) call.dropped.add(field);
  return JSON.stringify(adapted);
}

/** The lesson of a 400 for a conversation that began at another provider. */
function thinkingLesson({ status, message }: UpstreamFailure): string | undefined {
  if (status !== 400) return undefined;
  // With thinking on, assistant turns with tool calls must begin with this provider's own thinking blocks.
  if (thinkingMissing.test(message)) return thinkingMode;
  // The other provider speaks Anthropic's dialect too, with its own signatures.
  return thoughtsRefused.test(message) ? ownThoughts : undefined;
}

function postMessages(call: Call, path: string): Promise<UpstreamResponse> {
  return sendAndLearn(call, {
    build: (refused) => upstreamBody(call, refused),
    send: (body) => post(call, { url: url(call, path), headers: upstreamHeaders(call), body }),
    teach(upstream, _body, refused) {
      const thinking = thinkingLesson(upstream);
      if (thinking && !refused.has(thinking)) return { name: thinking, once: true };
      if (settingsOf(call.target, 'anthropic').firstParty) return undefined;
      const name = lessonOf(upstream, call.body.json(), optional, refused);
      return name ? { name } : undefined;
    },
  });
}

/** Not forwarded to the client. */
const withheld = new Set([...hopByHop, 'content-encoding', 'set-cookie']);

/** Anthropic and others that speak its dialect: bytes are passed through. */
export const anthropic: Provider = {
  async send(call: Call): Promise<Reply> {
    const response = await postMessages(call, '/messages');
    const headers: Record<string, string> = {};
    const named = namedByConnection(response.headers);
    for (const [name, value] of Object.entries(response.headers)) {
      if (!withheld.has(name) && !named.has(name)) headers[name] = value;
    }
    const stream = headers['content-type']?.includes('text/event-stream') ?? false;
    return { kind: 'bytes', status: response.status, headers, body: response.body, stream };
  },
  async countTokens(call: Call): Promise<number | undefined> {
    const response = await postMessages(call, '/messages/count_tokens');
    const answer: unknown = JSON.parse((await readAll(response.body)).toString());
    if (typeof answer !== 'object' || answer === null || !('input_tokens' in answer)) return undefined;
    return typeof answer.input_tokens === 'number' ? answer.input_tokens : undefined;
  },
};
