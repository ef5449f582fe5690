import { isObject } from '../../messages/is-object.ts';
import { decodeProvenance } from '../../messages/provenance.ts';
import { createIdUnwrapper } from '../../messages/tool-ids.ts';
import type {
  ContentBlock,
  JsonObject,
  MessagesRequest,
  Tool,
  ToolResultBlock,
} from '../../messages/types.ts';
import type { ModelFacts } from '../../upstream/target.ts';
import {
  asText,
  blocksOf,
  earlierResult,
  joinTexts,
  mediaOf,
  missingResult,
  omitted,
  refuseMedia,
  systemTexts,
} from '../shared/content.ts';
import { isStrictSchema, toolSchema } from '../shared/schema.ts';
import { answerSchema, cacheKey, maxTokens } from '../shared/settings.ts';
import { takenEffort, wishOf } from '../shared/thinking.ts';
import { shortenToolName } from '../shared/tool-names.ts';
import { offeredTools } from '../shared/tools.ts';
import type { InputItem, InputPart, ResponsesRequest } from './types.ts';

interface ResponsesOptions {
  provider: string;
  model: string;
  facts: ModelFacts;
  /** Parameters that this upstream has refused before. */
  refused: ReadonlySet<string>;
  stream: boolean;
  sessionId?: string | undefined;
  /** `convertTool`, or a memoized version of it. */
  toTool?: (tool: Tool) => JsonObject;
}

/** The smallest `max_output_tokens` that Responses accepts; clients probe with 1. */
const smallestLimit = 16;

/** A Messages request as a Responses request, with nothing stored at the provider. */
export function convertRequest(request: MessagesRequest, options: ResponsesOptions): ResponsesRequest {
  const body: ResponsesRequest = {
    model: options.model,
    input: convertMessages(request, options),
    store: false,
  };
  const put = (name: string, value: unknown) => {
    if (value !== undefined && !options.refused.has(name)) body[name] = value;
  };
  const system = systemTexts(request).join('\n\n');
  if (system !== '') put('instructions', system);
  const limit = maxTokens(request, options.facts);
  if (limit !== undefined) put('max_output_tokens', Math.max(limit, smallestLimit));
  const reasoning = options.facts.reasoning !== false;
  if (reasoning) {
    const wish = wishOf(request);
    const effort = takenEffort(wish, 'reasoning.effort', options.refused);
    // Organisations not verified by OpenAI get reasoning, but no summaries. Without a request for thinking none is
    // shown.
    const shown = wish.mode === 'on' && !options.refused.has('reasoning.summary');
    const summary = shown ? 'auto' : undefined;
    if (effort || summary) put('reasoning', { ...(effort && { effort }), ...(summary && { summary }) });
    put('include', ['reasoning.encrypted_content']);
  } else {
    put('temperature', request.temperature);
    put('top_p', request.top_p);
  }
  const tools = offeredTools(request, options.provider);
  if (tools.length > 0) {
    body.tools = tools.map(options.toTool ?? convertTool);
    const choice = request.tool_choice;
    if (choice?.type === 'any') put('tool_choice', 'required');
    else if (choice?.type === 'tool')
      put('tool_choice', { type: 'function', name: shortenToolName(choice.name) });
    else if (choice?.type === 'auto' || choice?.type === 'none') put('tool_choice', choice.type);
    if (choice && 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use) {
      put('parallel_tool_calls', false);
    }
  }
  const schema = answerSchema(request);
  if (schema) {
    const strict = isStrictSchema(schema);
    put('text', { format: { type: 'json_schema', name: 'answer', schema, strict } });
  }
  if (options.sessionId) put('prompt_cache_key', cacheKey(options.sessionId));
  if (options.stream) body.stream = true;
  return body;
}

export function convertTool(tool: Tool): JsonObject {
  return {
    type: 'function',
    name: shortenToolName(tool.name),
    ...(tool.description ? { description: tool.description } : {}),
    parameters: toolSchema(tool.input_schema),
    strict: false,
  };
}

