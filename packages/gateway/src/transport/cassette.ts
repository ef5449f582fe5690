import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../config-error.ts';
import type { Transport, UpstreamRequest, UpstreamResponse } from './transport.ts';
import { TransportError } from './transport.ts';

// A cassette is a file of JSON lines, one exchange with an upstream each, with all credentials taken out. Replaying
// answers a request from the exchange that asked the same thing. «The same» leaves out what changes from run to run:
// the system prompt (it names the day, the directory and the machine), ids, dates and the session.

const exchangeSchema = z.object({
  request: z.object({ method: z.string(), path: z.string(), body: z.string() }),
  response: z.object({
    status: z.number(),
    headers: z.record(z.string(), z.string()),
    /** The pieces in which the answer came, in base64. */
    chunks: z.array(z.string()),
    /** The connection broke after the last piece. */
    broken: z.boolean().optional(),
  }),
});

export type Exchange = z.infer<typeof exchangeSchema>;

/** Fields of a request itself; deeper down, these are names like any other (a tool's input, a schema's property). */
const volatileFields = new Set([
  'metadata',
  'prompt_cache_key',
  'system',
  'instructions',
  'systemInstruction',
  'user',
  'safety_identifier',
  'context_management',
]);

/** Where a request has its messages, in each dialect: Responses says `input`, Gemini `contents`. */
const messageFields = new Set(['messages', 'input', 'contents']);

/**
 * What a tool was called with, what it gave back and what it takes: compared whole. (`input` is a tool's in a message;
 * that of a Responses request is its list of messages.)
 */
const payloads = new Set([
  'input',
  'args',
  'arguments',
  'response',
  'json',
  'input_schema',
  'inputSchema',
  'parameters',
  'parametersJsonSchema',
  'schema',
]);

/** Blocks of thinking: Anthropic's, those of Responses, and Bedrock's, which are named by their field. */
const thinkingTypes = new Set<unknown>(['thinking', 'redacted_thinking', 'reasoning']);
const thinkingFields = new Set(['reasoningText', 'redactedReasoning', 'reasoningContent']);
/** They belong to the run in which they were given. */
const seals = new Set(['signature', 'data', 'encrypted_content', 'redactedContent']);

const patterns: [RegExp, string][] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '<uuid>'],
  [/\b(toolu|call|msg|req|fc|rs)_[A-Za-z0-9_-]{8,}/g, '<id>'],
  [/\b\d{4}-\d{2}-\d{2}(T[\d:.]+Z?)?/g, '<date>'],
];

/** An image or a document in base64, alone or as a data URL. */
const blob = /^(data:[\w.+/-]+;base64,)?[A-Za-z0-9+/_-]+={0,2}$/;

function steadyText(text: string): string {
  // By its hash: what differs stays readable in the message about it.
  if (text.length > 256 && blob.test(text))
    return `<sha256 ${createHash('sha256').update(text).digest('hex')}>`;
  return patterns.reduce((steadied, [pattern, name]) => steadied.replace(pattern, name), text);
}

/** A request's body without what changes from run to run. */
function steadyRequest(body: unknown): unknown {
  return mapFields(body, (name, value) => {
    if (volatileFields.has(name) || name === 'cache_control') return undefined;
    const messages = messageFields.has(name) && Array.isArray(value);
    return steady(messages ? value.filter((item) => !isSystemMessage(item)) : value);
  });
}

/** What lies in a request: messages, their content, tools. */
function steady(value: unknown, thinking = false): unknown {
  return mapFields(value, (name, item, of) => {
    if (name === 'cache_control') return undefined;
    if (payloads.has(name)) return whole(item);
    if ((thinking || thinkingTypes.has(of.type)) && seals.has(name)) return undefined;
    return steady(item, thinkingFields.has(name));
  });
}

function whole(value: unknown): unknown {
  return mapFields(value, (_name, item) => whole(item));
}

/** Text steadied, lists gone through, and of an object each field, sorted; those that become undefined are left out. */
function mapFields(
  value: unknown,
  field: (name: string, value: unknown, of: Record<string, unknown>) => unknown,
): unknown {
  if (typeof value === 'string') return steadyText(value);
  if (Array.isArray(value)) return value.map((item) => mapFields(item, field));
  if (typeof value !== 'object' || value === null) return value;
  const of = value as Record<string, unknown>;
  const names = Object.keys(of).sort();
  return Object.fromEntries(names.map((name) => [name, field(name, of[name], of)]));
}

function isSystemMessage(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'role' in item && item.role === 'system';
}

function steadyBody(body: string): string {
  try {
    return JSON.stringify(steadyRequest(JSON.parse(body)));
  } catch {
    return body;
  }
}

function keyOf(request: Exchange['request']): string {
  const text = `${request.method} ${request.path}\n${steadyBody(request.body)}`;
  return createHash('sha256').update(text).digest('hex');
}

