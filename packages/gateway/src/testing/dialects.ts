import { crc32 } from 'node:zlib';
import type { ConfigFile } from '../config.ts';
import { sseText } from './upstream.ts';

/** One turn of a model, to be written in each dialect. */
export interface Turn {
  thinking?: string;
  text?: string;
  tools?: { id: string; name: string; input: unknown }[];
  usage: { input: number; cached: number; output: number };
}

export interface DialectFixture {
  name: string;
  /** The provider entry of a gateway configuration. */
  provider(baseUrl: string): NonNullable<ConfigFile['providers']>[string];
  contentType: string;
  /** The body of a stream with this turn. */
  stream(turn: Turn): Buffer;
  /** An error answer in the provider's own shape. */
  error(message: string, status: number): unknown;
}

const facts = { context: 100_000, output: 8_000, images: true, pdf: true, reasoning: true };

/** A text in chunks, cut inside words and near multi-byte characters. */
function cutText(text: string, size = 5): string[] {
  const out: string[] = [];
  const characters = [...text];
  for (let at = 0; at < characters.length; at += size) out.push(characters.slice(at, at + size).join(''));
  return out;
}

function named(chunks: readonly { type: string }[]): string {
  return chunks.map((chunk) => `event: ${chunk.type}\ndata: ${JSON.stringify(chunk)}\n\n`).join('');
}

