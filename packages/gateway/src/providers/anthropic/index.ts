import { mayHoldOrigin } from '../../messages/origin.ts';
import { readAll } from '../../transport/transport.ts';
import type { Call, Provider, Reply } from '../../upstream/call.ts';
import { readError, thinkingMissing, thoughtsRefused, UpstreamError } from '../../upstream/error.ts';
import { settingsOf } from '../../upstream/target.ts';
import { lessonOf } from '../shared/refusals.ts';
import { adaptBody, type ThinkingPart } from './adapt-body.ts';

/** About one connection, in either direction; its `connection` header may name more. */
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

/** Never handed on to the upstream: about this connection, or about who the client is to us. */
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

/** The headers that a `connection` header names, in small letters: a header that came twice is a list. */
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

/** The request's bytes, touched only where they have to be. */
function upstreamBody(
  call: Call,
  refused: ReadonlySet<string> | undefined,
  without: ReadonlySet<ThinkingPart>,
): Uint8Array | string {
  const { body, target } = call;
  const { firstParty } = settingsOf(target, 'anthropic');
  if (firstParty && without.size === 0 && !mayHoldOrigin(body.text)) {
    return body.model === target.model ? body.bytes : body.withModel(target.model);
  }
  const adapted = adaptBody(body.json(), {
    model: target.model,
    firstParty,
    refused,
    without,
  });
  for (const field of Object.keys(body.json())) if (!(field in adapted)) call.dropped.add(field);
  return JSON.stringify(adapted);
}

/** What a 400 is about, when the conversation began at another provider. */
function refusedPart(message: string): ThinkingPart | undefined {
  // While thinking is on, an assistant's turn with tool calls has to begin with thoughts, and those are not its own.
  if (thinkingMissing.test(message)) return 'mode';
  // That provider speaks Anthropic's dialect too, and its signatures are its own.
  return thoughtsRefused.test(message) ? 'history' : undefined;
}

async function post(call: Call, path: string) {
  const key = `${call.target.provider}/${call.target.model}`;
  const without = new Set<ThinkingPart>();
  for (;;) {
    const refused = call.learned.refused(key);
    const response = await call.send({
      url: url(call, path),
      method: 'POST',
      headers: upstreamHeaders(call),
      body: upstreamBody(call, refused, without),
      signal: call.signal,
      timeoutMs: call.target.timeoutMs,
      idleTimeoutMs: call.target.idleTimeoutMs,
    });
    if (response.status < 400) return response;
    const text = (await readAll(response.body)).toString();
    const upstream = readError(response.status, response.headers, text);
    const part = response.status === 400 ? refusedPart(upstream.message) : undefined;
    if (part && !without.has(part)) {
      without.add(part);
      continue;
    }
    const lesson = settingsOf(call.target, 'anthropic').firstParty
      ? undefined
      : lessonOf(upstream, call.body.json(), optional, refused);
    if (!lesson || refused.has(lesson)) throw new UpstreamError(upstream);
    call.learned.learn(key, lesson);
  }
}

/** Never handed on to the client. */
const withheld = new Set([...hopByHop, 'content-encoding', 'set-cookie']);

/** Anthropic, and everyone who speaks its dialect: bytes through. */
export const anthropic: Provider = {
  async send(call: Call): Promise<Reply> {
    const response = await post(call, '/messages');
    const headers: Record<string, string> = {};
    const named = namedByConnection(response.headers);
    for (const [name, value] of Object.entries(response.headers)) {
      if (!withheld.has(name) && !named.has(name)) headers[name] = value;
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
