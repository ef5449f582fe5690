/**
 * Plays recorded answers of providers through the gateway, as other projects have recorded them for their own tests:
 * VCR cassettes (YAML), SSE bodies, lists of chunks, whole JSON answers. Each is played whole and cut at odd bytes, for
 * a client that streams and for one that does not, and through the official SDK.
 *
 *     node --conditions=claude-agent-source scripts/play-recordings.ts FOLDER...
 *
 * Prints what came of them; the exit code is 1 when a stream was malformed. Recordings themselves stay out of the
 * repository: their licences are their projects'.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { createConfig, createGateway, type Transport } from 'claude-agent-gateway';
import { parseAllDocuments } from 'yaml';
import { bedrockFrame } from '../packages/gateway/src/testing/dialects.ts';
import { readStream } from '../packages/gateway/src/testing/read-stream.ts';

const dialects = [
  'openai-chat',
  'openai-responses',
  'google',
  'amazon-bedrock',
  'cohere',
  'anthropic',
] as const;
type Dialect = (typeof dialects)[number];

interface Recording {
  name: string;
  dialect: Dialect;
  contentType: string;
  body: Buffer;
}

const SSE = 'text/event-stream';
const JSON_TYPE = 'application/json';
const AWS_STREAM = 'application/vnd.amazon.eventstream';

/** The dialect of an address, when it is one that answers messages. */
function dialectOf(url: string): Dialect | undefined {
  if (/\/responses(\?|$)/.test(url)) return 'openai-responses';
  if (/\/chat\/completions/.test(url)) return 'openai-chat';
  if (/:(streamGenerateContent|generateContent)/.test(url)) return 'google';
  if (/\/converse-stream/.test(url)) return 'amazon-bedrock';
  if (/\/v1\/messages(\?|$)/.test(url)) return 'anthropic';
  return /cohere.*\/v2\/chat/.test(url) ? 'cohere' : undefined;
}

interface Interaction {
  request?: { uri?: string };
  response?: {
    status?: { code?: number } | number;
    headers?: Record<string, string[] | string>;
    body?: { string?: string | Uint8Array; base64_string?: string; encoding?: string } | string;
    parsed_body?: unknown;
  };
}

/** Ruby's own tag for bytes. */
const binary = { tag: '!binary', resolve: (text: string) => Buffer.from(text, 'base64') };

function fromCassette(name: string, text: string): Recording[] {
  const found: Recording[] = [];
  for (const document of parseAllDocuments(text, { logLevel: 'silent', customTags: [binary] })) {
    const root = document.toJS() as {
      http_interactions?: Interaction[];
      interactions?: Interaction[];
    } | null;
    for (const [at, { request, response }] of (
      root?.http_interactions ??
      root?.interactions ??
      []
    ).entries()) {
      const dialect = dialectOf(request?.uri ?? '');
      const status = typeof response?.status === 'object' ? response.status.code : response?.status;
      if (!dialect || !response || status !== 200) continue;
      const header = Object.entries(response.headers ?? {}).find(
        ([key]) => key.toLowerCase() === 'content-type',
      );
      const contentType = String([header?.[1]].flat()[0] ?? JSON_TYPE);
      const body = bodyOf(response);
      if (body) found.push({ name: `${name}#${at}`, dialect, contentType, body });
    }
  }
  return found;
}

function bodyOf({ body, parsed_body: parsed }: NonNullable<Interaction['response']>): Buffer | undefined {
  if (parsed !== undefined) return Buffer.from(JSON.stringify(parsed));
  if (typeof body === 'string') return Buffer.from(body);
  if (body?.base64_string) return Buffer.from(body.base64_string, 'base64');
  return body?.string === undefined ? undefined : Buffer.from(body.string as string);
}

