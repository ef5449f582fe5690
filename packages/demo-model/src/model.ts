import { errorBody, errorType } from 'claude-agent-protocol/anthropic-errors';
import { z } from 'zod';
import { createAttempts, cutOf } from './attempts.ts';
import { type Conversation, type MessagesRequest, readConversation } from './conversation.ts';
import { createGates, type Gates } from './gates.ts';
import { ConnectionCut, playFrames, waitFor } from './player.ts';
import { nextStep, type Scenario } from './responder.ts';
import type { Step } from './script.ts';
import {
  type Answer,
  buildAnswer,
  encodeMessage,
  type Frame,
  newId,
  quickPace,
  slowPace,
  streamFrames,
  waitsOf,
} from './stream.ts';
import { estimateTokens } from './tokens.ts';

export interface DemoOptions {
  /** Scripts for matching prompts, tried before inline scripts and the built-in commands. */
  scenarios?: readonly Scenario[];
  /** Pause before each streamed word, unless a step says otherwise; a long answer pauses less often. Default 0. */
  wordDelayMs?: number;
  /** The names that `GET /v1/models` lists; every name is answered. Default `demo`. */
  models?: readonly string[];
  /** Told of each call that arrives, before it is answered. */
  onRequest?: (call: { method: string; path: string; headers: Headers; body: unknown }) => void;
}

export interface DemoCall {
  method: string;
  /** Path and query, such as `/v1/messages?beta=true`. */
  url: string;
  headers: Headers;
  body: string;
  /** Fires when the client goes away. */
  signal: AbortSignal;
}

export interface DemoReply {
  status: number;
  headers: Record<string, string>;
  /** A stream throws in the middle where the script cuts the connection. */
  body: string | AsyncIterable<string>;
}

export interface DemoModel {
  /** Serves the Anthropic endpoints, web-standard. */
  fetch(request: Request): Promise<Response>;
  /** The same without Request and Response objects, for servers of their own. */
  handle(call: DemoCall): Promise<DemoReply>;
  /** Holds and releases answers whose step says `hold`. */
  gates: Gates;
}

const messageSchema = z.looseObject({
  role: z.enum(['user', 'assistant', 'system']),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
});
const countSchema = z.looseObject({
  model: z.string().min(1),
  messages: z.array(messageSchema).min(1),
  tools: z.array(z.looseObject({ name: z.string() })).optional(),
  stream: z.boolean().optional(),
});
const createSchema = countSchema.extend({ max_tokens: z.int().min(1).optional() });

/** The built-in offline model: a scripted Anthropic Messages API. See the README beside this file. */
export function createDemoModel(options: DemoOptions = {}): DemoModel {
  const { scenarios = [], wordDelayMs = 0, models = ['demo'], onRequest } = options;
  const gates = createGates();
  const attempts = createAttempts();

  async function handle(call: DemoCall): Promise<DemoReply> {
    const url = new URL(call.url, 'http://demo.invalid');
    const route = `${call.method} ${url.pathname}`;
    if (route === 'POST /v1/messages') return answerMessages(call, url.pathname);
    if (route === 'POST /v1/messages/count_tokens') {
      const read = readBody(call, url.pathname, countSchema);
      return 'reply' in read ? read.reply : jsonReply(200, { input_tokens: tokensOf(read.request) });
    }
    onRequest?.({ method: call.method, path: url.pathname, headers: call.headers, body: undefined });
    // Claude Code probes `/api/hello`, other clients `/`.
    if (call.method === 'HEAD') return { status: 200, headers: {}, body: '' };
    if (route === 'GET /v1/models') return listModels(models, url.searchParams);
    const one = models.find((id) => route === `GET /v1/models/${encodeURIComponent(id)}`);
    if (one) return jsonReply(200, modelEntry(one));
    return errorReply(404, `The demo model does not serve ${route}.`);
  }

  function readBody(
    call: DemoCall,
    path: string,
    schema: z.ZodType,
  ): { request: MessagesRequest } | { reply: DemoReply } {
    let body: unknown;
    try {
      body = JSON.parse(call.body);
    } catch (error) {
      return { reply: errorReply(400, `The request body is not valid JSON: ${(error as Error).message}`) };
    }
    onRequest?.({ method: call.method, path, headers: call.headers, body });
    const checked = schema.safeParse(body);
    // The schema only checks: what it accepts has the shape of a MessagesRequest.
    if (checked.success) return { request: body as MessagesRequest };
    const issue = checked.error.issues[0];
    return { reply: errorReply(400, `${issue?.path.map(String).join('.') || 'body'}: ${issue?.message}`) };
  }

  async function answerMessages(call: DemoCall, path: string): Promise<DemoReply> {
    const read = readBody(call, path, createSchema);
    if ('reply' in read) return read.reply;
    const { request } = read;
    const conversation = readConversation(request);
    const step = nextStep(conversation, request, scenarios);
    const before = waitsBefore(step);
    const key = () => attemptKey(call, request, conversation);

    if (step.error && attempts.shouldFail(key(), step.error.times)) {
      await waitFor(before, gates, call.signal);
      const { status, type, message, retry_after } = step.error;
      const headers: Record<string, string> =
        retry_after === undefined ? {} : { 'retry-after': String(retry_after) };
      return errorReply(status, message ?? `The script answers with status ${status} here.`, type, headers);
    }

    const answer = buildAnswer(step, request.model, tokensOf(request));
    const pace =
      step.word_delay_ms === undefined ? quickPace(answer, wordDelayMs) : slowPace(step.word_delay_ms);
    const cut = cutOf(step);
    const cutNow = cut && attempts.shouldFail(key(), cut.times) ? cut : undefined;
    if (!request.stream)
      return jsonAnswer(answer, waitsOf(answer, before, pace), cutNow !== undefined, call.signal);

    let frames: Iterable<Frame> = streamFrames(answer, before, pace);
    if (cutNow) frames = cutFrames([...frames], cutNow.after);
    const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
    return { status: 200, headers: withId(headers), body: playFrames(frames, gates, call.signal) };
  }

  async function jsonAnswer(
    answer: Answer,
    waits: Frame[],
    cut: boolean,
    signal: AbortSignal,
  ): Promise<DemoReply> {
    await waitFor(waits, gates, signal);
    const text = encodeMessage(answer);
    return { status: 200, headers: withId(JSON_HEADERS), body: cut ? halfOf(text) : text };
  }

  return {
    gates: { release: gates.release, reached: gates.reached },
    handle,
    async fetch(request) {
      const gone = new AbortController();
      const url = new URL(request.url);
      const reply = await handle({
        method: request.method,
        url: url.pathname + url.search,
        headers: request.headers,
        body: request.body ? await request.text() : '',
        signal: AbortSignal.any([request.signal, gone.signal]),
      });
      const body = typeof reply.body === 'string' ? reply.body : toStream(reply.body, gone);
      return new Response(request.method === 'HEAD' ? null : body, {
        status: reply.status,
        headers: reply.headers,
      });
    },
  };
}

