import type {
  JSONSchema7,
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4TextPart,
  LanguageModelV4ToolResultOutput,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider';
import { refuse } from '../../messages/errors.ts';
import { createIdUnwrapper } from '../../messages/tool-ids.ts';
import type { ContentBlock, MessagesRequest, Tool, ToolResultBlock } from '../../messages/types.ts';
import type { Dialect } from '../../upstream/target.ts';
import {
  asText,
  blocksOf,
  earlierResult,
  joinTexts,
  mediaFollows,
  mediaOf,
  mediaOfTool,
  missingResult,
  omitted,
  refuseMedia,
  systemTexts,
} from '../shared/content.ts';
import { toolSchema } from '../shared/schema.ts';
import { answerSchema, bridge, maxTokens } from '../shared/settings.ts';
import { shortenToolName } from '../shared/tool-names.ts';
import { offeredTools } from '../shared/tools.ts';
import type { AiSdkOptions } from './options.ts';
import { isClaude, thinkingOptions } from './thinking.ts';
import { redactedOptions, textMetadata, thoughtOptions, toolMetadata } from './thoughts.ts';
import type { WireNotes } from './wire.ts';

/** What goes to a provider's package, and what it has no words for. */
type ConvertedRequest = LanguageModelV4CallOptions & { notes: WireNotes };

type UserPart = LanguageModelV4TextPart | LanguageModelV4FilePart;

/** Providers whose tool results can hold images; at others the images follow in the user's message. */
const imagesInResults: readonly Dialect[] = ['amazon-bedrock', 'google-vertex-anthropic'];

/** Anthropic's own platforms allow no others (Bedrock's and Vertex's `tool_use.id`). */
const claudeIds = /^[a-zA-Z0-9_-]{1,64}$/;
const strictIds: readonly Dialect[] = ['amazon-bedrock', 'google-vertex-anthropic'];

/** A Messages request in the terms of the AI SDK's provider interface. */
export function convertRequest(request: MessagesRequest, options: AiSdkOptions): ConvertedRequest {
  const muted = mutedTools(request, options);
  const tools = muted ?? offeredTools(request, options.provider);
  const limit = maxTokens(request, options.facts);
  const schema = answerSchema(request);
  const choice = muted ? undefined : request.tool_choice;
  const thinking = options.withoutThinking ? {} : thinkingOptions(request, options, limit);
  const maxOutputTokens = thinking.maxOutputTokens ?? limit;
  const providerOptions = mergeOptions(thinking.providerOptions, toolOptions(request, options));
  const notes: WireNotes = {};
  const prompt = convertMessages(request, options, notes);
  if (muted?.length && prompt.at(-1)?.role !== 'assistant') prompt.push(reminder(noTools));
  return {
    notes,
    prompt,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.top_p === undefined ? {} : { topP: request.top_p }),
    ...(request.top_k === undefined ? {} : { topK: request.top_k }),
    ...(request.stop_sequences?.length ? { stopSequences: request.stop_sequences } : {}),
    ...(thinking.reasoning === undefined ? {} : { reasoning: thinking.reasoning }),
    ...(providerOptions ? { providerOptions } : {}),
    ...(schema ? { responseFormat: { type: 'json' as const, schema: schema as JSONSchema7 } } : {}),
    ...(tools.length > 0
      ? {
          tools: tools.map((tool) => ({
            type: 'function' as const,
            name: shortenToolName(tool.name),
            ...(tool.description ? { description: tool.description } : {}),
            inputSchema: toolSchema(tool.input_schema) as JSONSchema7,
          })),
          toolChoice:
            choice?.type === 'tool'
              ? { type: 'tool' as const, toolName: shortenToolName(choice.name) }
              : { type: choice?.type === 'any' ? ('required' as const) : (choice?.type ?? 'auto') },
        }
      : {}),
  };
}

function toolOptions(request: MessagesRequest, options: AiSdkOptions): SharedV4ProviderOptions | undefined {
  const choice = request.tool_choice;
  if (!isClaude(options) || !choice || !('disable_parallel_tool_use' in choice)) return undefined;
  return { anthropic: { disableParallelToolUse: choice.disable_parallel_tool_use === true } };
}

function mergeOptions(
  one: SharedV4ProviderOptions | undefined,
  other: SharedV4ProviderOptions | undefined,
): SharedV4ProviderOptions | undefined {
  if (!one || !other) return one ?? other;
  const merged = { ...one };
  for (const [name, options] of Object.entries(other)) merged[name] = { ...merged[name], ...options };
  return merged;
}

const noTools = 'The tools must not be used in this turn. Answer without them.';

/**
 * Bedrock's package removes all calls and results from a conversation without tools. So tools are offered (the
 * request's own, or stand-ins for those that were called) and a reminder tells the model not to use them. Undefined
 * when that is not needed.
 */