/** The dialect that a fixture's folder says. */
function dialectOfPath(path: string): Dialect | undefined {
  if (
    /openai[^/]*\/(src\/)?responses|azure\/|open-responses|xai\/src\/responses|Fixtures\/openai\//.test(path)
  )
    return 'openai-responses';
  if (/amazon-bedrock\//.test(path)) return 'amazon-bedrock';
  if (/google\/src\/__|gemini\//i.test(path)) return 'google';
  if (/cohere\//.test(path)) return 'cohere';
  if (/anthropic\//i.test(path)) return 'anthropic';
  if (
    /(openai|groq|deepseek|mistral|xai|perplexity|moonshotai|alibaba|cerebras|openrouter|openai-compatible|z)\//i.test(
      path,
    )
  )
    return 'openai-chat';
  return undefined;
}

function fromFixture(name: string, bytes: Buffer): Recording[] {
  const dialect = dialectOfPath(name);
  if (!dialect) return [];
  const text = bytes.toString();
  if (/\.chunks\.txt$/.test(name)) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    if (dialect === 'amazon-bedrock') {
      const frames = lines.map((line) => {
        const [type = '', payload] = Object.entries(JSON.parse(line) as Record<string, unknown>)[0] ?? [];
        return bedrockFrame(type, payload);
      });
      return [{ name, dialect, contentType: AWS_STREAM, body: Buffer.concat(frames) }];
    }
    const done = dialect === 'openai-chat' ? 'data: [DONE]\n\n' : '';
    // Anthropic's own events have their type on a line before them, which the official SDK goes by.
    const typeOf = (line: string) => (JSON.parse(line) as { type?: string }).type;
    const head = (line: string) => (dialect === 'anthropic' ? `event: ${typeOf(line)}\n` : '');
    const body = Buffer.from(lines.map((line) => `${head(line)}data: ${line}\n\n`).join('') + done);
    return [{ name, dialect, contentType: SSE, body }];
  }
  if (/^(event|data|:)/.test(text)) return [{ name, dialect, contentType: SSE, body: bytes }];
  if (!name.endsWith('.json')) return [];
  return [{ name, dialect, contentType: JSON_TYPE, body: bytes }];
}

/** Gemini's, Bedrock's and Cohere's packages are asked for streams only. */
function playable({ dialect, contentType, body, ...rest }: Recording): Recording | undefined {
  const isJson = contentType.includes('json');
  if (isJson && !looksLikeAnswer(dialect, body)) return undefined;
  if (!isJson || !['google', 'amazon-bedrock', 'cohere'].includes(dialect)) {
    return { ...rest, dialect, contentType, body };
  }
  if (dialect !== 'google') return undefined;
  // A whole answer of Gemini's is a stream of one chunk (or the list of them).
  const chunks = [JSON.parse(body.toString()) as unknown].flat();
  const text = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('');
  return { ...rest, dialect, contentType: SSE, body: Buffer.from(text) };
}

/** Cassettes also hold files, batches, embeddings and errors under the same addresses. */
function looksLikeAnswer(dialect: Dialect, body: Buffer): boolean {
  let json: unknown;
  try {
    json = JSON.parse(body.toString());
  } catch {
    return false;
  }
  const [first] = [json].flat() as (Record<string, unknown> | null)[];
  if (!first) return false;
  const field = {
    'openai-chat': 'choices',
    'openai-responses': 'output',
    google: 'candidates',
    anthropic: 'content',
  };
  return dialect in field && Array.isArray(first[field[dialect as keyof typeof field]]);
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

function read(folder: string): Recording[] {
  return filesIn(folder).flatMap((path) => {
    const name = relative(folder, path);
    try {
      const found = /\.ya?ml$/.test(name)
        ? fromCassette(name, readFileSync(path, 'utf8'))
        : fromFixture(name, readFileSync(path));
      return found.flatMap((recording) => playable(recording) ?? []);
    } catch (error) {
      console.error(`cannot read ${name}: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
      return [];
    }
  });
}

let upstream: Transport;
const gateway = createGateway({
  config: createConfig({
    providers: Object.fromEntries(
      dialects.map((api) => [
        `play-${api}`,
        { api, base_url: 'http://play.test', api_key: 'k', models: { m: { reasoning: true } } },
      ]),
    ),
    retries: 0,
    cool_down_seconds: 0.001,
  }),
  transport: (request) => upstream(request),
});

function* cut(body: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

type Outcome = 'complete' | 'error' | 'malformed';

const request = (dialect: Dialect, stream: boolean) => ({
  model: `play-${dialect}/m`,
  max_tokens: 4_000,
  stream,
  thinking: { type: 'adaptive' as const },
  messages: [{ role: 'user' as const, content: 'Go' }],
});

async function playOnce(
  { dialect, contentType, body }: Recording,
  size: number,
  stream: boolean,
): Promise<[Outcome, string]> {
  upstream = async () => ({
    status: 200,
    headers: { 'content-type': contentType },
    body: (async function* () {
      yield* cut(body, size);
    })(),
  });
  const sent = { method: 'POST', body: JSON.stringify(request(dialect, stream)) };
  const response = await gateway.fetch(new Request('http://gateway.test/v1/messages', sent));
  const text = await response.text();
  if (response.status !== 200) return ['error', text];
  if (!stream) return Array.isArray(JSON.parse(text).content) ? ['complete', ''] : ['malformed', text];
  const { problems, events } = readStream(text);
  // Anthropic's own bytes are the recording's.
  const ours = dialect === 'anthropic' ? [] : problems;
  if (ours.length > 0) return ['malformed', ours.join('; ')];
  return events.at(-1) === 'error' ? ['error', text.slice(-300)] : ['complete', ''];
}

const sdk = new Anthropic({
  apiKey: 'k',
  baseURL: 'http://gateway.test',
  maxRetries: 0,
  fetch: async (input, init) => gateway.fetch(new Request(input as string, init as RequestInit)),
});

async function playThroughSdk({ dialect }: Recording): Promise<[Outcome, string]> {
  try {
    await sdk.messages.stream(request(dialect, true) as never).finalMessage();
    return ['complete', ''];
  } catch (error) {
    // Anthropic's own bytes are passed on: what the SDK refuses of them, it refuses of the recording.
    const told = error instanceof Anthropic.APIError || dialect === 'anthropic';
    return [told ? 'error' : 'malformed', error instanceof Error ? error.message : String(error)];
  }
}

const counts = new Map<string, Record<Outcome, number>>();
let recordings = 0;
let complete = 0;
let malformed = 0;

function summarise(): void {
  console.log(
    `recordings: ${recordings}, complete in every run: ${complete}, malformed in any: ${malformed}`,
  );
  console.table(Object.fromEntries(counts));
}
// 3,000 recordings take minutes: what has been played by then counts.
process.on('SIGTERM', () => {
  summarise();
  process.exit(malformed > 0 ? 1 : 0);
});

for (const folder of process.argv.slice(2)) {
  for (const recording of read(folder)) {
    recordings += 1;
    const runs: [string, Outcome, string][] = [];
    for (const [how, size, stream] of [
      ['whole', 1 << 30, true],
      ['cut', 251, true],
      ['json', 1 << 30, false],
    ] as const) {
      runs.push([how, ...(await playOnce(recording, size, stream))]);
    }
    runs.push(['sdk', ...(await playThroughSdk(recording))]);
    const count = counts.get(recording.dialect) ?? { complete: 0, error: 0, malformed: 0 };
    counts.set(recording.dialect, count);
    for (const [how, outcome, words] of runs) {
      count[outcome] += 1;
      if (outcome !== 'complete')
        console.error(`${outcome} (${how}) ${recording.name}: ${words.slice(0, 300)}`);
    }
    if (runs.every(([, outcome]) => outcome === 'complete')) complete += 1;
    if (runs.some(([, outcome]) => outcome === 'malformed')) malformed += 1;
  }
}
gateway.close();
summarise();
if (malformed > 0) process.exitCode = 1;
