import type { JsonObject } from '../../messages/types.ts';

export type ChatPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string } }
  | { type: 'file'; file: { filename: string; file_data: string } };

export interface ChatToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
  extra_content?: JsonObject;
}

export type ChatMessage =
  | { role: 'system' | 'developer'; content: string }
  | { role: 'user'; content: string | ChatPart[] }
  | {
      role: 'assistant';
      content: string | null;
      tool_calls?: ChatToolCall[];
      reasoning_content?: string;
      reasoning_details?: ReasoningDetail[];
      reasoning_text?: string;
      reasoning_opaque?: string;
      extra_content?: JsonObject;
    }
  | { role: 'tool'; tool_call_id: string; content: string };

export interface ChatRequest extends JsonObject {
  model: string;
  messages: ChatMessage[];
}

/** OpenRouter's `reasoning.text`, `reasoning.summary` and `reasoning.encrypted`. */
export interface ReasoningDetail {
  type?: string;
  index?: number | null;
  id?: string | null;
  text?: string | null;
  summary?: string | null;
  data?: string | null;
  [field: string]: unknown;
}

interface TextPart {
  type?: string;
  text?: string;
  thinking?: string | { text?: string }[];
}

interface FunctionDelta {
  name?: string | null;
  arguments?: string | JsonObject | null;
}

export interface ToolCallDelta {
  index?: number | null;
  id?: string | null;
  function?: FunctionDelta | null;
  extra_content?: JsonObject | null;
}

export interface ChatDelta {
  content?: string | TextPart[] | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
  reasoning_text?: string | null;
  reasoning_details?: ReasoningDetail[] | null;
  reasoning_opaque?: string | null;
  extra_content?: JsonObject | null;
  refusal?: string | null;
  annotations?: unknown[] | null;
  images?: unknown[] | null;
  audio?: unknown;
  tool_calls?: ToolCallDelta[] | null;
  function_call?: FunctionDelta | null;
}

export interface ChatUsage {
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  total_tokens?: number | null;
  completion_tokens_details?: { reasoning_tokens?: number | null } | null;
  prompt_tokens_details?: { cached_tokens?: number | null; cache_write_tokens?: number | null } | null;
  prompt_cache_hit_tokens?: number | null;
  /** Kimi. */
  cached_tokens?: number | null;
}

export interface ChatChunk {
  object?: string;
  choices?:
    | {
        index?: number;
        delta?: ChatDelta | null;
        message?: ChatDelta | null;
        finish_reason?: string | null;
        stop_reason?: string | number | null;
        /** Kimi. */
        usage?: ChatUsage | null;
      }[]
    | null;
  usage?: ChatUsage | null;
  x_groq?: { usage?: ChatUsage | null; error?: unknown } | null;
  error?: unknown;
  /** Perplexity's sources. */
  citations?: unknown[] | null;
  search_results?: unknown[] | null;
  /** Errors that some send instead of a chunk. */
  detail?: unknown;
  message?: unknown;
  msg?: unknown;
  code?: unknown;
}
