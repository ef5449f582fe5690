import type { JsonObject, MessagesRequest } from '../../messages/types.ts';

// Content of a request or an answer that the other format cannot express is dropped, and reported by kind: in the
// header `x-gateway-dropped` and in a debug line of the log. The README has a table of all kinds.

/** Request fields with a meaning for Anthropic's servers only. */
const anthropicOnly = ['context_management', 'service_tier', 'mcp_servers', 'container', 'speed'];

/** The kinds of content that a translation drops from a request. */
export function droppedOf(request: MessagesRequest): string[] {
  const body = request as unknown as JsonObject;
  const kinds = anthropicOnly.filter((name) => body[name] !== undefined && body[name] !== null);
  const tools = request.tools ?? [];
  if (tools.some((tool) => tool.type && tool.type !== 'custom' && !tool.input_schema))
    kinds.push('server_tools');
  return kinds;
}

/** The text of an answer that had nothing but content which cannot be shown. */
export const droppedNote = (kinds: readonly string[]): string =>
  `[The model answered with nothing that can be shown here: ${kinds.join(', ')}.]`;
