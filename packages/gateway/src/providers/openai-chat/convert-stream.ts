import type { Sequencer } from '../../messages/sequencer.ts';
import { describeError, type UpstreamFailure } from '../../upstream/error.ts';
import type { NameTable } from '../shared/tool-names.ts';
import { mapStopReason } from './map-stop-reason.ts';
import { createReasoningReader } from './reasoning.ts';
import { createThinkTags } from './think-tags.ts';
import { createToolCalls } from './tool-calls.ts';
import type { ChatChunk, ChatDelta } from './types.ts';
import { convertUsage } from './usage.ts';

export interface ChatReader {
  /** Reads one chunk of a stream, or a whole answer. */
  push(chunk: ChatChunk): void;
  /** Ends the message at the end of the upstream's answer, or fails if the answer broke off. */
  end(complete: boolean): void;
}

interface ChatReaderOptions extends NameTable {
  provider: string;
  sequencer: Sequencer;
  /** Look for thoughts in tags inside the text. */
  thinkTags: boolean;
  /** Called with the kind of content that Anthropic's format cannot express. */
  drop(kind: string): void;
  noteDropped(): void;
  /** Called with a failure in the middle of the answer. */
  fail(failure: UpstreamFailure): void;
}

/** Reads the chunks of Chat Completions, and of its many imitations, into a sequencer. */
export function createChatReader(options: ChatReaderOptions): ChatReader {
  const { sequencer, provider } = options;
  const reasoning = createReasoningReader(provider, sequencer);
  const tools = createToolCalls(provider, sequencer, options);
  const tags = options.thinkTags ? createThinkTags() : undefined;
  let finish: string | undefined;
  let answered = false;
  let refused = false;

  function write(text: string): void {
    if (text === '') return;
    if (text.trim() !== '') reasoning.close();
    tools.settle();
    sequencer.text(text);
  }

  function writeTagged(parts: { thought: string; text: string }): void {
    if (parts.thought !== '') reasoning.thought(parts.thought);
    write(parts.text);
  }

  function onText(text: string | null | undefined): void {
    if (!text) return;
    if (tags) writeTagged(tags.push(text));
    else write(text);
  }

  function flushTags(): void {
    if (tags) writeTagged(tags.flush());
  }

  /** @param whole the message is not a delta: each entry is a separate call */
  function onDelta(delta: ChatDelta, whole: boolean): void {
    reasoning.read(delta, whole);
    if (delta.annotations?.length) options.drop('answer:citations');
    if (delta.images?.length) options.drop('answer:images');
    if (delta.audio) options.drop('answer:audio');
    if (typeof delta.content === 'string') onText(delta.content);
    else {
      for (const part of delta.content ?? []) {
        if (part.thinking !== undefined) {
          const thinking = part.thinking;
          reasoning.thought(
            typeof thinking === 'string' ? thinking : thinking.map((item) => item.text ?? '').join(''),
          );
        } else onText(part.text);
      }
    }
    if (delta.refusal) refused = true;
    onText(delta.refusal);
    const calls = delta.tool_calls ?? [];
    // The predecessor of tool calls.
    const legacy = delta.function_call ? [{ index: 0, function: delta.function_call }] : [];
    for (const [position, call] of (calls.length > 0 ? calls : legacy).entries()) {
      flushTags();
      reasoning.close();
      tools.push(call, whole ? position : (call.index ?? undefined));
    }
  }

  function broken(message: string): void {
    options.fail({ status: 502, message: `${provider} ${message}`, headers: {} });
  }

  return {
    push(chunk) {
      if (sequencer.finished()) return;
      const error = errorIn(chunk);
      if (error !== undefined) return options.fail(describeError(error));
      const usage = chunk.usage ?? chunk.x_groq?.usage ?? chunk.choices?.[0]?.usage;
      if (usage) sequencer.usage(convertUsage(usage));
      if (chunk.citations?.length || chunk.search_results?.length) options.drop('answer:citations');
      const choice = chunk.choices?.[0];
      if (!choice) return;
      answered = true;
      const delta = choice.delta ?? choice.message;
      if (delta) onDelta(delta, !choice.delta);
      if (choice.finish_reason) finish = choice.finish_reason;
    },
    end(complete) {
      if (sequencer.finished()) return;
      if (finish === undefined && !complete) return broken('ended its answer in the middle.');
      if (!answered) return broken('answered without any choice.');
      if (finish === 'error') return broken('ended its answer with an error.');
      flushTags();
      reasoning.close();
      tools.settle();
      options.noteDropped();
      sequencer.finish(refused ? 'refusal' : mapStopReason(finish ?? 'stop'));
    },
  };
}

/** The error in a chunk: vLLM's `object`, FastAPI's `detail`, `code` and `msg` of others. */
export function errorIn(chunk: ChatChunk): unknown {
  const own = chunk.error ?? chunk.x_groq?.error;
  if (own) return own;
  if (chunk.choices?.length || chunk.usage) return undefined;
  const told = [chunk.detail, chunk.message, chunk.msg].some(
    (value) => value !== undefined && value !== null,
  );
  return told || chunk.object === 'error' ? chunk : undefined;
}
