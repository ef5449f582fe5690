import type {
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider';
import type { Sequencer } from '../../messages/sequencer.ts';
import { toClientId } from '../../messages/tool-ids.ts';
import type { Usage } from '../../messages/types.ts';
import type { UpstreamFailure } from '../../upstream/error.ts';
import type { NameTable } from '../shared/tool-names.ts';
import { describeSdkError } from './errors.ts';
import { mapStopReason } from './map-stop-reason.ts';

export interface PartReader {
  push(part: LanguageModelV4StreamPart): void;
  end(): void;
}

interface PartReaderOptions extends Pick<NameTable, 'toolName'> {
  provider: string;
  sequencer: Sequencer;
  stopSequences: readonly string[];
  /** Called with the kind of content that Anthropic's format cannot express. */
  drop(kind: string): void;
  noteDropped(): void;
  fail(failure: UpstreamFailure): void;
}

/** Finish reasons that are failures: Gemini's and Bedrock's malformed calls, Cohere's timeout. */
const failedEnds =
  /^(malformed_(function_call|tool_use|model_output|response)|timeout|error|missing_thought_signature)$/i;
const callsThatFailed = /^(unexpected_tool_call|too_many_tool_calls)$/i;

function isFailure(raw: string | undefined, hasTools: boolean): boolean {
  if (raw === undefined) return false;
  return failedEnds.test(raw) || (!hasTools && callsThatFailed.test(raw));
}

/** Reads the parts of an AI SDK provider's stream, which may overlap in any way, into a sequencer. */
export function createPartReader(options: PartReaderOptions): PartReader {
  const { sequencer, provider } = options;
  const used = new Set<string>();
  const clientIds = new Map<string, string>();
  const kept = new Set<string>();
  const reasoning = new Map<string, SharedV4ProviderMetadata | undefined>();
  let textMetadata: SharedV4ProviderMetadata | undefined;

  const hasMetadata = (
    metadata: SharedV4ProviderMetadata | undefined,
  ): metadata is SharedV4ProviderMetadata => metadata !== undefined && Object.keys(metadata).length > 0;

  function clientId(id: string): string {
    const known = clientIds.get(id);
    if (known) return known;
    const created = toClientId(id, used);
    used.add(created);
    used.add(id);
    clientIds.set(id, created);
    return created;
  }

  /** A tool call's signature goes back with it, so the client keeps it beside the call. */
  function keep(id: string, metadata: SharedV4ProviderMetadata | undefined): void {
    if (!hasMetadata(metadata) || kept.has(id)) return;
    kept.add(id);
    sequencer.keep({ from: provider, tool: clientId(id), data: metadata });
  }

  function startTool(id: string, name: string, metadata: SharedV4ProviderMetadata | undefined): void {
    if (sequencer.toolJson(id) !== undefined) return;
    keep(id, metadata);
    sequencer.toolStart(id, clientId(id), options.toolName(name));
  }

  const fail = (message: string) => options.fail({ status: 502, message, headers: {} });

  function finish({ usage, finishReason }: Extract<LanguageModelV4StreamPart, { type: 'finish' }>): void {
    sequencer.usage(convertUsage(usage));
    const { unified, raw } = finishReason;
    if (unified === 'error' || isFailure(raw, sequencer.hasTools())) {
      return void fail(`the answer ended with ${raw ?? 'an error'}`);
    }
    // The packages report a stream that broke off with these reasons, not as an error.
    if (unified === 'interrupted' || (unified === 'other' && raw === undefined)) {
      return void fail(`${provider} ended its answer in the middle.`);
    }
    options.noteDropped();
    const stop = mapStopReason(finishReason, options.stopSequences);
    sequencer.finish(stop.reason, stop.sequence);
  }

  return {
    push(part) {
      if (sequencer.finished()) return;
      switch (part.type) {
        case 'text-start':
          sequencer.textEnd();
          textMetadata = part.providerMetadata;
          break;
        case 'text-delta':
          if (hasMetadata(part.providerMetadata)) textMetadata = part.providerMetadata;
          sequencer.text(part.delta);
          break;
        case 'text-end':
          if (hasMetadata(textMetadata)) sequencer.keep({ from: provider, part: 'text', data: textMetadata });
          textMetadata = undefined;
          break;
        case 'reasoning-start':
          reasoning.set(part.id, part.providerMetadata);
          break;
        case 'reasoning-delta':
          if (hasMetadata(part.providerMetadata)) reasoning.set(part.id, part.providerMetadata);
          if (part.delta !== '') sequencer.thinking(part.delta);
          break;
        case 'reasoning-end': {
          const metadata = hasMetadata(part.providerMetadata)
            ? part.providerMetadata
            : reasoning.get(part.id);
          sequencer.sign({ from: provider, ...(hasMetadata(metadata) ? { data: metadata } : {}) });
          break;
        }
        case 'tool-input-start':
          if (!part.providerExecuted) startTool(part.id, part.toolName, part.providerMetadata);
          break;
        case 'tool-input-delta':
          sequencer.toolInput(part.id, part.delta);
          break;
        case 'tool-input-end':
          sequencer.toolEnd(part.id);
          break;
        case 'tool-call': {
          if (part.providerExecuted) {
            options.drop(`answer:${part.toolName}`);
            break;
          }
          startTool(part.toolCallId, part.toolName, part.providerMetadata);
          const have = sequencer.toolJson(part.toolCallId) ?? '';
          if (have === '') sequencer.toolInput(part.toolCallId, part.input);
          sequencer.toolEnd(part.toolCallId);
          keep(part.toolCallId, part.providerMetadata);
          break;
        }
        case 'source':
          options.drop('answer:citations');
          break;
        case 'file':
          options.drop('answer:files');
          sequencer.text(`[The model made a file of type ${part.mediaType}, which cannot be shown here.]`);
          break;
        case 'error':
          options.fail(describeSdkError(part.error, provider));
          break;
        case 'finish':
          finish(part);
          break;
      }
    },
    end() {
      if (sequencer.finished()) return;
      fail(`${provider} ended its answer in the middle.`);
    },
  };
}

function convertUsage(usage: LanguageModelV4Usage): Partial<Usage> {
  const { total, cacheWrite = 0 } = usage.inputTokens;
  // Cohere's package reports cached tokens in `raw` only, and includes them in the total.
  const unread = Number(usage.raw?.cached_tokens ?? 0);
  const cacheRead = usage.inputTokens.cacheRead ?? unread;
  const noCache = unread > 0 ? undefined : usage.inputTokens.noCache;
  const input = noCache ?? (total === undefined ? undefined : Math.max(0, total - cacheRead - cacheWrite));
  return {
    ...(total || input
      ? {
          input_tokens: input ?? 0,
          cache_read_input_tokens: cacheRead,
          cache_creation_input_tokens: cacheWrite,
        }
      : {}),
    ...(usage.outputTokens.total ? { output_tokens: usage.outputTokens.total } : {}),
  };
}
