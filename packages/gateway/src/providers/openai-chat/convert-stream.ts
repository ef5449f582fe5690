import { type Origin, sealOrigin } from '../../messages/origin.ts';
import type { Sequencer } from '../../messages/sequencer.ts';
import { toClientId } from '../../messages/tool-ids.ts';
import type { Usage } from '../../messages/types.ts';
import { describeError, type UpstreamFailure } from '../shared/upstream-error.ts';
import { mapStopReason } from './map-stop-reason.ts';
import type { ChatChunk, ChatDelta, ChatUsage } from './types.ts';

export interface ChatReader {
  /** One chunk of the stream, or the whole answer of a request without one. */
  push(chunk: ChatChunk): void;
  /** The upstream's answer is over: finishes the message, or says that it broke off. */
  end(complete: boolean): void;
}

export interface ChatReaderOptions {
  provider: string;
  sequencer: Sequencer;
  toolName(name: string): string;
  /** Called with a failure in the middle of the answer. */
  fail(failure: UpstreamFailure): void;
}

interface OpenCall {
  key: string;
  index: number;
  id: string | undefined;
  name: string | undefined;
  pending: string;
}

type ToolCallPiece = NonNullable<ChatDelta['tool_calls']>[number];

/** Asked only of a call that is named again, so that no other is parsed after each of its pieces. */
function isWhole(json: string): boolean {
  if (!json.trimEnd().endsWith('}')) return false;
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}

/** Reads Chat Completions chunks, and those of the many who imitate them, into a sequencer. */
export function createChatReader(options: ChatReaderOptions): ChatReader {
  const { sequencer, provider } = options;
  const calls: OpenCall[] = [];
  const used = new Set<string>();
  let finish: string | undefined;
  let thinking = false;

  /** A signature says whose thinking it was, so that only that provider gets it back. */
  function signThinking(): void {
    if (!thinking) return;
    thinking = false;
    const origin: Origin = { from: provider };
    sequencer.signature(sealOrigin(origin));
  }

  function onText(text: string | null | undefined): void {
    if (!text) return;
    signThinking();
    sequencer.text(text);
  }

  function onThinking(text: string | null | undefined): void {
    if (!text) return;
    thinking = true;
    sequencer.thinking(text);
  }

  /** Whether a piece that comes without an id begins a call of its own, although its place is taken. */
  function startsAnew(call: OpenCall, name: string | undefined, json: string): boolean {
    if (!name || call.name === undefined) return false;
    const have = sequencer.toolJson(call.key) ?? '';
    // Some name the call in each of its pieces, the last of which may be empty.
    if (name === call.name) return json.trim() !== '' && isWhole(have);
    return have.trim() === '' || isWhole(have);
  }

  /** The call that a piece belongs to. An index may be missing, and a new id under an old index is a new call. */
  function callFor(
    index: number | undefined,
    id: string | undefined,
    name: string | undefined,
    json: string,
  ): OpenCall {
    let call: OpenCall | undefined;
    if (index !== undefined) call = calls.findLast((candidate) => candidate.index === index);
    else if (id) call = calls.find((candidate) => candidate.id === id);
    else call = calls.at(-1);
    const isOther = call && (id && call.id ? id !== call.id : startsAnew(call, name, json));
    if (call && !isOther) {
      call.id ??= id;
      return call;
    }
    const created: OpenCall = {
      key: String(calls.length),
      index: index ?? calls.length,
      id,
      name: undefined,
      pending: '',
    };
    calls.push(created);
    return created;
  }

  function onToolCall(piece: ToolCallPiece, index: number | undefined): void {
    signThinking();
    const name = piece.function?.name || undefined;
    const raw = piece.function?.arguments;
    const json = typeof raw === 'string' ? raw : raw ? JSON.stringify(raw) : '';
    const call = callFor(index, piece.id || undefined, name, json);
    if (call.name === undefined && name) {
      call.name = name;
      const id = toClientId(call.id, used);
      used.add(id);
      if (call.id) used.add(call.id);
      sequencer.toolStart(call.key, id, options.toolName(name));
      if (call.pending) sequencer.toolInput(call.key, call.pending);
    }
    if (call.name !== undefined) sequencer.toolInput(call.key, json);
    else call.pending += json;
  }

  /** @param whole a message that is no piece of one: its calls are as many as they stand there */
  function onDelta(delta: ChatDelta, whole: boolean): void {
    onThinking(delta.reasoning_content || delta.reasoning);
    if (typeof delta.content === 'string') onText(delta.content);
    else {
      for (const part of delta.content ?? []) {
        if (part.thinking !== undefined) {
          const pieces = part.thinking;
          onThinking(typeof pieces === 'string' ? pieces : pieces.map((piece) => piece.text ?? '').join(''));
        } else onText(part.text);
      }
    }
    onText(delta.refusal);
    for (const [position, piece] of (delta.tool_calls ?? []).entries()) {
      onToolCall(piece, whole ? position : (piece.index ?? undefined));
    }
  }

  return {
    push(chunk) {
      if (sequencer.finished()) return;
      const error = chunk.error ?? chunk.x_groq?.error;
      if (error) return options.fail(describeError(error));
      const usage = chunk.usage ?? chunk.x_groq?.usage;
      if (usage) sequencer.usage(convertUsage(usage));
      const choice = chunk.choices?.[0];
      if (!choice) return;
      const delta = choice.delta ?? choice.message;
      if (delta) onDelta(delta, !choice.delta);
      if (choice.finish_reason) finish = choice.finish_reason;
    },
    end(complete) {
      if (sequencer.finished()) return;
      if (finish === undefined && !complete) {
        options.fail({ status: 502, message: `${provider} ended its answer in the middle.`, headers: {} });
        return;
      }
      if (finish === 'error') {
        options.fail({ status: 502, message: `${provider} ended its answer with an error.`, headers: {} });
        return;
      }
      signThinking();
      sequencer.finish(mapStopReason(finish ?? 'stop'));
    },
  };
}

/** Anthropic counts cached tokens beside `input_tokens`, OpenAI within `prompt_tokens`. */
export function convertUsage(usage: ChatUsage): Partial<Usage> {
  const details = usage.prompt_tokens_details;
  const cached = details?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? 0;
  const written = details?.cache_write_tokens ?? 0;
  const result: Partial<Usage> = {};
  if (usage.prompt_tokens) {
    result.input_tokens = Math.max(0, usage.prompt_tokens - cached - written);
    result.cache_read_input_tokens = cached;
    result.cache_creation_input_tokens = written;
  }
  const output = (usage.completion_tokens ?? 0) + uncountedReasoning(usage);
  if (output > 0) result.output_tokens = output;
  return result;
}

/** OpenAI counts reasoning within `completion_tokens`, xAI beside it: the total tells. */
function uncountedReasoning(usage: ChatUsage): number {
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  const visible = (usage.prompt_tokens ?? 0) + (usage.completion_tokens ?? 0);
  return reasoning > 0 && visible + reasoning === usage.total_tokens ? reasoning : 0;
}
