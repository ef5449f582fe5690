import { sealOrigin } from '../../messages/origin.ts';
import type { Sequencer } from '../../messages/sequencer.ts';
import { toClientId } from '../../messages/tool-ids.ts';
import type { Usage } from '../../messages/types.ts';
import { describeError, type UpstreamFailure } from '../shared/upstream-error.ts';
import { mapStopReason } from './map-stop-reason.ts';
import type { OutputItem, ResponseObject, ResponsesEvent } from './types.ts';

export interface ResponsesReader {
  push(event: ResponsesEvent): void;
  /** A whole response, of a request without stream. */
  whole(response: ResponseObject): void;
  /** The upstream's body is over. */
  end(): void;
}

export interface ResponsesReaderOptions {
  provider: string;
  sequencer: Sequencer;
  toolName(name: string): string;
  fail(failure: UpstreamFailure): void;
}

interface OpenItem {
  type: string;
  texts: number;
}

/** Reads the events of a Responses stream into a sequencer. */
export function createResponsesReader(options: ResponsesReaderOptions): ResponsesReader {
  const { sequencer, provider } = options;
  const used = new Set<string>();
  const items = new Map<string, OpenItem>();

  /** The same item through its whole life: some servers leave out the id, none the position. */
  const keyOf = (event: ResponsesEvent) =>
    String(event.output_index ?? event.item?.id ?? event.item_id ?? '0');

  function startCall(key: string, item: OutputItem): void {
    if (items.has(key)) return;
    items.set(key, { type: 'function_call', texts: 0 });
    const id = toClientId(item.call_id ?? item.id, used);
    used.add(id);
    if (item.call_id) used.add(item.call_id);
    sequencer.toolStart(key, id, options.toolName(item.name ?? 'unknown'));
  }

  function onAdded(key: string, item: OutputItem): void {
    if (item.type === 'function_call') {
      startCall(key, item);
      if (item.arguments) sequencer.toolInput(key, item.arguments);
    } else items.set(key, { type: item.type ?? '', texts: 0 });
  }

  /** What the deltas have not brought: servers may send an item only when it is whole. */
  function onDone(key: string, item: OutputItem): void {
    if (item.type === 'function_call') {
      startCall(key, item);
      const have = sequencer.toolJson(key) ?? '';
      const whole = item.arguments ?? '';
      if (whole.startsWith(have)) sequencer.toolInput(key, whole.slice(have.length));
      sequencer.toolEnd(key);
      return;
    }
    const open = items.get(key) ?? { type: item.type ?? '', texts: 0 };
    items.set(key, open);
    if (item.type === 'reasoning') {
      if (open.texts === 0) {
        const summary = (item.summary ?? []).map((part) => part.text ?? '').join('\n\n');
        if (summary !== '') {
          sequencer.thinking(summary);
          open.texts += 1;
        }
      }
      // The encrypted content is what the model continues from; it goes back with the next request.
      const data = item.encrypted_content ? { id: item.id, encrypted: item.encrypted_content } : undefined;
      if (data || open.texts > 0)
        sequencer.signature(sealOrigin({ from: provider, ...(data ? { data } : {}) }));
    } else if (item.type === 'message' && open.texts === 0) {
      for (const part of item.content ?? []) sequencer.text(part.text ?? part.refusal ?? '');
    }
  }

  function count(key: string): void {
    const item = items.get(key);
    if (item) item.texts += 1;
    else items.set(key, { type: '', texts: 1 });
  }

  function finish(response: ResponseObject): void {
    const usage = response.usage;
    if (usage) sequencer.usage(convertUsage(usage));
    if (response.status === 'failed' || response.error) {
      options.fail(describeError(response.error ?? 'the response failed'));
      return;
    }
    sequencer.finish(mapStopReason(response.status, response.incomplete_details?.reason));
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
    whole(response) {
      for (const [index, item] of (response.output ?? []).entries()) onDone(String(index), item);
      finish(response);
    },
    end() {
      if (sequencer.finished()) return;
      options.fail({ status: 502, message: `${provider} ended its answer in the middle.`, headers: {} });
    },
  };
}

/** Anthropic counts cached tokens beside `input_tokens`, OpenAI within. */
export function convertUsage(usage: NonNullable<ResponseObject['usage']>): Partial<Usage> {
  const cached = usage.input_tokens_details?.cached_tokens ?? 0;
  const written = usage.input_tokens_details?.cache_write_tokens ?? 0;
  const result: Partial<Usage> = {};
  if (usage.input_tokens) {
    result.input_tokens = Math.max(0, usage.input_tokens - cached - written);
    result.cache_read_input_tokens = cached;
    result.cache_creation_input_tokens = written;
  }
  if (usage.output_tokens) result.output_tokens = usage.output_tokens;
  return result;
}
