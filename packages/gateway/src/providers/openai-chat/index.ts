import type { Sequencer } from '../../messages/sequencer.ts';
import { readAll } from '../../transport/transport.ts';
import type { Call, Provider, Reply } from '../../upstream/call.ts';
import { describeError, UpstreamError, type UpstreamFailure } from '../../upstream/error.ts';
import { settingsOf } from '../../upstream/target.ts';
import { factsAfter } from '../shared/media-lessons.ts';
import { memoizeByObject } from '../shared/memoize.ts';
import { createPoster } from '../shared/post-json.ts';
import { openReply, parseUpstreamJson, readEventStream } from '../shared/stream.ts';
import { convertRequest, convertTool } from './convert-request.ts';
import { type ChatReader, createChatReader, errorIn } from './convert-stream.ts';
import { teachChat } from './lessons.ts';
import { thinkingFields } from './thinking.ts';
import type { ChatChunk } from './types.ts';

/** Optional fields: if an upstream refuses one, the request is sent without it. */
const optional = [
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  ...thinkingFields,
  'parallel_tool_calls',
  'temperature',
  'top_p',
  'top_k',
  'prompt_cache_key',
  'tool_choice',
];

function endpoint(call: Call): string {
  const url = `${call.target.baseUrl}/chat/completions`;
  const { apiVersion } = settingsOf(call.target, 'openai-chat');
  return apiVersion ? `${url}?api-version=${encodeURIComponent(apiVersion)}` : url;
}

/** Chat Completions: OpenAI, Azure, and a hundred providers with the same API. */
export function createOpenaiChat(): Provider {
  const post = createPoster(optional, teachChat);
  const toTool = memoizeByObject(convertTool);

  async function send(call: Call): Promise<Reply> {
    const request = call.body.request();
    const stops = request.stop_sequences ?? [];
    // Chat Completions does not report which stop sequence was met, so the gateway watches for them itself, in a
    // stream, and stops the upstream at the right place.
    const stream = call.body.stream || stops.length > 0;
    const { sequencer, failer, forReader } = openReply(call, stops);
    const { openai, thinking, shortIds } = settingsOf(call.target, 'openai-chat');
    // OpenAI itself does not put thoughts into the text.
    const reader = createChatReader({ ...forReader, thinkTags: !openai });
    const response = await post(call, endpoint(call), (refused) =>
      convertRequest(request, {
        provider: call.target.provider,
        model: call.target.model,
        facts: factsAfter(call.target.facts, refused),
        openai,
        thinking,
        shortIds,
        stream,
        sessionId: call.sessionId,
        refused,
        toTool,
      }),
    );
    const type = response.headers['content-type'] ?? '';
    const isStream = type.includes('event-stream') || (stream && !type.includes('json'));
    if (!isStream) {
      return { kind: 'events', batches: readWhole(call, response.body, sequencer, reader) };
    }
    let complete = false;
    const batches = readEventStream(call, response.body, sequencer, failer, {
      onMessage(message) {
        if (message.data.trim() === '[DONE]') {
          complete = true;
          reader.end(true);
        } else if (message.data !== '' && !complete) pushJson(reader, message.data, call, failer.fail);
      },
      onEnd: () => reader.end(complete),
    });
    return { kind: 'events', batches };
  }

  return { send };
}

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
  sequencer: Sequencer,
  reader: ChatReader,
) {
  const answer = parseUpstreamJson((await readAll(body)).toString(), call.target.provider);
  const chunk = answer as ChatChunk;
  if (!chunk || typeof chunk !== 'object' || !chunk.choices?.length) {
    const error = typeof chunk === 'object' && chunk ? errorIn(chunk) : undefined;
    if (error !== undefined) throw new UpstreamError(describeError(error));
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
