import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../messages/types.ts';
import { bedrockFrame } from '../../testing/dialects.ts';
import {
  blocks,
  nextTurn,
  type OddUpstream,
  raw,
  request,
  sse,
  startOddUpstream,
} from '../../testing/odd-answers.ts';
import { type FakeAnswer, sendJson } from '../../testing/upstream.ts';

let odd: OddUpstream;
beforeAll(async () => {
  odd = await startOddUpstream();
});
afterAll(() => odd.close());
beforeEach(() => {
  odd.seen.length = 0;
});

describe('Gemini', () => {
  const candidate = (parts: unknown[], finishReason?: string) => ({
    candidates: [{ content: { parts }, finishReason }],
  });

  test('an odd detail that is not needed does not make an answer fail', async () => {
    const usageMetadata = {
      promptTokenCount: 5,
      candidatesTokenCount: 2,
      promptTokensDetails: [{ modality: 'AUDIO' }],
    };
    const safetyRatings = [{ category: 7, probability: null }];
    odd.answer = sse([
      { ...candidate([{ text: 'hi' }], 'STOP'), usageMetadata, promptFeedback: { safetyRatings } },
    ]);
    const outcome = await odd.ask('gem/m', { stream: true });
    expect(blocks(outcome)).toEqual([['text', 'hi']]);
    expect(outcome.message?.usage).toMatchObject({ input_tokens: 5, output_tokens: 2 });
  });

  test('data lines may have no blank line between them', async () => {
    const lines = [candidate([{ text: 'a' }]), candidate([{ text: 'b' }], 'STOP')];
    odd.answer = raw(lines.map((line) => `data: ${JSON.stringify(line)}\n`).join(''));
    expect(blocks(await odd.ask('gem/m', { stream: true }))).toEqual([['text', 'ab']]);
  });

  test.each(['UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS', 'MALFORMED_FUNCTION_CALL'])(
    '%s without a part is an error',
    async (reason) => {
      for (const stream of [true, false]) {
        odd.answer = sse([candidate([], reason)]);
        expect(await odd.ask('gem/m', { stream })).toMatchObject({
          status: 502,
          error: { type: 'api_error' },
        });
      }
    },
  );

  test('the signature of a text goes back with it', async () => {
    const calls = { functionCall: { name: 'Read', args: {} } };
    odd.answer = sse([
      candidate(
        [
          { text: 'I look.', thoughtSignature: 'SIG-T' },
          { ...calls, thoughtSignature: 'SIG-C' },
        ],
        'STOP',
      ),
    ]);
    for (const thinking of [{ type: 'adaptive' }, undefined]) {
      const first = await odd.ask('gem/m', { stream: true, thinking });
      await odd.ask('gem/m', { stream: true, thinking, messages: nextTurn(first) });
      expect(odd.seen.at(-1)?.json().contents).toMatchObject([
        {},
        { parts: [{ text: 'I look.', thoughtSignature: 'SIG-T' }, { thoughtSignature: 'SIG-C' }] },
        {},
      ]);
    }
  });

  test('code that the provider ran is dropped and reported', async () => {
    const code = { executableCode: { language: 'PYTHON', code: 'print(1)' } };
    odd.answer = sse([
      candidate([code, { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '1' } }], 'STOP'),
    ]);
    const outcome = await odd.ask('gem/m', { stream: false });
    expect(blocks(outcome)).toEqual([['text', expect.stringContaining('code_execution')]]);
    expect(outcome.headers.get('x-gateway-dropped')).toBe('answer:code_execution');
  });
});

describe('images by URL', () => {
  const source = { type: 'url', url: 'https://pictures.test/a.png' };
  test.each(['gem/m', 'bed/m'])(
    '%s: are refused by the gateway, and left out of tool results',
    async (model) => {
      odd.answer = (_, response) => sendJson(response, 400, { message: 'noted' });
      const image = { type: 'image', source };
      const { status, error } = await odd.ask(model, { messages: [{ role: 'user', content: [image] }] });
      expect(status).toBe(400);
      expect(error?.message).toContain('by URL. Send the data itself as base64.');
      expect(odd.seen).toHaveLength(0);
    },
  );
});

