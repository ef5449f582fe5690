import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import type { StreamEvent } from '../../messages/types.ts';
import type { Call, Provider, Reply } from '../../upstream/call.ts';
import {
  thinkingMissing,
  thoughtsRefused,
  UpstreamError,
  type UpstreamFailure,
} from '../../upstream/error.ts';
import type { AiSdkDialect } from '../../upstream/target.ts';
import { factsAfter, mediaLesson } from '../shared/media-lessons.ts';
import { type Lesson, sendAndLearn } from '../shared/send-and-learn.ts';
import { openReply } from '../shared/stream.ts';
import { convertRequest } from './convert-request.ts';
import { createPartReader, type PartReader } from './convert-stream.ts';
import { describeSdkError } from './errors.ts';
import { loadFactory, type ModelFactory } from './models.ts';
import { isClaude } from './thinking.ts';
import { packNotes } from './wire.ts';

/** Claude refuses foreign thinking blocks in the history, or misses its own. */
function isAboutThoughts({ status, message }: UpstreamFailure): boolean {
  return status === 400 && (thoughtsRefused.test(message) || thinkingMissing.test(message));
}

const withoutThinking = 'without-thinking';

/** Llama and Pixtral at Bedrock refuse text beside tool results. */
const order = /tool result blocks cannot be provided in the same turn|roles must alternate/i;

function teach(upstream: UpstreamFailure, prompt: string): Lesson | undefined {
  const name =
    mediaLesson(upstream, prompt) ??
    (upstream.status === 400 && order.test(upstream.message) ? 'user-after-tool' : undefined);
  return name ? { name } : undefined;
}

type Parts = ReadableStream<LanguageModelV4StreamPart>;

/** Starts a stream of the provider's package; refusals become UpstreamErrors. */
function open(call: Call, dialect: AiSdkDialect, createModel: ModelFactory): Promise<Parts> {
  const { target } = call;
  const request = call.body.request();
  return sendAndLearn(call, {
    build: (refused) =>
      convertRequest(request, {
        provider: target.provider,
        dialect,
        model: target.model,
        facts: factsAfter(target.facts, refused),
        withoutThinking: refused.has(withoutThinking),
        refused,
      }),
    async send({ notes, ...options }) {
      try {
        const model = createModel(call);
        const headers = { ...call.addedHeaders, ...packNotes(notes) };
        return (await model.doStream({ ...options, headers, abortSignal: call.signal })).stream;
      } catch (error) {
        throw new UpstreamError(describeSdkError(error, target.provider));
      }
    },
    teach(upstream, { prompt }, refused) {
      if (isClaude(target) && isAboutThoughts(upstream) && !refused.has(withoutThinking)) {
        return { name: withoutThinking, once: true };
      }
      return teach(upstream, JSON.stringify(prompt));
    },
  });
}

async function* read(
  call: Call,
  parts: Parts,
  reader: PartReader,
  { sequencer, failer }: Pick<ReturnType<typeof openReply>, 'sequencer' | 'failer'>,
): AsyncGenerator<StreamEvent[]> {
  try {
    for await (const part of parts) {
      reader.push(part);
      const events = sequencer.take();
      if (events.length > 0) {
        failer.sent();
        yield events;
      }
      if (sequencer.finished()) return;
    }
    reader.end();
  } catch (error) {
    if (call.signal.aborted) return;
    if (error instanceof UpstreamError) throw error;
    failer.fail(describeSdkError(error, call.target.provider));
  }
  const events = sequencer.take();
  if (events.length > 0) yield events;
}

/** A provider that uses the AI SDK's package for its protocol, loaded on first use. */
export async function createAiSdkProvider(dialect: AiSdkDialect): Promise<Provider> {
  const createModel = await loadFactory(dialect);
  return {
    async send(call: Call): Promise<Reply> {
      const stopSequences = call.body.request().stop_sequences ?? [];
      const { sequencer, failer, forReader } = openReply(call);
      const reader = createPartReader({ ...forReader, stopSequences });
      const parts = await open(call, dialect, createModel);
      return { kind: 'events', batches: read(call, parts, reader, { sequencer, failer }) };
    },
  };
}