/** The path of a URL, with queries that may hold a credential left out. */
function pathOf(url: string): string {
  const parsed = new URL(url, 'http://replay.invalid');
  for (const name of [...parsed.searchParams.keys()]) {
    if (/key|token|sig|secret|credential/i.test(name)) parsed.searchParams.delete(name);
  }
  return parsed.pathname + parsed.search;
}

const secretHeader = /authorization|api-key|token|secret|cookie/i;

/** Every credential of a request, wherever else it may turn up. */
function secretsOf(request: UpstreamRequest): string[] {
  return Object.entries(request.headers)
    .filter(([name]) => secretHeader.test(name))
    .map(([, value]) => value.replace(/^Bearer\s+/i, ''))
    .filter((value) => value.length >= 6);
}

function without(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '<removed>'), text);
}

const keptHeaders = ['content-type', 'retry-after', 'retry-after-ms'];

/** Passes everything on and writes each exchange to the cassette once its answer is over. */
export function recordTransport(send: Transport, file: string): Transport {
  closeSync(openSync(file, 'a', 0o600));
  return async (request) => {
    const secrets = secretsOf(request);
    const body = request.body === undefined ? '' : Buffer.from(request.body as Uint8Array).toString();
    const response = await send(request);
    const headers = Object.fromEntries(
      keptHeaders.flatMap((name) => (response.headers[name] ? [[name, response.headers[name]]] : [])),
    );
    const exchange: Exchange = {
      request: { method: request.method, path: pathOf(request.url), body: without(body, secrets) },
      response: { status: response.status, headers, chunks: [] },
    };
    return { ...response, body: taped(response, exchange, file, secrets) };
  };
}

async function* taped(
  response: UpstreamResponse,
  exchange: Exchange,
  file: string,
  secrets: readonly string[],
): AsyncGenerator<Uint8Array> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response.body) {
      chunks.push(Buffer.from(chunk));
      yield chunk;
    }
  } catch (error) {
    exchange.response.broken = true;
    throw error;
  } finally {
    exchange.response.chunks = chunks.map((chunk) => {
      // Latin-1 keeps every byte as it is.
      const text = without(chunk.toString('latin1'), secrets);
      return Buffer.from(text, 'latin1').toString('base64');
    });
    appendFileSync(file, `${JSON.stringify(exchange)}\n`);
  }
}

export function readCassette(file: string): Exchange[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError(`cannot read the cassette ${file}: record one with \`record --cassette ${file}\``);
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, at) => {
      try {
        return exchangeSchema.parse(JSON.parse(line));
      } catch {
        throw new ConfigError(`${file}: line ${at + 1} is not an exchange of a cassette`);
      }
    });
}

/** Answers from a cassette. A question that was asked several times gets its answers in turn, the last one again. */
export function replayTransport(exchanges: readonly Exchange[]): Transport {
  const byKey = new Map<string, { answers: Exchange[]; next: number }>();
  for (const exchange of exchanges) {
    const key = keyOf(exchange.request);
    const entry = byKey.get(key) ?? { answers: [], next: 0 };
    entry.answers.push(exchange);
    byKey.set(key, entry);
  }
  return async (request) => {
    const body = request.body === undefined ? '' : Buffer.from(request.body as Uint8Array).toString();
    const asked = { method: request.method, path: pathOf(request.url), body };
    const entry = byKey.get(keyOf(asked));
    if (!entry) return unknown(asked, exchanges);
    const exchange = entry.answers[Math.min(entry.next, entry.answers.length - 1)];
    entry.next += 1;
    if (!exchange) return unknown(asked, exchanges);
    return { status: exchange.response.status, headers: exchange.response.headers, body: played(exchange) };
  };
}

async function* played(exchange: Exchange): AsyncGenerator<Uint8Array> {
  for (const chunk of exchange.response.chunks) yield Buffer.from(chunk, 'base64');
  if (exchange.response.broken)
    throw new TransportError('broken', 'the recorded connection was closed in mid-answer');
}

/** A 400 that says which request the cassette does not have, and where the nearest one differs. */
function unknown(asked: Exchange['request'], exchanges: readonly Exchange[]): UpstreamResponse {
  const body = steadyBody(asked.body);
  let nearest = '';
  let common = -1;
  for (const exchange of exchanges) {
    if (exchange.request.path !== asked.path) continue;
    const other = steadyBody(exchange.request.body);
    let same = 0;
    while (same < body.length && same < other.length && body[same] === other[same]) same += 1;
    if (same > common) {
      common = same;
      nearest = other;
    }
  }
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, common - 30), common + 60));
  const difference =
    common < 0
      ? `The cassette has ${exchanges.length} exchanges, none of them with this path.`
      : `The nearest one differs here: asked ${around(body)}, recorded ${around(nearest)}.`;
  const message = `The cassette does not know this request: ${asked.method} ${asked.path}. ${difference} Record it again.`;
  return {
    status: 400,
    headers: { 'content-type': 'application/json' },
    body: (async function* () {
      yield Buffer.from(JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } }));
    })(),
  };
}
