import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../config-error.ts';
import type { Transport, UpstreamRequest, UpstreamResponse } from './transport.ts';
import { TransportError } from './transport.ts';

// A cassette is a file of JSON lines, one exchange with an upstream each, with all credentials removed. A replay answers
// a request from the exchange whose normalized request is the same. Normalizing leaves out what differs from run to run:
// the system prompt (it names the day, the directory and the machine), ids, dates and the session.

const exchangeSchema = z.object({
  request: z.object({ method: z.string(), path: z.string(), body: z.string() }),
  response: z.object({
    status: z.number(),
    headers: z.record(z.string(), z.string()),
    /** The chunks of the answer, in base64. */
    chunks: z.array(z.string()),
    /** The connection broke after the last chunk. */
    broken: z.boolean().optional(),
  }),
});

export type Exchange = z.infer<typeof exchangeSchema>;

/** Top-level fields of a request. Deeper down the same names are data: a tool's input, a schema's property. */
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

/** The field that holds a request's messages in each dialect: `input` in Responses, `contents` in Gemini. */
const messageFields = new Set(['messages', 'input', 'contents']);

/**
 * Arguments, results and parameters of tools: compared in full. (`input` inside a message belongs to a tool; at the top
 * of a Responses request it is the list of messages.)
 */
const payloadFields = new Set([
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

/** Thinking blocks: Anthropic's and those of Responses by their type, Bedrock's by their field. */
const thinkingTypes = new Set<unknown>(['thinking', 'redacted_thinking', 'reasoning']);
const thinkingFields = new Set(['reasoningText', 'redactedReasoning', 'reasoningContent']);
/** Signatures and encrypted thinking, which differ in each run. */
const signatureFields = new Set(['signature', 'data', 'encrypted_content', 'redactedContent']);

const patterns: [RegExp, string][] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '<uuid>'],
  [/\b(toolu|call|msg|req|fc|rs)_[A-Za-z0-9_-]{8,}/g, '<id>'],
  [/\b\d{4}-\d{2}-\d{2}(T[\d:.]+Z?)?/g, '<date>'],
];

/** An image or a document in base64, bare or as a data URL. */
const blob = /^(data:[\w.+/-]+;base64,)?[A-Za-z0-9+/_-]+={0,2}$/;

function normalizeText(text: string): string {
  // As a hash, so that the message about a difference stays readable.
  if (text.length > 256 && blob.test(text))
    return `<sha256 ${createHash('sha256').update(text).digest('hex')}>`;
  return patterns.reduce((result, [pattern, name]) => result.replace(pattern, name), text);
}

/** A request's body without everything that differs from run to run. */
function normalizeRequest(body: unknown): unknown {
  return mapFields(body, (name, value) => {
    if (volatileFields.has(name) || name === 'cache_control') return undefined;
    const messages = messageFields.has(name) && Array.isArray(value);
    return normalize(messages ? value.filter((item) => !isSystemMessage(item)) : value);
  });
}

/** Normalizes messages, their content, and tools. */
function normalize(value: unknown, thinking = false): unknown {
  return mapFields(value, (name, item, of) => {
    if (name === 'cache_control') return undefined;
    if (payloadFields.has(name)) return normalizePayload(item);
    if ((thinking || thinkingTypes.has(of.type)) && signatureFields.has(name)) return undefined;
    return normalize(item, thinkingFields.has(name));
  });
}

function normalizePayload(value: unknown): unknown {
  return mapFields(value, (_name, item) => normalizePayload(item));
}

/** Normalizes texts and maps the fields of objects, sorted by name; a field that maps to undefined is left out. */
function mapFields(
  value: unknown,
  field: (name: string, value: unknown, of: Record<string, unknown>) => unknown,
): unknown {
  if (typeof value === 'string') return normalizeText(value);
  if (Array.isArray(value)) return value.map((item) => mapFields(item, field));
  if (typeof value !== 'object' || value === null) return value;
  const of = value as Record<string, unknown>;
  const names = Object.keys(of).sort();
  return Object.fromEntries(names.map((name) => [name, field(name, of[name], of)]));
}

function isSystemMessage(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'role' in item && item.role === 'system';
}

function normalizeBody(body: string): string {
  try {
    return JSON.stringify(normalizeRequest(JSON.parse(body)));
  } catch {
    return body;
  }
}

function keyOf(request: Exchange['request']): string {
  const text = `${request.method} ${request.path}\n${normalizeBody(request.body)}`;
  return createHash('sha256').update(text).digest('hex');
}

/** The path and query of a URL, without parameters that may hold a credential. */
function pathOf(url: string): string {
  const parsed = new URL(url, 'http://replay.invalid');
  for (const name of [...parsed.searchParams.keys()]) {
    if (/key|token|sig|secret|credential/i.test(name)) parsed.searchParams.delete(name);
  }
  return parsed.pathname + parsed.search;
}

const secretHeader = /authorization|api-key|token|secret|cookie/i;

/** The credentials of a request, to be removed wherever they appear. */
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

/** Sends requests on and appends each exchange to the cassette when its answer ends. */
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
    return { ...response, body: recordBody(response, exchange, file, secrets) };
  };
}

async function* recordBody(
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
      // Latin-1 preserves every byte.
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

/**
 * Answers from a cassette. A request that was recorded several times gets the recorded answers in order, then the last
 * one again.
 */
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
    if (!entry) return noMatch(asked, exchanges);
    const exchange = entry.answers[Math.min(entry.next, entry.answers.length - 1)];
    entry.next += 1;
    if (!exchange) return noMatch(asked, exchanges);
    return {
      status: exchange.response.status,
      headers: exchange.response.headers,
      body: replayBody(exchange),
    };
  };
}

async function* replayBody(exchange: Exchange): AsyncGenerator<Uint8Array> {
  for (const chunk of exchange.response.chunks) yield Buffer.from(chunk, 'base64');
  if (exchange.response.broken)
    throw new TransportError('broken', 'the recorded connection was closed in mid-answer');
}

/** A 400 that names the request that was not recorded, and where the closest recorded one differs. */
function noMatch(asked: Exchange['request'], exchanges: readonly Exchange[]): UpstreamResponse {
  const body = normalizeBody(asked.body);
  let closest = '';
  let common = -1;
  for (const exchange of exchanges) {
    if (exchange.request.path !== asked.path) continue;
    const other = normalizeBody(exchange.request.body);
    let same = 0;
    while (same < body.length && same < other.length && body[same] === other[same]) same += 1;
    if (same > common) {
      common = same;
      closest = other;
    }
  }
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, common - 30), common + 60));
  const difference =
    common < 0
      ? `The cassette has ${exchanges.length} exchanges, none of them with this path.`
      : `The closest one differs here: asked ${around(body)}, recorded ${around(closest)}.`;
  const message = `The cassette has no answer to this request: ${asked.method} ${asked.path}. ${difference} Record the cassette again.`;
  return {
    status: 400,
    headers: { 'content-type': 'application/json' },
    body: (async function* () {
      yield Buffer.from(JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } }));
    })(),
  };
}
