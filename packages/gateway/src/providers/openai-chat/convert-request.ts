import { refuse } from '../../messages/errors.ts';
import { isObject } from '../../messages/is-object.ts';
import { decodeProvenance } from '../../messages/provenance.ts';
import { createIdUnwrapper } from '../../messages/tool-ids.ts';
import type {
  ContentBlock,
  JsonObject,
  Message,
  MessagesRequest,
  Tool,
  ToolResultBlock,
} from '../../messages/types.ts';
import type { ModelFacts, ThinkingStyle } from '../../upstream/target.ts';
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
import { isStrictSchema, toolSchema } from '../shared/schema.ts';
import { answerSchema, bridge, cacheKey, maxTokens } from '../shared/settings.ts';
import { wishOf } from '../shared/thinking.ts';
import { shortenToolName } from '../shared/tool-names.ts';
import { offeredTools } from '../shared/tools.ts';
import type { KeptReasoning } from './reasoning.ts';
import { thinkingSettings } from './thinking.ts';
import type { ChatMessage, ChatPart, ChatRequest, ChatToolCall, ReasoningDetail } from './types.ts';

interface ChatOptions {
  provider: string;
  model: string;
  facts: ModelFacts;
  /** OpenAI's own servers (or Azure's): newer parameters, stricter rules. */
  openai: boolean;
  /** How to ask for thinking (default: by effort). */
  thinking?: ThinkingStyle;
  /** Ids of tool calls have to be nine letters or digits. */
  shortIds?: boolean;
  /** Parameters that this upstream has refused before. */
  refused?: ReadonlySet<string>;
  stream: boolean;
  sessionId?: string | undefined;
  /** `convertTool`, or a memoized version of it. */
  toTool?: (tool: Tool) => JsonObject;
}

/** A Messages request as a Chat Completions request. */
export function convertRequest(request: MessagesRequest, options: ChatOptions): ChatRequest {
  const tools = offeredTools(request, options.provider);
  const refused = options.refused ?? new Set<string>();
  const body: ChatRequest = { model: options.model, messages: convertMessages(request, options) };
  const put = (name: string, value: unknown) => {
    if (value !== undefined && !refused.has(name)) body[name] = value;
  };

  const limit = maxTokens(request, options.facts);
  const reasoning = options.facts.reasoning === true;
  if (limit !== undefined) {
    const modern = (options.openai && reasoning) || refused.has('max_tokens');
    // OpenAI's reasoning models refuse a limit that leaves no room to think (`max_tokens: 1` as a probe). The model
    // behind an Azure deployment is unknown, but only reasoning models refuse `max_tokens`.
    const value = options.openai && modern ? Math.max(limit, 16) : limit;
    put(modern && !refused.has('max_completion_tokens') ? 'max_completion_tokens' : 'max_tokens', value);
  }
  if (!(options.openai && reasoning)) {
    put('temperature', request.temperature);
    put('top_p', request.top_p);
  }
  if (!options.openai) put('top_k', request.top_k);
  const { thinking = 'effort', facts } = options;
  const settings = thinkingSettings(wishOf(request), { style: thinking, facts, refused });
  for (const [name, value] of Object.entries(settings)) put(name, value);

  if (tools.length > 0) {
    body.tools = tools.map(options.toTool ?? convertTool);
    const choice = request.tool_choice;
    // Only `auto` may be left out; any other choice changes the answer.
    if (choice?.type === 'any') body.tool_choice = 'required';
    else if (choice?.type === 'none') body.tool_choice = 'none';
    else if (choice?.type === 'tool') {
      body.tool_choice = { type: 'function', function: { name: shortenToolName(choice.name) } };
    } else if (choice?.type === 'auto') put('tool_choice', 'auto');
    if (choice && 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use) {
      put('parallel_tool_calls', false);
    }
  }

  const schema = answerSchema(request);
  if (schema) {
    put('response_format', {
      type: 'json_schema',
      json_schema: { name: 'answer', schema, ...(options.openai ? { strict: isStrictSchema(schema) } : {}) },
    });
  }
  if (options.openai && options.sessionId) put('prompt_cache_key', cacheKey(options.sessionId));
  if (options.stream) {
    body.stream = true;
    put('stream_options', { include_usage: true });
  }
  return body;
}

export function convertTool(tool: Tool): JsonObject {
  return {
    type: 'function',
    function: {
      name: shortenToolName(tool.name),
      ...(tool.description ? { description: tool.description } : {}),
      parameters: toolSchema(tool.input_schema),
    },
  };
}

