import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import type { StreamEvent } from '../../messages/types.ts';
import type { Call, Dialect, Provider, Reply } from '../provider.ts';
import { openReply } from '../shared/stream.ts';
import {
  thinkingMissing,
  thoughtsRefused,
  UpstreamError,
  type UpstreamFailure,
} from '../shared/upstream-error.ts';
import { convertRequest } from './convert-request.ts';
import { createPartReader, type PartReader } from './convert-stream.ts';
import { describeSdkError } from './errors.ts';
import { loadFactory } from './models.ts';
import { isClaude } from './thinking.ts';

/** The thoughts in the history are not this Claude's own, or those that it wants are missing. */
function isAboutThoughts({ status, message }: UpstreamFailure): boolean {
  return status === 400 && (thoughtsRefused.test(message) || thinkingMissing.test(message));
}

/** The providers whose protocol is left to the AI SDK's package for it, loaded on first use. */
export async function createAiSdkProvider(dialect: Dialect): Promise<Provider> {
  const createModel = await loadFactory(dialect);
  return {
    async send(call: Call): Promise<Reply> {
      const request = call.body.request();
      const { target } = call;
      const stopSequences = request.stop_sequences ?? [];
      const { sequencer, failer, forReader } = openReply(call);
      const reader = createPartReader({ ...forReader, stopSequences });
      const stream = await open(false);
      return { kind: 'events', batches: read(call, stream, reader) };

      async function open(withoutThinking: boolean): Promise<ReadableStream<LanguageModelV4StreamPart>> {
        const { provider, model, facts } = target;
        const options = convertRequest(request, { provider, dialect, model, facts, withoutThinking });
        try {
          return (await createModel(call).doStream({ ...options, abortSignal: call.signal })).stream;
        } catch (error) {
          const upstream = describeSdkError(error, provider);
          if (withoutThinking || !isClaude(target) || !isAboutThoughts(upstream)) {
            throw new UpstreamError(upstream);
          }
          return open(true);
        }
      }

      async function* read(
        of: Call,
        parts: ReadableStream<LanguageModelV4StreamPart>,
        into: PartReader,
      ): AsyncGenerator<StreamEvent[]> {
        try {
          for await (const part of parts) {
            into.push(part);
            const events = sequencer.take();
            if (events.length > 0) {
              failer.sent();
              yield events;
            }
            if (sequencer.finished()) return;
          }
          into.end();
        } catch (error) {
          if (of.signal.aborted) return;
          if (error instanceof UpstreamError) throw error;
          failer.fail(describeSdkError(error, target.provider));
        }
        const events = sequencer.take();
        if (events.length > 0) yield events;
      }
    },
  };
}