describe('Cohere', () => {
  const event = (type: string, value: JsonObject = {}) => ({ type, ...value });
  const plan = (tool_plan: string) => event('tool-plan-delta', { delta: { message: { tool_plan } } });
  const call = [
    event('tool-call-start', {
      delta: {
        message: {
          tool_calls: {
            id: 'Read_abcdefghijkl',
            type: 'function',
            function: { name: 'Read', arguments: '' },
          },
        },
      },
    }),
    event('tool-call-delta', { delta: { message: { tool_calls: { function: { arguments: '{}' } } } } }),
    event('tool-call-end'),
  ];
  const end = (finish_reason: string) =>
    event('message-end', {
      delta: { finish_reason, usage: { tokens: { input_tokens: 5, output_tokens: 2 } } },
    });

  test('its plan is thinking, and goes back as its plan; a failed result is marked', async () => {
    odd.answer = sse([
      event('message-start', { id: 'x' }),
      plan('I will '),
      plan('read.'),
      ...call,
      end('TOOL_CALL'),
    ]);
    const first = await odd.ask('co/m', { stream: true });
    expect(blocks(first)).toEqual([
      ['thinking', 'I will read.'],
      ['Read', {}],
    ]);
    const messages = nextTurn(first) as { content: { is_error?: boolean }[] }[];
    const result = messages[2]?.content[0];
    if (result) result.is_error = true;
    await odd.ask('co/m', { stream: true, messages: messages as unknown as JsonObject[] });
    expect(odd.seen.at(-1)?.json().messages).toMatchObject([
      {},
      { role: 'assistant', tool_plan: 'I will read.' },
      { role: 'tool', content: 'Error: ok' },
    ]);
  });

  test('a timeout is an error, not an end', async () => {
    odd.answer = sse([event('message-start', { id: 'x' }), end('TIMEOUT')]);
    expect(await odd.ask('co/m', { stream: false })).toMatchObject({ status: 502 });
  });
});

describe('Bedrock', () => {
  const frames =
    (...parts: [string, unknown][]): FakeAnswer =>
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
      response.end(Buffer.concat(parts.map(([type, payload]) => bedrockFrame(type, payload))));
    };

  test.each(['malformed_tool_use', 'malformed_model_output'])('%s is an error', async (stopReason) => {
    odd.answer = frames(['messageStart', { role: 'assistant' }], ['messageStop', { stopReason }]);
    expect(await odd.ask('bed/m', { stream: false })).toMatchObject({ status: 502 });
  });

  test.each([
    ['throttlingException', 429, 'rate_limit_error'],
    ['validationException', 400, 'invalid_request_error'],
  ])('a %s in its stream is a %i', async (name, status, type) => {
    odd.answer = frames(['messageStart', { role: 'assistant' }], [name, { message: 'why' }]);
    expect(await odd.ask('bed/m', { stream: false })).toMatchObject({ status, error: { type } });
  });

  test('a delta of an unknown kind does not make an answer fail', async () => {
    const delta = (value: unknown) =>
      ['contentBlockDelta', { contentBlockIndex: 0, delta: value }] as [string, unknown];
    odd.answer = frames(
      ['messageStart', { role: 'assistant' }],
      delta({ toolResult: [{ text: 'found' }] }),
      delta({ text: 'so it is' }),
      ['contentBlockStop', { contentBlockIndex: 0 }],
      ['messageStop', { stopReason: 'end_turn' }],
    );
    expect(blocks(await odd.ask('bed/m', { stream: true }))).toEqual([['text', 'so it is']]);
  });

  test('a failed result has its status', async () => {
    odd.answer = (_, response) => sendJson(response, 400, { message: 'noted' });
    const use = { type: 'tool_use', id: 'toolu_abcdefghijkl', name: 'Read', input: {} };
    const result = { type: 'tool_result', tool_use_id: use.id, content: 'no such file', is_error: true };
    const messages = [
      ...request.messages,
      { role: 'assistant', content: [use] },
      { role: 'user', content: [result] },
    ];
    await odd.ask('bed/anthropic.claude-opus-4-6', { messages });
    expect(odd.seen.at(-1)?.json().messages).toMatchObject([
      {},
      {},
      { content: [{ toolResult: { status: 'error' } }] },
    ]);
  });
});