/** The ids of all tool calls, in the order of the conversation. */
function toolIds(messages: readonly Message[]): string[] {
  const ids: string[] = [];
  for (const message of messages) {
    for (const block of blocksOf(message.content)) {
      if (block.type === 'tool_use') ids.push(block.id);
    }
  }
  return ids;
}

function convertMessages(request: MessagesRequest, options: ChatOptions): ChatMessage[] {
  const out: ChatMessage[] = [];
  const unwrap = createIdUnwrapper(toolIds(request.messages));
  const id = (value: string) => (options.shortIds ? nineCharacters(value) : unwrap(value));
  /** Calls of the last assistant message that wait for a result, in order. */
  let open: string[] = [];

  const system = systemTexts(request).join('\n\n');
  if (system !== '') out.push({ role: 'system', content: system });

  /** Adds missing results: Chat Completions refuses calls without one, and an interrupted turn has none. */
  function settle(): void {
    for (const call of open) out.push({ role: 'tool', tool_call_id: id(call), content: missingResult });
    open = [];
  }

  for (const message of request.messages) {
    if (message.role === 'system') {
      settle();
      const text = joinTexts(message.content);
      // Only OpenAI's own models accept a system message in the middle; chat templates elsewhere refuse it.
      if (text === '') continue;
      out.push(
        options.openai ? { role: 'system', content: text } : { role: 'user', content: wrapSystem(text) },
      );
    } else if (message.role === 'assistant') {
      settle();
      const converted = convertAssistant(blocksOf(message.content), options, id);
      if (converted) out.push(converted.message);
      open = converted?.calls ?? [];
    } else {
      const { results, parts } = convertUser(blocksOf(message.content), options, open);
      for (const result of results) {
        out.push({ role: 'tool', tool_call_id: id(result.id), content: result.text });
        open = open.filter((call) => call !== result.id);
      }
      settle();
      if (parts.length > 0) {
        // Some templates refuse a user message after a tool result: an assistant message goes between them.
        if (out.at(-1)?.role === 'tool' && options.refused?.has('user-after-tool')) {
          out.push({ role: 'assistant', content: bridge });
        }
        out.push({ role: 'user', content: simplest(parts) });
      }
    }
  }
  settle();
  return out;
}

function wrapSystem(text: string): string {
  return `<system-reminder>\n${text}\n</system-reminder>`;
}

function nineCharacters(id: string): string {
  let hash = 0n;
  for (const byte of Buffer.from(id)) hash = (hash * 1_099_511_628_211n + BigInt(byte)) & 0xffff_ffff_ffffn;
  return hash.toString(36).padStart(9, '0').slice(-9);
}

function simplest(parts: ChatPart[]): string | ChatPart[] {
  return parts.every((part) => part.type === 'text') ? parts.map((part) => part.text).join('\n\n') : parts;
}

/** The thoughts of a turn that go back to their provider, in its own fields. */
function reasoningOf(blocks: readonly ContentBlock[], options: ChatOptions) {
  const refused = options.refused ?? new Set<string>();
  const details: ReasoningDetail[] = [];
  const calls = new Map<string, JsonObject>();
  let content: string | undefined;
  let opaque: string | undefined;
  let text = '';
  let extra: JsonObject | undefined;
  for (const block of blocks) {
    if (block.type !== 'thinking' && block.type !== 'redacted_thinking') continue;
    const provenance = decodeProvenance(block.type === 'thinking' ? block.signature : block.data);
    if (provenance?.from !== options.provider) continue;
    const kept: KeptReasoning = isObject(provenance.data) ? provenance.data : {};
    if (provenance.tool !== undefined) {
      if (kept.extra) calls.set(provenance.tool, kept.extra);
      continue;
    }
    const thought = block.type === 'thinking' ? block.thinking : '';
    if (kept.details) details.push(...kept.details);
    if (kept.opaque) {
      opaque = (opaque ?? '') + kept.opaque;
      text += thought;
    }
    if (kept.extra) extra = kept.extra;
    if (thought && (kept.field === 'reasoning_content' || options.facts.echoReasoning)) {
      content = (content ?? '') + thought;
    }
  }
  const called = blocks.some((block) => block.type === 'tool_use');
  // DeepSeek and Kimi require it on tool turns, even if it is empty.
  const needed = options.facts.echoReasoning || refused.has('reasoning_content=required');
  if (needed && called) content ??= '';
  if (refused.has('reasoning_content')) content = undefined;
  return {
    calls,
    hasContent: content !== undefined && content !== '',
    fields: {
      ...(content !== undefined && { reasoning_content: content }),
      ...(details.length > 0 && !refused.has('reasoning_details') && { reasoning_details: details }),
      ...(opaque !== undefined && { reasoning_opaque: opaque, ...(text && { reasoning_text: text }) }),
      ...(extra && { extra_content: extra }),
    },
  };
}