function waitsBefore(step: Step): Frame[] {
  const frames: Frame[] = [];
  if (step.hold) frames.push({ kind: 'gate', name: step.hold });
  if (step.delay_ms) frames.push({ kind: 'pause', ms: step.delay_ms });
  return frames;
}

/** Names this step of this conversation. A retry has the same key, also when Claude Code changed its options. */
function attemptKey(call: DemoCall, request: MessagesRequest, { prompts, step }: Conversation): string {
  const metadata = request as { metadata?: { user_id?: unknown } };
  const who = call.headers.get('x-claude-code-session-id') ?? String(metadata.metadata?.user_id ?? '');
  const agent = call.headers.get('x-claude-code-agent-id') ?? '';
  return [who, agent, prompts.length, step, prompts.at(-1)].join(' ');
}

function cutFrames(frames: Frame[], after: number | undefined): Frame[] {
  const events = frames.filter((frame) => frame.kind === 'event').length;
  let left = after ?? Math.floor(events / 2);
  const kept: Frame[] = [];
  for (const frame of frames) {
    if (frame.kind === 'event' && left-- <= 0) break;
    kept.push(frame);
  }
  return [...kept, { kind: 'cut' }];
}

async function* halfOf(text: string): AsyncGenerator<string, void> {
  yield text.slice(0, text.length / 2);
  throw new ConnectionCut();
}

function tokensOf(request: MessagesRequest): number {
  return estimateTokens(request.system, request.tools, request.messages);
}

function listModels(models: readonly string[], query: URLSearchParams): DemoReply {
  const limit = Number(query.get('limit') ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) {
    return errorReply(400, 'limit: must be a whole number from 1 to 1000.');
  }
  const rest = models.slice(models.indexOf(query.get('after_id') ?? '') + 1);
  const page = rest.slice(0, limit);
  return jsonReply(200, {
    data: page.map(modelEntry),
    has_more: page.length < rest.length,
    first_id: page[0] ?? null,
    last_id: page.at(-1) ?? null,
  });
}

function modelEntry(id: string) {
  return { type: 'model', id, display_name: `${id} (scripted, offline)`, created_at: '2026-01-01T00:00:00Z' };
}

const JSON_HEADERS = { 'content-type': 'application/json' };

function jsonReply(status: number, body: unknown): DemoReply {
  return { status, headers: withId(JSON_HEADERS), body: JSON.stringify(body) };
}

function errorReply(
  status: number,
  message: string,
  type?: string,
  more: Record<string, string> = {},
): DemoReply {
  const headers = withId({ ...JSON_HEADERS, ...more });
  return {
    status,
    headers,
    body: errorBody({ type: type ?? errorType(status), message }, headers['request-id']),
  };
}

function withId(headers: Record<string, string>): Record<string, string> & { 'request-id': string } {
  return { ...headers, 'request-id': newId('req') };
}

/** Sends without being asked for more, as a server does: a gate is reached whether or not anyone reads yet. */
function toStream(chunks: AsyncIterable<string>, gone: AbortController): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async start(controller) {
      try {
        for await (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
        controller.close();
      } catch (error) {
        controller.error(error);
      }
    },
    cancel(reason) {
      gone.abort(reason);
    },
  });
}
