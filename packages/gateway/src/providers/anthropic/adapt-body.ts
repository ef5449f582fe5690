import { isObject } from '../../messages/is-object.ts';
import { decodeProvenance } from '../../messages/provenance.ts';
import type { JsonObject } from '../../messages/types.ts';

/** Fields that need a beta header, which only Anthropic gets. */
const betaFields = ['context_management', 'mcp_servers', 'container', 'speed', 'betas'];

/** Lessons for one conversation: send its history without thinking blocks, or turn thinking off. */
export const ownThoughts = 'the thoughts of the history';
export const thinkingMode = 'the thinking mode';

interface AdaptOptions {
  model: string;
  firstParty: boolean;
  /** Fields that the upstream refuses, and the two lessons above. */
  refused: ReadonlySet<string>;
}

/** A copy of the body for an upstream other than Anthropic, or other than the one that began the conversation. */
export function adaptBody(body: JsonObject, options: AdaptOptions): JsonObject {
  const out: JsonObject = { ...body, model: options.model };
  if (Array.isArray(body.messages)) {
    const all = options.refused.has(ownThoughts);
    out.messages = body.messages.map((message) => withoutForeignThinking(message, all));
  }
  if (options.refused.has(thinkingMode)) dropThinkingMode(out);
  if (options.firstParty) return out;
  for (const field of betaFields) delete out[field];
  for (const field of options.refused) delete out[field];
  if (Array.isArray(body.system)) {
    out.system = body.system.filter(
      (block) => !(isObject(block) && String(block.text).startsWith('x-anthropic-billing-header')),
    );
  }
  if (Array.isArray(body.tools)) {
    out.tools = body.tools.map((tool) => {
      if (!isObject(tool)) return tool;
      const { defer_loading: _deferred, eager_input_streaming: _eager, ...rest } = tool;
      return rest;
    });
  }
  if (Array.isArray(out.messages)) out.messages = out.messages.map(systemAsUser);
  return out;
}

/** Anthropic refuses thinking blocks that are unsigned or signed by another provider. */
function withoutForeignThinking(message: unknown, all: boolean): unknown {
  if (!isObject(message) || !Array.isArray(message.content)) return message;
  const content = message.content.filter((block) => {
    if (!isObject(block)) return true;
    if (block.type === 'thinking') {
      return !all && decodeProvenance(String(block.signature ?? '')) === undefined;
    }
    if (block.type === 'redacted_thinking') {
      return !all && decodeProvenance(String(block.data ?? '')) === undefined;
    }
    return true;
  });
  if (content.length === message.content.length) return message;
  // A turn of nothing but thinking must not become empty.
  return { ...message, content: content.length > 0 ? content : [{ type: 'text', text: '(thinking)' }] };
}

/** Edits that clear old thinking are refused too when thinking is off. */
function dropThinkingMode(body: JsonObject): void {
  delete body.thinking;
  const management = body.context_management;
  if (!isObject(management) || !Array.isArray(management.edits)) return;
  const edits = management.edits.filter(
    (edit) => !(isObject(edit) && String(edit.type).startsWith('clear_thinking_')),
  );
  if (edits.length > 0) body.context_management = { ...management, edits };
  else delete body.context_management;
}

/** `system` messages inside `messages`, and tool references, are extensions of Anthropic's. */
function systemAsUser(message: unknown): unknown {
  if (!isObject(message)) return message;
  if (message.role === 'system') return { ...message, role: 'user' };
  if (!Array.isArray(message.content)) return message;
  let changed = false;
  const content = message.content.map((block) => {
    if (!isObject(block) || block.type !== 'tool_result' || !Array.isArray(block.content)) return block;
    const parts = block.content.map((part) => {
      if (!isObject(part) || part.type !== 'tool_reference') return part;
      changed = true;
      return { type: 'text', text: `The tool ${String(part.tool_name)} is available now.` };
    });
    return { ...block, content: parts };
  });
  return changed ? { ...message, content } : message;
}
