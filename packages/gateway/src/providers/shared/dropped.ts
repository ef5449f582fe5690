import type { JsonObject, MessagesRequest } from '../../messages/types.ts';

// What of a request or an answer has no form on the other side, and is left out, is said: by kind, in the header
// `x-gateway-dropped` and in a debug line of the log. The README's table names all kinds.

/** Fields of a request that mean something to Anthropic's servers only. */
const anthropicOnly = ['context_management', 'service_tier', 'mcp_servers', 'container', 'speed'];

/** The kinds that a translation leaves out of a request. */
export function droppedOf(request: MessagesRequest): string[] {
  const body = request as unknown as JsonObject;
  const kinds = anthropicOnly.filter((name) => body[name] !== undefined && body[name] !== null);
  const tools = request.tools ?? [];
  if (tools.some((tool) => tool.type && tool.type !== 'custom' && !tool.input_schema))
    kinds.push('server_tools');
  return kinds;
}

/** What the client reads where the model's answer was nothing but things that cannot be shown. */
export const droppedNote = (kinds: readonly string[]): string =>
  `[The model answered with nothing that can be shown here: ${kinds.join(', ')}.]`;
