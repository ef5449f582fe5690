import { readAll } from '../../http/transport.ts';
import { createSequencer } from '../../messages/sequencer.ts';
import type { Call, Provider, Reply } from '../provider.ts';
import { createFailer, parseUpstreamJson, readEventStream } from '../shared/stream.ts';
import { createNameTable } from '../shared/tool-names.ts';
import { readError, UpstreamError, type UpstreamFailure } from '../shared/upstream-error.ts';
import { convertRequest } from './convert-request.ts';
import { type ChatReader, createChatReader } from './convert-stream.ts';
import type { ChatChunk } from './types.ts';

/** Fields that make the answer better but that it can do without; an upstream that refuses one is asked without it. */
const optional = [
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'reasoning_effort',
  'parallel_tool_calls',
  'temperature',
  'top_p',
  'top_k',
  'prompt_cache_key',
  'tool_choice',
];

/** The optional field that an upstream's 400 is about. */
function refusedField(upstream: UpstreamFailure, body: Record<string, unknown>): string | undefined {
  if (upstream.status !== 400 && upstream.status !== 422) return undefined;
  const words =
    /unsupported|not support|unrecognized|unknown|extra|unexpected|not permitted|not allowed|invalid/i;
  if (!words.test(upstream.message)) return undefined;
  // The longest name first: `max_completion_tokens` is often named as the remedy for `max_tokens`.
  const quoted = /['"`]([a-z_]+)['"`]/.exec(upstream.message)?.[1];
  if (quoted && quoted in body && optional.includes(quoted)) return quoted;
  return optional.find((name) => name in body && new RegExp(`\\b${name}\\b`).test(upstream.message));
}

function endpoint(call: Call): string {
  const { baseUrl, settings } = call.target;
  const url = `${baseUrl}/chat/completions`;
  return settings.apiVersion ? `${url}?api-version=${encodeURIComponent(settings.apiVersion)}` : url;
}

async function post(call: Call, stream: boolean) {
  const { target } = call;
  const key = `${target.provider}/${target.model}`;
  for (;;) {
    const learned = call.learned.get(key);
    const body = convertRequest(call.request(), {
      provider: target.provider,
      model: target.model,
      facts: target.facts,
      openai: target.settings.flavor === 'openai',
      stream,
      sessionId: call.sessionId,
      refused: new Set([...target.refuses, ...(learned ?? [])]),
    });
    const response = await call.send({
      url: endpoint(call),
      method: 'POST',
      headers: {
        ...target.headers,
        'content-type': 'application/json',
        accept: stream ? 'text/event-stream' : 'application/json',
        'accept-encoding': 'identity',
      },
      body: JSON.stringify(body),
      signal: call.signal,
      timeoutMs: target.timeoutMs,
      idleTimeoutMs: target.idleTimeoutMs,
    });
    if (response.status < 400) return response;
    const text = (await readAll(response.body)).toString();
    const upstream = readError(response.status, response.headers, text);
    const refused = refusedField(upstream, body);
    if (!refused || learned?.has(refused)) throw new UpstreamError(upstream);
    call.learned.set(key, new Set([...(learned ?? []), refused]));
  }
}

/** Chat Completions: OpenAI, Azure, and the hundred providers that imitate it. */
export const openaiChat: Provider = {
  async send(call: Call): Promise<Reply> {
    const request = call.request();
    const stops = request.stop_sequences ?? [];
    // Chat Completions does not say which stop sequence was met, so the gateway watches for them itself; then it has
    // to read along, so that it can stop the upstream at the right place.
    const stream = call.stream || stops.length > 0;
    const sequencer = createSequencer({
      id: `msg_${call.requestId}`,
      model: request.model,
      inputTokens: call.inputTokens(),
      stopSequences: stops,
    });
    const failer = createFailer(call, sequencer);
    const reader = createChatReader({
      provider: call.target.provider,
      sequencer,
      toolName: createNameTable((request.tools ?? []).map((tool) => tool.name)),
      fail: failer.fail,
    });
    const response = await post(call, stream);
    const isStream = stream && !response.headers['content-type']?.includes('json');
    if (!isStream) {
      return { kind: 'events', batches: readWhole(call, response.body, sequencer, reader) };
    }
    let complete = false;
    const batches = readEventStream(call, response.body, sequencer, failer, {
      onMessage(message) {
        if (message.data === '[DONE]') {
          complete = true;
          reader.end(true);
        } else if (message.data !== '' && !complete) pushJson(reader, message.data, call, failer.fail);
      },
      onEnd: () => reader.end(complete),
    });
    return { kind: 'events', batches };
  },
};

function pushJson(
  reader: ChatReader,
  text: string,
  call: Call,
  fail: (upstream: UpstreamFailure) => void,
): void {
  let chunk: unknown;
  try {
    chunk = JSON.parse(text);
  } catch {
    fail({ status: 502, message: `${call.target.provider} sent a chunk that is not JSON`, headers: {} });
    return;
  }
  if (typeof chunk === 'object' && chunk !== null) reader.push(chunk as ChatChunk);
}

async function* readWhole(
  call: Call,
  body: AsyncIterable<Uint8Array>,
  sequencer: ReturnType<typeof createSequencer>,
  reader: ChatReader,
) {
  const answer = parseUpstreamJson((await readAll(body)).toString(), call.target.provider);
  const chunk = answer as ChatChunk;
  if (!chunk || typeof chunk !== 'object' || (!chunk.choices?.length && !chunk.error)) {
    throw new UpstreamError({
      status: 502,
      message: `${call.target.provider} answered without any choice`,
      headers: {},
    });
  }
  reader.push(chunk);
  reader.end(true);
  yield sequencer.take();
}
