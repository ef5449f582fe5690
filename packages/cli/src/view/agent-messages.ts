import type { Item, ToolCall } from './items.ts';
import { advance, newBlock, seal } from './open-block.ts';
import type { McpServer, Reduced, ViewState } from './state.ts';

/** The SDK's messages are untrusted data: read field by field; unexpected values are left out. */
type Json = Record<string, unknown>;

const object = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const count = (value: unknown): number => (typeof value === 'number' ? value : 0);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A message of the log: the agent's words, its tool calls, their results, and news of the agent itself. */
export function readAgentMessage(view: ViewState, message: Json): Reduced {
  switch (message.type) {
    case 'assistant':
      return readAssistant(view, message);
    case 'user':
      return readToolResults(view, message);
    case 'system':
      return readSystem(view, message);
    default:
      return { view, items: [] };
  }
}

function readAssistant(view: ViewState, message: Json): Reduced {
  const inner = object(message.message) ?? {};
  const content = list(inner.content)
    .map(object)
    .filter((block) => block !== undefined);
  const parent = message.parent_tool_use_id;
  if (typeof parent === 'string')
    return { view: { ...view, tools: addSteps(view.tools, parent, content) }, items: [] };

  const items: Item[] = [];
  const tools = [...view.tools];
  let blocks = view.blocks;
  for (const block of content) {
    const type = text(block.type);
    // The log has one message a finished block, in order: it closes the oldest open block of its kind.
    const open = blocks.find((b) => b.messageId === inner.id && b.type === type);
    if (open) blocks = blocks.filter((b) => b !== open);
    if (type === 'text' || type === 'thinking') {
      items.push(...seal(open ?? newBlock('', 0, type), text(type === 'text' ? block.text : block.thinking)));
    } else if (type === 'tool_use') {
      tools.push(toolCall(block));
    }
  }
  return { view: { ...view, blocks, tools, status: undefined }, items };
}

function toolCall(block: Json): ToolCall {
  return {
    id: text(block.id),
    name: text(block.name),
    input: object(block.input) ?? {},
    result: undefined,
    steps: 0,
    lastStep: undefined,
  };
}

/** A subagent's tool calls are shown only as progress of the call that started it. */
function addSteps(tools: readonly ToolCall[], parent: string, content: readonly Json[]): ToolCall[] {
  const steps = content.filter((block) => block.type === 'tool_use').map(toolCall);
  const last = steps.at(-1);
  return tools.map((tool) =>
    tool.id === parent && last
      ? { ...tool, steps: tool.steps + steps.length, lastStep: { name: last.name, input: last.input } }
      : tool,
  );
}

function readToolResults(view: ViewState, message: Json): Reduced {
  if (typeof message.parent_tool_use_id === 'string') return { view, items: [] };
  let tools = view.tools;
  for (const part of list(object(message.message)?.content)) {
    const block = object(part);
    if (block?.type !== 'tool_result') continue;
    const result = {
      text: resultText(block.content),
      isError: block.is_error === true,
      details: message.tool_use_result,
    };
    tools = tools.map((tool) => (tool.id === block.tool_use_id ? { ...tool, result } : tool));
  }
  return showFinished({ ...view, tools });
}

/** Results may come in any order; the scrollback gets them in the order of the calls. */
function showFinished(view: ViewState): Reduced {
  const open = view.tools.findIndex((tool) => tool.result === undefined);
  const finished = open === -1 ? view.tools : view.tools.slice(0, open);
  return {
    view: { ...view, tools: view.tools.slice(finished.length) },
    items: finished.map((call): Item => ({ kind: 'tool', call })),
  };
}

function resultText(content: unknown): string {
  if (typeof content === 'string') return content;
  return list(content)
    .map((part) => {
      const block = object(part);
      return block?.type === 'text' ? text(block.text) : `[${text(block?.type) || 'content'}]`;
    })
    .join('\n');
}

function readSystem(view: ViewState, message: Json): Reduced {
  const notice = (words: string, level: 'info' | 'warning' = 'info'): Reduced => ({
    view,
    items: [{ kind: 'notice', level, text: words }],
  });
  switch (message.subtype) {
    case 'init': {
      const agentCommands = list(message.slash_commands).filter((name) => typeof name === 'string');
      return {
        view: {
          ...view,
          agentCommands,
          mcpServers: mcpServers(message),
          model: view.model ?? (text(message.model) || null),
          cwd: text(message.cwd) || view.cwd,
        },
        items: [],
      };
    }
    case 'status':
      return {
        view: { ...view, status: message.status === 'compacting' ? 'Compacting' : undefined },
        items: [],
      };
    case 'compact_boundary':
      return notice('The conversation was compacted: older messages were replaced by a summary.');
    case 'api_retry': {
      const attempt = `${count(message.attempt)} of ${count(message.max_retries)}`;
      return { view: { ...view, status: `The model's API failed, trying again (${attempt})` }, items: [] };
    }
    case 'local_command_output':
      return notice(text(message.content));
    default:
      return { view, items: [] };
  }
}

function mcpServers(init: Json): McpServer[] {
  const tools = list(init.tools).filter((name) => typeof name === 'string');
  return list(init.mcp_servers)
    .map(object)
    .filter((server) => server !== undefined)
    .map((server) => {
      const name = text(server.name);
      const prefix = `mcp__${name.replace(/[^\w-]/g, '_')}__`;
      const own = tools.filter((tool) => tool.startsWith(prefix)).map((tool) => tool.slice(prefix.length));
      return { name, status: text(server.status), tools: own };
    });
}

/** A token delta: the SDK's `stream_event`. Subagents' own words are not shown. */
export function readStreamEvent(view: ViewState, message: Json): Reduced {
  const event = object(message.event);
  if (!event || typeof message.parent_tool_use_id === 'string') {
    return { view, items: [] };
  }
  switch (event.type) {
    case 'message_start': {
      const started = object(event.message);
      const inputTokens = inputOf(object(started?.usage));
      const turn = view.turn && { ...view.turn, inputTokens: inputTokens || view.turn.inputTokens };
      return { view: { ...view, turn, messageId: text(started?.id), status: undefined }, items: [] };
    }
    case 'content_block_start': {
      const block = object(event.content_block) ?? {};
      const open = newBlock(
        view.messageId,
        count(event.index),
        text(block.type),
        text(block.name) || undefined,
      );
      return { view: { ...view, blocks: [...view.blocks, open] }, items: [] };
    }
    case 'content_block_delta':
      return addDelta(view, count(event.index), object(event.delta) ?? {});
    case 'message_delta': {
      const tokens = count(object(event.usage)?.output_tokens);
      const turn = view.turn && { ...view.turn, outputTokens: view.turn.outputTokens + tokens };
      return { view: { ...view, turn }, items: [] };
    }
    default:
      return { view, items: [] };
  }
}

function addDelta(view: ViewState, index: number, delta: Json): Reduced {
  const more = text(delta.text) || text(delta.thinking) || text(delta.partial_json);
  if (more === '') return { view, items: [] };
  const items: Item[] = [];
  const blocks = view.blocks.map((block) => {
    if (block.index !== index || block.messageId !== view.messageId) return block;
    const advanced = advance({ ...block, text: block.text + more });
    items.push(...advanced.items);
    return advanced.block;
  });
  return { view: { ...view, blocks }, items };
}

function inputOf(usage: Json | undefined): number {
  return (
    count(usage?.input_tokens) +
    count(usage?.cache_read_input_tokens) +
    count(usage?.cache_creation_input_tokens)
  );
}
