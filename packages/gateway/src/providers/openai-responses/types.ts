import type { JsonObject } from '../../messages/types.ts';

export type InputPart =
  | { type: 'input_text'; text: string }
  | { type: 'input_image'; image_url: string }
  | { type: 'input_file'; filename?: string; file_data?: string; file_url?: string };

export type InputItem =
  | { type: 'message'; role: 'user' | 'system'; content: InputPart[] }
  | { type: 'message'; role: 'assistant'; content: { type: 'output_text'; text: string }[] }
  | { type: 'function_call'; call_id: string; name: string; arguments: string }
  | { type: 'function_call_output'; call_id: string; output: string | InputPart[] }
  | {
      type: 'reasoning';
      summary: { type: 'summary_text'; text: string }[];
      encrypted_content: string;
    };

export interface ResponsesRequest extends JsonObject {
  model: string;
  input: InputItem[];
}

export interface OutputItem {
  type?: string;
  id?: string;
  call_id?: string;
  name?: string;
  arguments?: string;
  encrypted_content?: string | null;
  summary?: { text?: string }[];
  content?: { type?: string; text?: string; refusal?: string; annotations?: unknown[] }[];
}

export interface ResponseObject {
  status?: string;
  output?: OutputItem[];
  error?: unknown;
  incomplete_details?: { reason?: string } | null;
  usage?: {
    input_tokens?: number;
    output_tokens?: number;
    input_tokens_details?: { cached_tokens?: number; cache_write_tokens?: number } | null;
  } | null;
}

export interface ResponsesEvent {
  type?: string;
  item_id?: string;
  output_index?: number;
  delta?: string;
  arguments?: string;
  item?: OutputItem;
  response?: ResponseObject;
  error?: unknown;
  message?: string;
  code?: string | null;
}
