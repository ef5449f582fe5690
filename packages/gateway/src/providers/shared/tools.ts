import { refuse } from '../../messages/errors.ts';
import type { MessagesRequest, Tool } from '../../messages/types.ts';

/** Whether the client runs a tool; the others run on Anthropic's servers. */
function isClientTool(tool: Tool): boolean {
  return tool.type === undefined || tool.type === null || tool.type === 'custom' || !!tool.input_schema;
}

/** The tools that the conversation refers to: called, or found by a tool search. */
function knownNames(request: MessagesRequest): Set<string> {
  const names = new Set<string>();
  for (const message of request.messages) {
    if (typeof message.content === 'string') continue;
    for (const block of message.content) {
      if (block.type === 'tool_use') names.add(block.name);
      if (block.type !== 'tool_result' || typeof block.content === 'string') continue;
      for (const part of block.content ?? []) if (part.type === 'tool_reference') names.add(part.tool_name);
    }
  }
  return names;
}

/**
 * The tools to offer to a provider other than Anthropic. A deferred tool is left out until a tool search has found it,
 * as at Anthropic, or the request forces it; without a search tool of the client, all are offered. Tools that run on
 * Anthropic's servers are left out, or refused by name when there are no others.
 */
export function offeredTools(request: MessagesRequest, provider: string): Tool[] {
  const tools = request.tools ?? [];
  if (tools.length === 0) return [];
  const own = tools.filter(isClientTool);
  const forced = request.tool_choice?.type === 'tool' ? request.tool_choice.name : undefined;
  const foreign = tools.find((tool) => !isClientTool(tool) && (tool.name === forced || own.length === 0));
  if (foreign) {
    refuse(
      400,
      `The tool ${foreign.type ?? foreign.name} runs on Anthropic's servers and ${provider} has nothing like it. ` +
        'Remove it from `tools`, or send this request to an Anthropic model.',
    );
  }
  const searchable = own.some((tool) => !tool.defer_loading && /tool_?search/i.test(tool.name));
  if (!searchable) return own;
  const known = knownNames(request);
  return own.filter((tool) => !tool.defer_loading || known.has(tool.name) || tool.name === forced);
}