function convertMessages(request: MessagesRequest, options: ResponsesOptions): InputItem[] {
  const out: InputItem[] = [];
  const calls = request.messages.flatMap((message) =>
    blocksOf(message.content).flatMap((block) => (block.type === 'tool_use' ? [block.id] : [])),
  );
  const id = createIdUnwrapper(calls);
  let open: string[] = [];

  /** Adds missing outputs: a call without one is refused, and an interrupted turn has none. */
  function settle(): void {
    for (const call of open) {
      out.push({ type: 'function_call_output', call_id: id(call), output: missingResult });
    }
    open = [];
  }

  for (const message of request.messages) {
    const blocks = blocksOf(message.content);
    if (message.role === 'system') {
      const text = joinTexts(message.content);
      settle();
      if (text !== '') out.push({ type: 'message', role: 'system', content: [{ type: 'input_text', text }] });
    } else if (message.role === 'assistant') {
      settle();
      open = pushAssistant(out, blocks, options, id);
    } else {
      const parts: InputPart[] = [];
      for (const block of blocks) {
        if (block.type === 'tool_result' && open.includes(block.tool_use_id)) {
          open = open.filter((call) => call !== block.tool_use_id);
          out.push({
            type: 'function_call_output',
            call_id: id(block.tool_use_id),
            output: outputOf(block, options),
          });
        } else parts.push(...userParts(block, options));
      }
      settle();
      if (parts.length > 0) out.push({ type: 'message', role: 'user', content: parts });
    }
  }
  settle();
  return out;
}

function pushAssistant(
  out: InputItem[],
  blocks: readonly ContentBlock[],
  options: ResponsesOptions,
  id: (value: string) => string,
): string[] {
  const calls: string[] = [];
  /** Reasoning is held until an item follows it: on its own it is refused. */
  let reasoning: InputItem[] = [];
  const put = (item: InputItem) => {
    out.push(...reasoning, item);
    reasoning = [];
  };
  for (const block of blocks) {
    if (block.type === 'tool_use') {
      calls.push(block.id);
      put({
        type: 'function_call',
        call_id: id(block.id),
        name: shortenToolName(block.name),
        arguments: JSON.stringify(block.input ?? {}),
      });
    } else if (block.type === 'thinking') {
      const item = reasoningItem(block.thinking, block.signature, options);
      if (item) reasoning.push(item);
    } else if (block.type !== 'redacted_thinking') {
      const text = asText(block);
      if (text.trim() !== '')
        put({ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] });
    }
  }
  return calls;
}

/**
 * The provider's own reasoning goes back without its id: with an id, it is refused before a message without one, and
 * the client does not keep message ids. Other providers' reasoning is left out.
 */
function reasoningItem(
  thinking: string,
  signature: string | undefined,
  options: ResponsesOptions,
): InputItem | undefined {
  const provenance = decodeProvenance(signature);
  if (provenance?.from !== options.provider || !isObject(provenance.data)) return undefined;
  const { encrypted } = provenance.data;
  if (typeof encrypted !== 'string') return undefined;
  return {
    type: 'reasoning',
    summary: thinking === '' ? [] : [{ type: 'summary_text', text: thinking }],
    encrypted_content: encrypted,
  };
}

function outputOf(block: ToolResultBlock, options: ResponsesOptions): string | InputPart[] {
  const parts: InputPart[] = [];
  for (const part of blocksOf(block.content ?? '')) {
    if (part.type === 'image' || part.type === 'document') {
      parts.push(convertMedia(part, options) ?? { type: 'input_text', text: omitted(part, options.model) });
    } else parts.push({ type: 'input_text', text: asText(part) });
  }
  if (parts.every((part) => part.type === 'input_text')) {
    const text = parts.map((part) => part.text).join('\n');
    if (block.is_error) return `Error: ${text}`;
    return text === '' ? '(no output)' : text;
  }
  return block.is_error ? [{ type: 'input_text', text: 'Error:' }, ...parts] : parts;
}

function userParts(block: ContentBlock, options: ResponsesOptions): InputPart[] {
  switch (block.type) {
    case 'image':
    case 'document':
      return [convertMedia(block, options) ?? refuseMedia(block, options.model)];
    case 'thinking':
    case 'redacted_thinking':
      return [];
    case 'tool_result': {
      const output = outputOf(block, options);
      const parts: InputPart[] = typeof output === 'string' ? [{ type: 'input_text', text: output }] : output;
      return [{ type: 'input_text', text: earlierResult }, ...parts];
    }
    default: {
      const text = asText(block);
      return text === '' ? [] : [{ type: 'input_text', text }];
    }
  }
}

/** Undefined when the model is known not to support it. */
function convertMedia(
  block: Extract<ContentBlock, { type: 'image' | 'document' }>,
  options: ResponsesOptions,
): InputPart | undefined {
  const media = mediaOf(block, options.provider);
  if (media.kind === 'text') return { type: 'input_text', text: media.text };
  if (media.kind === 'image') {
    if (options.facts.images === false) return undefined;
    return {
      type: 'input_image',
      image_url: 'url' in media ? media.url : `data:${media.mediaType};base64,${media.base64}`,
    };
  }
  if (options.facts.pdf === false) return undefined;
  return 'url' in media
    ? { type: 'input_file', file_url: media.url }
    : {
        type: 'input_file',
        filename: media.name ?? 'document.pdf',
        file_data: `data:${media.mediaType};base64,${media.base64}`,
      };
}