function mutedTools(request: MessagesRequest, options: AiSdkOptions): Tool[] | undefined {
  if (options.dialect !== 'amazon-bedrock') return undefined;
  const offered = offeredTools(request, options.provider);
  if (offered.length > 0 && request.tool_choice?.type !== 'none') return undefined;
  const called = new Set<string>();
  for (const { content } of request.messages) {
    for (const block of blocksOf(content)) if (block.type === 'tool_use') called.add(block.name);
  }
  if (called.size === 0) return undefined;
  // For a schema, the package makes other models call its own tool. That keeps the history, and has to be the only
  // tool.
  if (answerSchema(request) && !isClaude(options)) return [];
  if (offered.length > 0) return offered;
  return [...called].map((name) => ({ name, description: 'Not available any more.' }));
}

/** These providers take a system message only at the beginning. */
function reminder(text: string): LanguageModelV4Message {
  return {
    role: 'user',
    content: [{ type: 'text', text: `<system-reminder>\n${text}\n</system-reminder>` }],
  };
}

function convertMessages(
  request: MessagesRequest,
  options: AiSdkOptions,
  notes: WireNotes,
): LanguageModelV4Message[] {
  const out: LanguageModelV4Message[] = [];
  const names = new Map<string, string>();
  for (const message of request.messages) {
    for (const block of blocksOf(message.content)) {
      if (block.type === 'tool_use') names.set(block.id, shortenToolName(block.name));
    }
  }
  const id = createIdUnwrapper(names.keys(), strictIds.includes(options.dialect) ? claudeIds : undefined);
  let open: string[] = [];

  const result = (call: string, output: LanguageModelV4ToolResultOutput): LanguageModelV4ToolResultPart => ({
    type: 'tool-result',
    toolCallId: id(call),
    toolName: names.get(call) ?? 'unknown',
    output,
  });

  /** Adds missing results: providers refuse calls without one, and an interrupted turn has none. */
  function push(results: LanguageModelV4ToolResultPart[]): void {
    const missing = open.map((call) => result(call, { type: 'error-text', value: missingResult }));
    open = [];
    const content = [...results, ...missing];
    if (content.length > 0) out.push({ role: 'tool', content });
  }

  const system = systemTexts(request).join('\n\n');
  if (system !== '') {
    const cached = blocksOf(request.system ?? '').some(
      (block) => block.type === 'text' && block.cache_control,
    );
    out.push({ role: 'system', content: system, ...(cached ? cachePoint(options) : {}) });
  }
  for (const message of request.messages) {
    const blocks = blocksOf(message.content);
    if (message.role === 'system') {
      push([]);
      const text = joinTexts(message.content);
      if (text !== '') out.push(reminder(text));
    } else if (message.role === 'assistant') {
      push([]);
      const converted = convertAssistant(blocks, options, id);
      if (converted.message) out.push(converted.message);
      open = converted.calls;
      notePlan(converted, notes, id);
    } else {
      const results: LanguageModelV4ToolResultPart[] = [];
      const attached: UserPart[] = [];
      const parts: UserPart[] = [];
      for (const block of blocks) {
        if (block.type === 'tool_result') {
          const { output, media } = convertResult(block, options);
          if (open.includes(block.tool_use_id)) {
            open = open.filter((call) => call !== block.tool_use_id);
            results.push(result(block.tool_use_id, output));
            if (block.is_error) notes.errors = [...(notes.errors ?? []), id(block.tool_use_id)];
          } else parts.push({ type: 'text', text: `${earlierResult}\n${outputText(output)}` });
          attached.push(...media);
        } else parts.push(...userParts(block, options));
      }
      push(results);
      const content = [...attached, ...parts];
      const cached = blocks.some((block) => 'cache_control' in block && block.cache_control);
      if (content.length > 0 && out.at(-1)?.role === 'tool' && options.refused?.has('user-after-tool')) {
        out.push({ role: 'assistant', content: [{ type: 'text', text: bridge }] });
      }
      if (content.length > 0) out.push({ role: 'user', content, ...(cached ? cachePoint(options) : {}) });
    }
  }
  push([]);
  return out;
}

/** Bedrock caches only at marked points, and only for Claude and Nova. */
function cachePoint(options: AiSdkOptions): { providerOptions?: SharedV4ProviderOptions } {
  if (options.dialect === 'amazon-bedrock' && /anthropic\.claude|amazon\.nova/.test(options.model)) {
    return { providerOptions: { bedrock: { cachePoint: { type: 'default' } } } };
  }
  if (options.dialect === 'google-vertex-anthropic') {
    return { providerOptions: { anthropic: { cacheControl: { type: 'ephemeral' } } } };
  }
  return {};
}

