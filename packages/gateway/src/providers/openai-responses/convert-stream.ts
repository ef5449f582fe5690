import type { Sequencer } from '../../messages/sequencer.ts';
import { toClientId } from '../../messages/tool-ids.ts';
import type { Usage } from '../../messages/types.ts';
import { describeError, type UpstreamFailure } from '../../upstream/error.ts';
import type { NameTable } from '../shared/tool-names.ts';
import { inputUsage } from '../shared/usage.ts';
import { mapStopReason } from './map-stop-reason.ts';
import type { OutputItem, ResponseObject, ResponsesEvent } from './types.ts';

interface ResponsesReader {
  push(event: ResponsesEvent): void;
  /** Reads a whole response. */
  whole(response: ResponseObject): void;
  /** Ends the message at the end of the body. */
  end(): void;
}

interface ResponsesReaderOptions extends Pick<NameTable, 'toolName'> {
  provider: string;
  sequencer: Sequencer;
  /** Called with the kind of content that Anthropic's format cannot express. */
  drop(kind: string): void;
  noteDropped(): void;
  fail(failure: UpstreamFailure): void;
}

interface OpenItem {
  type: string;
  texts: number;
  done: boolean;
}

/** Reads the events of a Responses stream into a sequencer. */
export function createResponsesReader(options: ResponsesReaderOptions): ResponsesReader {
  const { sequencer, provider } = options;
  const used = new Set<string>();
  const items = new Map<string, OpenItem>();
  /** The keys of items by their ids. */
  const keys = new Map<string, string>();
  let refused = false;

  /** Finds the same item in all events: servers omit its position or its id in some or all of them. */
  function keyOf(event: ResponsesEvent): string {
    const id = event.item?.id ?? event.item_id;
    const known = id === undefined ? undefined : keys.get(id);
    const position = event.output_index === undefined ? undefined : String(event.output_index);
    const key = position ?? known ?? id ?? [...items.keys()].at(-1) ?? '0';
    if (id !== undefined) keys.set(id, key);
    return key;
  }

  /** A second message is a separate text block. */
  function open(key: string, type: string): OpenItem {
    const known = items.get(key);
    if (known) return known;
    if (type === 'message' && items.size > 0) sequencer.textEnd();
    const item = { type, texts: 0, done: false };
    items.set(key, item);
    return item;
  }

  function startCall(key: string, item: OutputItem): void {
    if (items.has(key)) return;
    open(key, 'function_call');
    const id = toClientId(item.call_id ?? item.id, used);
    used.add(id);
    if (item.call_id) used.add(item.call_id);
    sequencer.toolStart(key, id, options.toolName(item.name ?? 'unknown'));
  }

  function onAdded(key: string, item: OutputItem): void {
    if (item.type === 'function_call') {
      startCall(key, item);
      if (item.arguments) sequencer.toolInput(key, item.arguments);
    } else open(key, item.type ?? '');
  }

  /** Adds what the deltas did not contain: some servers send an item only as a whole. */
  function onDone(key: string, item: OutputItem): void {
    if (item.type === 'function_call') {
      startCall(key, item);
      const have = sequencer.toolJson(key) ?? '';
      const whole = item.arguments ?? '';
      if (whole.startsWith(have)) sequencer.toolInput(key, whole.slice(have.length));
      sequencer.toolEnd(key);
      return;
    }
    const known = open(key, item.type ?? '');
    if (known.done) return;
    known.done = true;
    if (item.type === 'reasoning') {
      const parts = item.summary?.length ? item.summary : (item.content ?? []);
      const summary = parts.map((part) => part.text ?? '').join('\n\n');
      if (known.texts === 0 && summary !== '') {
        sequencer.thinking(summary);
        known.texts += 1;
      }
      // The model continues from the encrypted content: it goes back with the next request.
      const data = item.encrypted_content ? { encrypted: item.encrypted_content } : undefined;
      if (data || known.texts > 0) sequencer.sign({ from: provider, ...(data && { data }) });
    } else if (item.type === 'message') {
      for (const part of item.content ?? []) {
        if (part.annotations?.length) options.drop('answer:citations');
        if (known.texts === 0) onPart(part);
      }
    } else if (item.type) options.drop(`answer:${item.type}`);
  }

  function onPart(part: { text?: string; refusal?: string }): void {
    if (part.refusal) refused = true;
    sequencer.text(part.text ?? part.refusal ?? '');
  }

  function count(key: string): void {
    open(key, items.get(key)?.type ?? '').texts += 1;
  }

  function finish(response: ResponseObject): void {
    const usage = response.usage;
    if (usage) sequencer.usage(convertUsage(usage));
    if (response.status !== 'failed' && !response.error) {
      // Some servers send some or all items only in the last event.
      for (const [index, item] of (response.output ?? []).entries()) {
        onDone((item.id === undefined ? undefined : keys.get(item.id)) ?? String(index), item);
      }
    }
    if (response.status === 'failed' || response.error) {
      options.fail(describeError(response.error ?? 'the response failed'));
      return;
    }
    const reason = mapStopReason(response.status, response.incomplete_details?.reason);
    options.noteDropped();
    sequencer.finish(refused ? 'refusal' : reason);
  }

  return {
    push(event) {
      if (sequencer.finished()) return;
      const key = keyOf(event);
      switch (event.type) {
        case 'response.output_item.added':
          if (event.item) onAdded(key, event.item);
          break;
        case 'response.output_item.done':
          if (event.item) onDone(key, event.item);
          break;
        case 'response.output_text.delta':
        case 'response.refusal.delta':
          if (event.type === 'response.refusal.delta') refused = true;
          count(key);
          sequencer.text(event.delta ?? '');
          break;
        case 'response.reasoning_summary_part.added':
          if ((items.get(key)?.texts ?? 0) > 0) sequencer.thinking('\n\n');
          break;
        case 'response.reasoning_summary_text.delta':
        case 'response.reasoning_text.delta':
          count(key);
          sequencer.thinking(event.delta ?? '');
          break;
        case 'response.function_call_arguments.delta':
          sequencer.toolInput(key, event.delta ?? '');
          break;
        case 'response.function_call_arguments.done': {
          const have = sequencer.toolJson(key) ?? '';
          const whole = event.arguments ?? '';
          if (whole.startsWith(have)) sequencer.toolInput(key, whole.slice(have.length));
          break;
        }
        case 'response.completed':
        case 'response.incomplete':
        case 'response.failed':
          finish(event.response ?? {});
          break;
        case 'error':
          options.fail(describeError(event.error ?? { message: event.message, code: event.code }));
          break;
      }
    },
    whole: finish,
    end() {
      if (sequencer.finished()) return;
      options.fail({ status: 502, message: `${provider} ended its answer in the middle.`, headers: {} });
    },
  };
}

/** OpenAI includes cached tokens in `input_tokens`, Anthropic does not. */
function convertUsage(usage: NonNullable<ResponseObject['usage']>): Partial<Usage> {
  const cached = usage.input_tokens_details?.cached_tokens ?? 0;
  const written = usage.input_tokens_details?.cache_write_tokens ?? 0;
  const result: Partial<Usage> = {};
  if (usage.input_tokens) Object.assign(result, inputUsage(usage.input_tokens, cached, written));
  if (usage.output_tokens) result.output_tokens = usage.output_tokens;
  return result;
}
