import type { StreamEvent } from '../../messages/types.ts';
import { readAll } from '../../transport/transport.ts';
import type { Call, Provider, Reply } from '../../upstream/call.ts';
import { UpstreamError } from '../../upstream/error.ts';
import { factsAfter, mediaLesson } from '../shared/media-lessons.ts';
import { memoizeByObject } from '../shared/memoize.ts';
import { createPoster } from '../shared/post-json.ts';
import { openReply, parseUpstreamJson, readEventStream } from '../shared/stream.ts';
import { convertRequest, convertTool } from './convert-request.ts';
import { createResponsesReader } from './convert-stream.ts';
import type { ResponseObject, ResponsesEvent } from './types.ts';

/** Optional fields that an upstream may refuse; of `reasoning` also single parts. */
const optional = [
  'reasoning',
  'reasoning.effort',
  'reasoning.summary',
  'include',
  'max_output_tokens',
  'parallel_tool_calls',
  'prompt_cache_key',
  'temperature',
  'top_p',
  'store',
];

/** OpenAI's Responses API, for its reasoning models and for other servers that have it. */
export function createOpenaiResponses(): Provider {
  const post = createPoster(optional, (upstream, body) => mediaLesson(upstream, JSON.stringify(body.input)));
  const toTool = memoizeByObject(convertTool);

  async function send(call: Call): Promise<Reply> {
    const request = call.body.request();
    const { target } = call;
    const stops = request.stop_sequences ?? [];
    // Responses has no stop sequences: the gateway watches the stream for them and stops the upstream itself.
    const stream = call.body.stream || stops.length > 0;
    const { sequencer, failer, forReader } = openReply(call, stops);
    const reader = createResponsesReader(forReader);
    const response = await post(call, `${target.baseUrl}/responses`, (refused) =>
      convertRequest(request, {
        provider: target.provider,
        model: target.model,
        facts: factsAfter(target.facts, refused),
        refused,
        stream,
        sessionId: call.sessionId,
        toTool,
      }),
    );
    const type = response.headers['content-type'] ?? '';
    if (!type.includes('event-stream') && (!stream || type.includes('json'))) {
      const text = (await readAll(response.body)).toString();
      return { kind: 'events', batches: readWhole(text) };
    }
    const batches = readEventStream(call, response.body, sequencer, failer, {
      onMessage(message) {
        if (message.data === '' || message.data.trim() === '[DONE]') return;
        const event = parseUpstreamJson(message.data, target.provider);
        if (typeof event === 'object' && event !== null) reader.push(event as ResponsesEvent);
      },
      onEnd: reader.end,
    });
    return { kind: 'events', batches };

    async function* readWhole(text: string): AsyncGenerator<StreamEvent[]> {
      const answer = parseUpstreamJson(text, target.provider) as ResponseObject | null;
      if (!answer || typeof answer !== 'object' || (!Array.isArray(answer.output) && !answer.error)) {
        throw new UpstreamError({ status: 502, message: 'the answer has no output', headers: {} });
      }
      reader.whole(answer);
      yield sequencer.take();
    }
  }

  return { send };
}