function convertAssistant(
  blocks: readonly ContentBlock[],
  options: AiSdkOptions,
  id: (value: string) => string,
): { message: LanguageModelV4Message | undefined; calls: string[] } {
  const content: Extract<LanguageModelV4Message, { role: 'assistant' }>['content'] = [];
  const calls: string[] = [];
  const kept = toolMetadata(blocks, options.provider);
  for (const block of blocks) {
    if (block.type === 'tool_use') {
      calls.push(block.id);
      const metadata = kept.get(block.id);
      content.push({
        type: 'tool-call',
        toolCallId: id(block.id),
        toolName: shortenToolName(block.name),
        input: block.input ?? {},
        ...(metadata ? { providerOptions: metadata } : {}),
      });
    } else if (block.type === 'thinking') {
      const providerOptions = thoughtOptions(block.signature, options);
      if (providerOptions) content.push({ type: 'reasoning', text: block.thinking, providerOptions });
    } else if (block.type === 'redacted_thinking') {
      const own = textMetadata(block.data, options.provider);
      const last = content.at(-1);
      if (own && last?.type === 'text') last.providerOptions = own;
      const providerOptions = redactedOptions(block.data, options);
      if (providerOptions) content.push({ type: 'reasoning', text: '', providerOptions });
    } else {
      const text = asText(block);
      if (text.trim() !== '') content.push({ type: 'text', text });
    }
  }
  return { message: content.length > 0 ? { role: 'assistant', content } : undefined, calls };
}

/** Cohere has one field for a turn's thoughts and its text beside calls; its package leaves it empty. */
function notePlan(
  { message, calls }: { message: LanguageModelV4Message | undefined; calls: string[] },
  notes: WireNotes,
  id: (value: string) => string,
): void {
  const [first] = calls;
  if (first === undefined || message?.role !== 'assistant') return;
  const said = message.content.flatMap((part) =>
    part.type === 'text' || part.type === 'reasoning' ? [part.text] : [],
  );
  if (said.length > 0) notes.plans = { ...notes.plans, [id(first)]: said.join('\n\n') };
}

function outputText(output: LanguageModelV4ToolResultOutput): string {
  return 'value' in output && typeof output.value === 'string' ? output.value : JSON.stringify(output);
}

function convertResult(
  block: ToolResultBlock,
  options: AiSdkOptions,
): { output: LanguageModelV4ToolResultOutput; media: UserPart[] } {
  const parts: UserPart[] = [];
  const media: UserPart[] = [];
  for (const part of blocksOf(block.content ?? '')) {
    if (part.type !== 'image' && part.type !== 'document') {
      parts.push({ type: 'text', text: asText(part) });
      continue;
    }
    const converted = convertMedia(part, options);
    if (!converted) parts.push({ type: 'text', text: omitted(part, options.model) });
    else if (converted.type === 'text' || imagesInResults.includes(options.dialect)) parts.push(converted);
    else {
      parts.push({ type: 'text', text: mediaFollows(part.type) });
      media.push({ type: 'text', text: mediaOfTool(part.type) }, converted);
    }
  }
  if (parts.every((part) => part.type === 'text')) {
    const text = parts.map((part) => part.text).join('\n');
    const said = text === '' ? '(no output)' : text;
    // Bedrock and Claude have a flag for it; for others it is part of the text.
    const value = block.is_error && !imagesInResults.includes(options.dialect) ? `Error: ${said}` : said;
    return { output: { type: block.is_error ? 'error-text' : 'text', value }, media };
  }
  const value = block.is_error ? [{ type: 'text' as const, text: 'Error:' }, ...parts] : parts;
  return { output: { type: 'content', value }, media };
}

function userParts(block: ContentBlock, options: AiSdkOptions): UserPart[] {
  if (block.type === 'image' || block.type === 'document') {
    return [convertMedia(block, options) ?? refuseMedia(block, options.model)];
  }
  if (block.type === 'thinking' || block.type === 'redacted_thinking') return [];
  const text = asText(block);
  return text === '' ? [] : [{ type: 'text', text }];
}

/** The gateway does not fetch URLs that a client chose; these are fetched by the provider. */
function takesUrl(url: string, dialect: Dialect): boolean {
  switch (dialect) {
    case 'google':
      return /^https:\/\/(generativelanguage\.googleapis\.com\/|(www\.)?youtube\.com\/|youtu\.be\/)/.test(
        url,
      );
    case 'google-vertex':
      return /^gs:|^https:\/\//.test(url);
    case 'amazon-bedrock':
      return /^s3:/.test(url);
    default:
      return true;
  }
}

/** Undefined when the model is known not to support it. */
function convertMedia(
  block: Extract<ContentBlock, { type: 'image' | 'document' }>,
  options: AiSdkOptions,
): UserPart | undefined {
  const media = mediaOf(block, options.provider);
  if (media.kind === 'text') return { type: 'text', text: media.text };
  if ((media.kind === 'image' ? options.facts.images : options.facts.pdf) === false) return undefined;
  if ('url' in media && !takesUrl(media.url, options.dialect)) {
    const what = block.type === 'image' ? 'images' : 'PDFs';
    refuse(400, `${options.provider} takes no ${what} by URL. Send the data itself as base64.`);
  }
  const data: LanguageModelV4FilePart['data'] =
    'url' in media ? { type: 'url', url: new URL(media.url) } : { type: 'data', data: media.base64 };
  return {
    type: 'file',
    data,
    mediaType: media.mediaType,
    ...(media.name ? { filename: media.name } : {}),
  };
}
