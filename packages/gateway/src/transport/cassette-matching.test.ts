import { describe, expect, test } from 'vitest';
import { type Exchange, replayTransport } from './cassette.ts';

/** Whether a cassette that holds `recorded` answers `asked`. */
async function answers(recorded: unknown, asked: unknown): Promise<boolean> {
  const exchange: Exchange = {
    request: { method: 'POST', path: '/v1/x', body: JSON.stringify(recorded) },
    response: { status: 200, headers: {}, chunks: [] },
  };
  const response = await replayTransport([exchange])({
    url: 'http://upstream.test/v1/x',
    method: 'POST',
    headers: {},
    body: JSON.stringify(asked),
    signal: new AbortController().signal,
  });
  return response.status === 200;
}

const user = (...content: unknown[]) => ({ messages: [{ role: 'user', content }] });
const assistant = (...content: unknown[]) => ({ messages: [{ role: 'assistant', content }] });
/** A one-pixel PNG: far below 4,096 characters. */
const pixel = (end: string) => `iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk${end}`;

describe('a request does not match a recording that differs in', () => {
  test.each([
    [
      'the arguments of a tool (Anthropic)',
      (v: string) => assistant({ type: 'tool_use', id: 't', name: 'Deploy', input: { system: v } }),
    ],
    [
      'the arguments of a tool that look like a thinking block',
      (v: string) =>
        assistant({ type: 'tool_use', id: 't', name: 'T', input: { type: 'thinking', signature: v } }),
    ],
    [
      'messages among the arguments of a tool',
      (v: string) =>
        assistant({ type: 'tool_use', name: 'T', input: { messages: [{ role: 'system', content: v }] } }),
    ],
    [
      'the arguments of a tool (Gemini)',
      (v: string) => ({
        contents: [{ role: 'model', parts: [{ functionCall: { name: 'T', args: { user: v } } }] }],
      }),
    ],
    [
      'the result of a tool (Gemini)',
      (v: string) => ({
        contents: [
          { role: 'user', parts: [{ functionResponse: { name: 'T', response: { instructions: v } } }] },
        ],
      }),
    ],
    [
      'the arguments of a tool (Bedrock)',
      (v: string) => assistant({ toolUse: { toolUseId: 't', name: 'T', input: { data: v, metadata: v } } }),
    ],
    [
      'the parameters of a tool',
      (v: string) => ({
        tools: [
          { name: 'T', input_schema: { type: 'object', properties: { user: { type: 'string', title: v } } } },
        ],
      }),
    ],
    ['a document (Cohere)', (v: string) => ({ messages: [], documents: [{ data: { text: v } }] })],
    [
      'a small image (Anthropic)',
      (v: string) =>
        user({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel(v) } }),
    ],
    [
      'a small image (Gemini)',
      (v: string) => ({
        contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: pixel(v) } }] }],
      }),
    ],
    [
      'a large image (Chat Completions)',
      (v: string) =>
        user({
          type: 'image_url',
          image_url: { url: `data:image/png;base64,${'A'.repeat(9_000)}${v.slice(0, 4)}` },
        }),
    ],
    ['a message of a Responses request', (v: string) => ({ input: [{ role: 'user', content: v }] })],
  ])('%s', async (_, request) => {
    expect(await answers(request('staging'), request('production'))).toBe(false);
    expect(await answers(request('staging'), request('staging'))).toBe(true);
  });
});

describe('a request matches a recording that differs in', () => {
  test.each([
    [
      'the system prompt (Anthropic, Bedrock)',
      (v: string) => ({ ...user(), system: [{ type: 'text', text: v }] }),
    ],
    [
      'the system message (Chat Completions)',
      (v: string) => ({ messages: [{ role: 'system', content: v }] }),
    ],
    ['the system message (Responses)', (v: string) => ({ input: [{ role: 'system', content: v }] })],
    ['the instructions (Responses)', (v: string) => ({ input: [], instructions: v })],
    [
      'the systemInstruction (Gemini)',
      (v: string) => ({ contents: [], systemInstruction: { parts: [{ text: v }] } }),
    ],
    ['user, metadata and cache key', (v: string) => ({ user: v, metadata: { v }, prompt_cache_key: v })],
    [
      "a block's cache control",
      (v: string) => user({ type: 'text', text: 'x', cache_control: { type: 'ephemeral', ttl: v } }),
    ],
    [
      'signatures of thinking (Anthropic)',
      (v: string) =>
        assistant({ type: 'thinking', thinking: 'x', signature: v }, { type: 'redacted_thinking', data: v }),
    ],
    [
      'signatures of thinking (Bedrock)',
      (v: string) =>
        assistant(
          { reasoningContent: { reasoningText: { text: 'x', signature: v } } },
          { reasoningContent: { redactedReasoning: { data: v } } },
        ),
    ],
    [
      'signatures of thinking (Responses)',
      (v: string) => ({ input: [{ type: 'reasoning', summary: [], encrypted_content: v }] }),
    ],
    [
      'dates in a text',
      (v: string) => user({ type: 'text', text: v === 'staging' ? '2026-01-02' : '2026-03-04' }),
    ],
  ])('%s', async (_, request) => {
    expect(await answers(request('staging'), request('production'))).toBe(true);
  });
});
