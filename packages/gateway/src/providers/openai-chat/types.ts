import type { JsonObject } from '../../messages/types.ts';

export type ChatPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string } }
  | { type: 'file'; file: { filename: string; file_data: string } };

export interface ChatToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

export type ChatMessage =
  | { role: 'system' | 'developer'; content: string }
  | { role: 'user'; content: string | ChatPart[] }
  | { role: 'assistant'; content: string | null; tool_calls?: ChatToolCall[]; reasoning_content?: string }
  | { role: 'tool'; tool_call_id: string; content: string };

export interface ChatRequest extends JsonObject {
  model: string;
  messages: ChatMessage[];
}

interface TextPart {
  type?: string;
  text?: string;
  thinking?: string | { text?: string }[];
}

export interface ChatDelta {
  content?: string | TextPart[] | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
  refusal?: string | null;
  tool_calls?:
    | {
        index?: number | null;
        id?: string | null;
        function?: { name?: string | null; arguments?: string | JsonObject | null } | null;
      }[]
    | null;
}

export interface ChatUsage {
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  total_tokens?: number | null;
  completion_tokens_details?: { reasoning_tokens?: number | null } | null;
  prompt_tokens_details?: { cached_tokens?: number | null; cache_write_tokens?: number | null } | null;
  prompt_cache_hit_tokens?: number | null;
}

export interface ChatChunk {
  choices?:
    | {
        index?: number;
        delta?: ChatDelta | null;
        message?: ChatDelta | null;
        finish_reason?: string | null;
        stop_reason?: string | number | null;
      }[]
    | null;
  usage?: ChatUsage | null;
  x_groq?: { usage?: ChatUsage | null; error?: unknown } | null;
  error?: unknown;
}
