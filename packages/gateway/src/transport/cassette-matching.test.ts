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
/** The smallest of PNGs: far below 4,096 characters. */
const pixel = (end: string) => `iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk${end}`;

describe('is another question', () => {
  test.each([
    [
      'what a tool was called with (Anthropic)',
      (v: string) => assistant({ type: 'tool_use', id: 't', name: 'Deploy', input: { system: v } }),
    ],
    [
      'what a tool was called with, whatever it looks like',
      (v: string) =>
        assistant({ type: 'tool_use', id: 't', name: 'T', input: { type: 'thinking', signature: v } }),
    ],
    [
      'messages among what a tool was called with',
      (v: string) =>
        assistant({ type: 'tool_use', name: 'T', input: { messages: [{ role: 'system', content: v }] } }),
    ],
    [
      'what a tool was called with (Gemini)',
      (v: string) => ({
        contents: [{ role: 'model', parts: [{ functionCall: { name: 'T', args: { user: v } } }] }],
      }),
    ],
    [
      'what a tool gave back (Gemini)',
      (v: string) => ({
        contents: [
          { role: 'user', parts: [{ functionResponse: { name: 'T', response: { instructions: v } } }] },
        ],
      }),
    ],
    [
      'what a tool was called with (Bedrock)',
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

describe('is the same question', () => {
  test.each([
    ['system (Anthropic, Bedrock)', (v: string) => ({ ...user(), system: [{ type: 'text', text: v }] })],
    ['system message (Chat Completions)', (v: string) => ({ messages: [{ role: 'system', content: v }] })],
    ['system message (Responses)', (v: string) => ({ input: [{ role: 'system', content: v }] })],
    ['instructions (Responses)', (v: string) => ({ input: [], instructions: v })],
    [
      'systemInstruction (Gemini)',
      (v: string) => ({ contents: [], systemInstruction: { parts: [{ text: v }] } }),
    ],
    ['user, metadata and cache key', (v: string) => ({ user: v, metadata: { v }, prompt_cache_key: v })],
    [
      "a block's cache control",
      (v: string) => user({ type: 'text', text: 'x', cache_control: { type: 'ephemeral', ttl: v } }),
    ],
    [
      'seals of thinking (Anthropic)',
      (v: string) =>
        assistant({ type: 'thinking', thinking: 'x', signature: v }, { type: 'redacted_thinking', data: v }),
    ],
    [
      'seals of thinking (Bedrock)',
      (v: string) =>
        assistant(
          { reasoningContent: { reasoningText: { text: 'x', signature: v } } },
          { reasoningContent: { redactedReasoning: { data: v } } },
        ),
    ],
    [
      'seals of thinking (Responses)',
      (v: string) => ({ input: [{ type: 'reasoning', summary: [], encrypted_content: v }] }),
    ],
    [
      'dates in a text',
      (v: string) => user({ type: 'text', text: v === 'staging' ? '2026-01-02' : '2026-03-04' }),
    ],
  ])('with another %s', async (_, request) => {
    expect(await answers(request('staging'), request('production'))).toBe(true);
  });
});
