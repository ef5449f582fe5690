import type { ImageSource, Notice, ToolResult } from './items.ts';

/** The SDK's messages are foreign data: they are read field by field, and what is unexpected is left out. */
export type Json = Record<string, unknown>;

export const object = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
export const count = (value: unknown): number => (typeof value === 'number' ? value : 0);
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const objects = (value: unknown): Json[] =>
  list(value)
    .map(object)
    .filter((entry) => entry !== undefined);

/** What a block of an answer is on the screen. */
export type Block =
  | { kind: 'text'; text: string }
  | { kind: 'thinking'; text: string }
  | { kind: 'tool'; id: string; name: string; input: Json };

export interface AssistantWords {
  messageId: string;
  /** The tool call that started the subagent which speaks; null for the main agent. */
  parent: string | null;
  blocks: Block[];
}

/** The words and tool calls of an `assistant` message. */
export function readAssistant(message: Json): AssistantWords {
  const inner = object(message.message) ?? {};
  return {
    messageId: text(inner.id),
    parent: typeof message.parent_tool_use_id === 'string' ? message.parent_tool_use_id : null,
    blocks: objects(inner.content).flatMap(readBlock),
  };
}

function readBlock(block: Json): Block[] {
  switch (block.type) {
    case 'text':
      return [{ kind: 'text', text: text(block.text) }];
    case 'thinking':
      return [{ kind: 'thinking', text: text(block.thinking) }];
    case 'redacted_thinking':
      return [{ kind: 'thinking', text: '' }];
    case 'tool_use':
    case 'server_tool_use':
    case 'mcp_tool_use':
      return [{ kind: 'tool', id: text(block.id), name: text(block.name), input: object(block.input) ?? {} }];
    default:
      return [];
  }
}

/** The results of tools in a `user` message, by the id of their call. */
export function readToolResults(message: Json, seq: number): [id: string, result: ToolResult][] {
  return objects(object(message.message)?.content).flatMap((block): [string, ToolResult][] => {
    if (block.type !== 'tool_result') return [];
    const parts = typeof block.content === 'string' ? [] : objects(block.content);
    const words = typeof block.content === 'string' ? block.content : parts.map(partText).join('\n');
    return [
      [
        text(block.tool_use_id),
        {
          // The agent wraps errors into a tag of its own.
          text: words.replace(/<\/?tool_use_error>/g, ''),
          images: parts.flatMap((part) => imageOf(part) ?? []),
          isError: block.is_error === true,
          details: message.tool_use_result,
          seq,
        },
      ],
    ];
  });
}

function partText(part: Json): string {
  if (part.type === 'text') return text(part.text);
  return part.type === 'image' ? '' : `[${text(part.type)}]`;
}

/** The picture of an `image` block. */
export function imageOf(block: Json): ImageSource | undefined {
  if (block.type !== 'image') return undefined;
  const source = object(block.source) ?? {};
  if (source.type === 'base64')
    return { kind: 'data', mediaType: text(source.media_type), data: text(source.data) };
  return source.type === 'url' ? { kind: 'url', url: text(source.url) } : undefined;
}

/** What a `system` message tells a reader of the conversation. */
export function readNotice(message: Json): Notice | undefined {
  switch (message.subtype) {
    case 'compact_boundary':
      return { type: 'compacted' };
    case 'local_command_output':
      return { type: 'command_output', text: text(message.content) };
    case 'api_retry':
      return { type: 'api_retry', attempt: count(message.attempt), most: count(message.max_retries) };
    default:
      return undefined;
  }
}

export interface McpServer {
  name: string;
  status: string;
}

/** What the agent has, as it says at the beginning of each turn. */
export interface AgentFacts {
  commands: readonly string[];
  mcpServers: readonly McpServer[];
  model: string;
  version: string;
}

export function readInit(message: Json): AgentFacts {
  const onlyInTerminal = new Set(list(message.terminal_slash_commands));
  return {
    commands: list(message.slash_commands).filter(
      (name): name is string =>
        typeof name === 'string' && !onlyInTerminal.has(name) && !name.startsWith('_'),
    ),
    mcpServers: objects(message.mcp_servers).map((server) => ({
      name: text(server.name),
      status: text(server.status),
    })),
    model: text(message.model),
    version: text(message.claude_code_version),
  };
}