function convertAssistant(
  blocks: readonly ContentBlock[],
  options: ChatOptions,
  id: (value: string) => string,
): { message: ChatMessage; calls: string[] } | undefined {
  const texts: string[] = [];
  const calls: ChatToolCall[] = [];
  const callIds: string[] = [];
  const reasoning = reasoningOf(blocks, options);
  for (const block of blocks) {
    if (block.type === 'tool_use') {
      const extra = reasoning.calls.get(block.id);
      calls.push({
        id: id(block.id),
        type: 'function',
        function: { name: shortenToolName(block.name), arguments: JSON.stringify(block.input ?? {}) },
        ...(extra && { extra_content: extra }),
      });
      callIds.push(block.id);
    } else if (block.type !== 'thinking' && block.type !== 'redacted_thinking') {
      const text = asText(block);
      if (text.trim() !== '') texts.push(text);
    }
  }
  if (texts.length === 0 && calls.length === 0 && !reasoning.hasContent) return undefined;
  return {
    message: {
      role: 'assistant',
      content: texts.length > 0 ? texts.join('\n\n') : calls.length > 0 ? null : '',
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
      ...reasoning.fields,
    },
    calls: callIds,
  };
}

function convertUser(
  blocks: readonly ContentBlock[],
  options: ChatOptions,
  open: readonly string[],
): { results: { id: string; text: string }[]; parts: ChatPart[] } {
  const results: { id: string; text: string }[] = [];
  /** Images from tool results come first: they belong to the preceding results. */
  const attached: ChatPart[] = [];
  const parts: ChatPart[] = [];
  for (const block of blocks) {
    if (block.type === 'tool_result') {
      const { text, media } = convertResult(block, options);
      if (open.includes(block.tool_use_id) && !results.some((result) => result.id === block.tool_use_id)) {
        results.push({ id: block.tool_use_id, text });
      } else {
        parts.push({ type: 'text', text: `${earlierResult}\n${text}` });
      }
      attached.push(...media);
    } else if (block.type === 'image' || block.type === 'document') {
      parts.push(convertMedia(block, options) ?? refuseMedia(block, options.model));
    } else if (block.type !== 'thinking' && block.type !== 'redacted_thinking') {
      const text = asText(block);
      if (text !== '') parts.push({ type: 'text', text });
    }
  }
  return { results, parts: [...attached, ...parts] };
}

/** Tool results of Chat Completions are text only: images follow in the next user message. */
function convertResult(block: ToolResultBlock, options: ChatOptions): { text: string; media: ChatPart[] } {
  const texts: string[] = [];
  const media: ChatPart[] = [];
  for (const part of blocksOf(block.content ?? '')) {
    if (part.type === 'image' || part.type === 'document') {
      const converted = convertMedia(part, options);
      if (!converted) texts.push(omitted(part, options.model));
      else if (converted.type === 'text') texts.push(converted.text);
      else {
        texts.push(mediaFollows(part.type));
        media.push({ type: 'text', text: mediaOfTool(part.type) }, converted);
      }
    } else {
      texts.push(asText(part));
    }
  }
  const text = texts.join('\n');
  return { text: block.is_error ? `Error: ${text}` : text === '' ? '(no output)' : text, media };
}

/** Undefined when the model is known not to support it. */
function convertMedia(
  block: Extract<ContentBlock, { type: 'image' | 'document' }>,
  options: ChatOptions,
): ChatPart | undefined {
  const media = mediaOf(block, options.provider);
  if (media.kind === 'text') return { type: 'text', text: media.text };
  if (media.kind === 'image') {
    if (options.facts.images === false) return undefined;
    const url = 'url' in media ? media.url : `data:${media.mediaType};base64,${media.base64}`;
    return { type: 'image_url', image_url: { url } };
  }
  if (options.facts.pdf === false) return undefined;
  if ('url' in media) {
    refuse(400, `${options.provider} takes no PDF by URL. Send the document's data as base64.`);
  }
  return {
    type: 'file',
    file: {
      filename: media.name ?? 'document.pdf',
      file_data: `data:${media.mediaType};base64,${media.base64}`,
    },
  };
}
