/**
 * The agent SDK's messages, as far as programs read them. They are what `agent.message` events carry verbatim; every
 * field that the SDK sends is there at run time, whether it is named here or not.
 */

export type MessagePart =
  | { type: 'text'; text: string }
  | { type: 'thinking'; thinking: string; signature?: string }
  | { type: 'tool_use'; id: string; name: string; input: unknown };

export interface TokenUsage {
  input_tokens: number;
  output_tokens: number;
  cache_creation_input_tokens?: number | null;
  cache_read_input_tokens?: number | null;
}

export interface AssistantMessage {
  type: 'assistant';
  message: {
    id: string;
    role: 'assistant';
    model: string;
    content: MessagePart[];
    stop_reason: string | null;
    usage: TokenUsage;
  };
  /** Set when a subagent speaks: the tool call that started it. */
  parent_tool_use_id: string | null;
  error?: string;
  uuid: string;
  session_id: string;
}

export interface ToolResultPart {
  type: 'tool_result';
  tool_use_id: string;
  content?: unknown;
  is_error?: boolean;
}

export interface UserMessage {
  type: 'user';
  message: {
    role: 'user';
    content: string | (ToolResultPart | { type: string; [field: string]: unknown })[];
  };
  parent_tool_use_id: string | null;
  /** The tool's own structured output. */
  tool_use_result?: unknown;
  isSynthetic?: boolean;
  uuid?: string;
  session_id: string;
}

/** `subtype: 'init'` begins every turn and says what the agent has. */
export interface SystemMessage {
  type: 'system';
  subtype: string;
  uuid: string;
  session_id: string;
  cwd?: string;
  model?: string;
  permissionMode?: string;
  tools?: string[];
  mcp_servers?: { name: string; status: string }[];
  slash_commands?: string[];
  claude_code_version?: string;
  [field: string]: unknown;
}

interface ResultFields {
  type: 'result';
  duration_ms: number;
  duration_api_ms: number;
  is_error: boolean;
  num_turns: number;
  stop_reason: string | null;
  total_cost_usd: number;
  usage: TokenUsage;
  modelUsage: Record<string, unknown>;
  permission_denials: { tool_name: string; tool_use_id: string; tool_input: Record<string, unknown> }[];
  uuid: string;
  session_id: string;
}

export type ResultMessage =
  | (ResultFields & { subtype: 'success'; result: string; structured_output?: unknown })
  | (ResultFields & {
      subtype:
        | 'error_during_execution'
        | 'error_max_turns'
        | 'error_max_budget_usd'
        | 'error_max_structured_output_retries';
      errors: string[];
    });

/** A token delta; only with `includePartialMessages`. */
export interface PartialMessage {
  type: 'stream_event';
  // biome-ignore lint/suspicious/noExplicitAny: Anthropic's stream events, whose types this package does not carry
  event: { type: string; [field: string]: any };
  parent_tool_use_id: string | null;
  uuid: string;
  session_id: string;
}

/** News of the agent that few programs look at. */
export interface OtherMessage {
  type: 'tool_progress' | 'auth_status' | 'rate_limit_event' | 'tool_use_summary' | 'prompt_suggestion';
  session_id: string;
  [field: string]: unknown;
}

export type AgentMessage =
  | AssistantMessage
  | UserMessage
  | SystemMessage
  | ResultMessage
  | PartialMessage
  | OtherMessage;