const openaiChat: DialectFixture = {
  name: 'openai-chat',
  provider: (url) => ({ api: 'openai-chat', base_url: `${url}/v1`, api_key: 'k', models: { m: facts } }),
  contentType: 'text/event-stream',
  error: (message, status) => ({
    error: { message, type: 'x', code: status === 400 ? null : String(status) },
  }),
  stream(turn) {
    const chunk = (delta: unknown, finish: string | null = null) => ({
      id: 'c1',
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
    const chunks: unknown[] = [chunk({ role: 'assistant', content: '' })];
    for (const part of cutText(turn.thinking ?? '')) chunks.push(chunk({ reasoning_content: part }));
    for (const part of cutText(turn.text ?? '')) chunks.push(chunk({ content: part }));
    for (const [index, tool] of (turn.tools ?? []).entries()) {
      const start = { index, id: tool.id, type: 'function', function: { name: tool.name, arguments: '' } };
      chunks.push(chunk({ tool_calls: [start] }));
      for (const part of cutText(JSON.stringify(tool.input), 7)) {
        chunks.push(chunk({ tool_calls: [{ index, function: { arguments: part } }] }));
      }
    }
    chunks.push(chunk({}, turn.tools?.length ? 'tool_calls' : 'stop'), {
      choices: [],
      usage: {
        prompt_tokens: turn.usage.input,
        completion_tokens: turn.usage.output,
        prompt_tokens_details: { cached_tokens: turn.usage.cached },
      },
    });
    return Buffer.from(sseText([...chunks, '[DONE]']));
  },
};

const openaiResponses: DialectFixture = {
  name: 'openai-responses',
  provider: (url) => ({ api: 'openai-responses', base_url: `${url}/v1`, api_key: 'k', models: { m: facts } }),
  contentType: 'text/event-stream',
  error: (message) => ({ error: { message, type: 'invalid_request_error', code: null } }),
  stream(turn) {
    const events: { type: string; [field: string]: unknown }[] = [{ type: 'response.created', response: {} }];
    let index = 0;
    if (turn.thinking) {
      const at = index++;
      const item = { type: 'reasoning', id: 'rs_1', summary: [] };
      events.push({ type: 'response.output_item.added', output_index: at, item });
      events.push({ type: 'response.reasoning_summary_part.added', output_index: at, item_id: 'rs_1' });
      for (const delta of cutText(turn.thinking)) {
        events.push({
          type: 'response.reasoning_summary_text.delta',
          output_index: at,
          item_id: 'rs_1',
          delta,
        });
      }
      const done = {
        ...item,
        summary: [{ type: 'summary_text', text: turn.thinking }],
        encrypted_content: 'ENC',
      };
      events.push({ type: 'response.output_item.done', output_index: at, item: done });
    }
    if (turn.text) {
      const at = index++;
      const item = { type: 'message', id: 'msg_1', content: [] };
      events.push({ type: 'response.output_item.added', output_index: at, item });
      for (const delta of cutText(turn.text)) {
        events.push({ type: 'response.output_text.delta', output_index: at, item_id: 'msg_1', delta });
      }
      const content = [{ type: 'output_text', text: turn.text }];
      events.push({ type: 'response.output_item.done', output_index: at, item: { ...item, content } });
    }
    for (const tool of turn.tools ?? []) {
      const at = index++;
      const item = {
        type: 'function_call',
        id: `fc_${at}`,
        call_id: tool.id,
        name: tool.name,
        arguments: '',
      };
      events.push({ type: 'response.output_item.added', output_index: at, item });
      const whole = JSON.stringify(tool.input);
      for (const delta of cutText(whole, 7)) {
        events.push({ type: 'response.function_call_arguments.delta', output_index: at, delta });
      }
      events.push({ type: 'response.function_call_arguments.done', output_index: at, arguments: whole });
      events.push({
        type: 'response.output_item.done',
        output_index: at,
        item: { ...item, arguments: whole },
      });
    }
    const usage = {
      input_tokens: turn.usage.input,
      output_tokens: turn.usage.output,
      input_tokens_details: { cached_tokens: turn.usage.cached },
    };
    events.push({ type: 'response.completed', response: { status: 'completed', usage } });
    return Buffer.from(named(events));
  },
};

const gemini: DialectFixture = {
  name: 'google',
  provider: (url) => ({ api: 'google', base_url: `${url}/v1beta`, api_key: 'k', models: { m: facts } }),
  contentType: 'text/event-stream',
  error: (message, status) => ({ error: { code: status, message, status: 'X' } }),
  stream(turn) {
    const chunk = (parts: unknown[], more: object = {}) => ({
      candidates: [{ index: 0, content: { role: 'model', parts }, ...more }],
    });
    const chunks: unknown[] = [];
    for (const text of cutText(turn.thinking ?? '')) chunks.push(chunk([{ text, thought: true }]));
    for (const text of cutText(turn.text ?? '')) chunks.push(chunk([{ text }]));
    const calls = (turn.tools ?? []).map((tool, at) => ({
      functionCall: { id: tool.id, name: tool.name, args: tool.input },
      ...(at === 0 ? { thoughtSignature: 'SIG' } : {}),
    }));
    if (calls.length > 0) chunks.push(chunk(calls));
    chunks.push({
      ...chunk([{ text: '' }], { finishReason: 'STOP' }),
      usageMetadata: {
        promptTokenCount: turn.usage.input,
        cachedContentTokenCount: turn.usage.cached,
        candidatesTokenCount: turn.usage.output,
        totalTokenCount: turn.usage.input + turn.usage.output,
      },
    });
    return Buffer.from(sseText(chunks));
  },
};

const vertex: DialectFixture = {
  ...gemini,
  name: 'google-vertex',
  provider: (url) => ({ api: 'google-vertex', base_url: `${url}/v1`, api_key: 'k', models: { m: facts } }),
};

const cohere: DialectFixture = {
  name: 'cohere',
  provider: (url) => ({ api: 'cohere', base_url: `${url}/v2`, api_key: 'k', models: { m: facts } }),
  contentType: 'text/event-stream',
  error: (message) => ({ message }),
  stream(turn) {
    const events: { type: string; [field: string]: unknown }[] = [{ type: 'message-start', id: 'x' }];
    const content = (index: number, type: 'text' | 'thinking', text: string) => {
      const message = (value: string, withType: boolean) => ({
        message: { content: { ...(withType ? { type } : {}), [type]: value } },
      });
      events.push({ type: 'content-start', index, delta: message('', true) });
      for (const part of cutText(text))
        events.push({ type: 'content-delta', index, delta: message(part, false) });
      events.push({ type: 'content-end', index });
    };
    if (turn.thinking) content(0, 'thinking', turn.thinking);
    if (turn.text) content(turn.thinking ? 1 : 0, 'text', turn.text);
    for (const tool of turn.tools ?? []) {
      const call = { id: tool.id, type: 'function', function: { name: tool.name, arguments: '' } };
      events.push({ type: 'tool-call-start', delta: { message: { tool_calls: call } } });
      for (const part of cutText(JSON.stringify(tool.input), 7)) {
        const call = { function: { arguments: part } };
        events.push({ type: 'tool-call-delta', delta: { message: { tool_calls: call } } });
      }
      events.push({ type: 'tool-call-end' });
    }
    const tokens = { input_tokens: turn.usage.input, output_tokens: turn.usage.output };
    events.push({
      type: 'message-end',
      delta: {
        finish_reason: turn.tools?.length ? 'TOOL_CALL' : 'COMPLETE',
        usage: { billed_units: tokens, tokens, cached_tokens: turn.usage.cached },
      },
    });
    return Buffer.from(named(events));
  },
};

/** A frame of Amazon's binary event stream. */
export function bedrockFrame(type: string, payload: unknown): Buffer {
  const header = (name: string, value: string) => {
    const out = Buffer.alloc(4 + name.length + value.length);
    out.writeUInt8(name.length, 0);
    out.write(name, 1);
    out.writeUInt8(7, 1 + name.length);
    out.writeUInt16BE(value.length, 2 + name.length);
    out.write(value, 4 + name.length);
    return out;
  };
  const headers = Buffer.concat([
    header(':event-type', type),
    header(':content-type', 'application/json'),
    header(':message-type', 'event'),
  ]);
  const body = Buffer.from(JSON.stringify(payload));
  const frame = Buffer.alloc(16 + headers.length + body.length);
  frame.writeUInt32BE(frame.length, 0);
  frame.writeUInt32BE(headers.length, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  headers.copy(frame, 12);
  body.copy(frame, 12 + headers.length);
  frame.writeUInt32BE(crc32(frame.subarray(0, frame.length - 4)), frame.length - 4);
  return frame;
}

const bedrock: DialectFixture = {
  name: 'amazon-bedrock',
  provider: (url) => ({ api: 'amazon-bedrock', base_url: url, api_key: 'k', models: { m: facts } }),
  contentType: 'application/vnd.amazon.eventstream',
  error: (message) => ({ message }),
  stream(turn) {
    const frames: Buffer[] = [bedrockFrame('messageStart', { role: 'assistant' })];
    let index = 0;
    const delta = (at: number, value: unknown) =>
      frames.push(bedrockFrame('contentBlockDelta', { contentBlockIndex: at, delta: value }));
    const stop = (at: number) => frames.push(bedrockFrame('contentBlockStop', { contentBlockIndex: at }));
    if (turn.thinking) {
      const at = index++;
      for (const text of cutText(turn.thinking, 20)) delta(at, { reasoningContent: { text } });
      delta(at, { reasoningContent: { signature: 'SIG' } });
      stop(at);
    }
    if (turn.text) {
      const at = index++;
      for (const text of cutText(turn.text, 20)) delta(at, { text });
      stop(at);
    }
    for (const tool of turn.tools ?? []) {
      const at = index++;
      const start = { toolUse: { toolUseId: tool.id, name: tool.name } };
      frames.push(bedrockFrame('contentBlockStart', { contentBlockIndex: at, start }));
      for (const input of cutText(JSON.stringify(tool.input), 16)) delta(at, { toolUse: { input } });
      stop(at);
    }
    frames.push(bedrockFrame('messageStop', { stopReason: turn.tools?.length ? 'tool_use' : 'end_turn' }));
    frames.push(
      bedrockFrame('metadata', {
        usage: {
          inputTokens: turn.usage.input - turn.usage.cached,
          outputTokens: turn.usage.output,
          totalTokens: turn.usage.input + turn.usage.output,
          cacheReadInputTokens: turn.usage.cached,
        },
      }),
    );
    return Buffer.concat(frames);
  },
};

const anthropic: DialectFixture = {
  name: 'anthropic',
  provider: (url) => ({ api: 'anthropic', base_url: url, api_key: 'k', models: { m: facts } }),
  contentType: 'text/event-stream',
  error: (message, status) => ({
    type: 'error',
    error: {
      type: status === 429 ? 'rate_limit_error' : status >= 500 ? 'api_error' : 'invalid_request_error',
      message,
    },
  }),
  stream(turn) {
    const events: { type: string; [field: string]: unknown }[] = [];
    const usage = {
      input_tokens: turn.usage.input - turn.usage.cached,
      cache_read_input_tokens: turn.usage.cached,
      cache_creation_input_tokens: 0,
      output_tokens: 1,
    };
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], usage };
    events.push({ type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null } });
    let index = 0;
    const block = (start: unknown, deltas: unknown[]) => {
      events.push({ type: 'content_block_start', index, content_block: start });
      for (const delta of deltas) events.push({ type: 'content_block_delta', index, delta });
      events.push({ type: 'content_block_stop', index });
      index += 1;
    };
    if (turn.thinking) {
      block({ type: 'thinking', thinking: '', signature: '' }, [
        ...cutText(turn.thinking).map((thinking) => ({ type: 'thinking_delta', thinking })),
        { type: 'signature_delta', signature: 'SIG' },
      ]);
    }
    if (turn.text) {
      block(
        { type: 'text', text: '' },
        cutText(turn.text).map((text) => ({ type: 'text_delta', text })),
      );
    }
    for (const tool of turn.tools ?? []) {
      block(
        { type: 'tool_use', id: tool.id, name: tool.name, input: {} },
        cutText(JSON.stringify(tool.input), 7).map((partial_json) => ({
          type: 'input_json_delta',
          partial_json,
        })),
      );
    }
    const stop_reason = turn.tools?.length ? 'tool_use' : 'end_turn';
    events.push({
      type: 'message_delta',
      delta: { stop_reason, stop_sequence: null },
      usage: { output_tokens: turn.usage.output },
    });
    events.push({ type: 'message_stop' });
    return Buffer.from(named(events));
  },
};

/** Every family of upstreams, with a way to write its streams. */
export const dialectFixtures: readonly DialectFixture[] = [
  anthropic,
  openaiChat,
  openaiResponses,
  gemini,
  vertex,
  cohere,
  bedrock,
];
