import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCollector } from '../messages/collect.ts';
import type { AnswerMessage, JsonObject } from '../messages/types.ts';
import { checkStream } from '../testing/check-stream.ts';
import { bedrockFrame } from '../testing/dialects.ts';
import { post, type RunningGateway, readEvents, startGateway } from '../testing/gateway.ts';
import {
  type FakeAnswer,
  type FakeUpstream,
  sendJson,
  sendSse,
  sseText,
  startUpstream,
} from '../testing/upstream.ts';

// Answers as real providers gave them and as their imitators do, each with what a client has to get of it.

let upstream: FakeUpstream;
let running: RunningGateway;
let answer: FakeAnswer;
beforeAll(async () => {
  upstream = await startUpstream((...args) => answer(...args));
  const facts = { context: 400_000, output: 64_000, reasoning: true };
  const provider = (api: string) => ({
    api: api as 'openai-chat',
    base_url: upstream.url,
    api_key: 'k',
    models: { m: facts, 'anthropic.claude-opus-4-6': facts },
  });
  running = await startGateway({
    providers: {
      chat: provider('openai-chat'),
      resp: provider('openai-responses'),
      gem: provider('google'),
      bed: provider('amazon-bedrock'),
      co: provider('cohere'),
    },
    retries: 0,
    cool_down_seconds: 0.001,
  });
});
afterAll(async () => {
  await running.close();
  await upstream.close();
});
beforeEach(() => {
  upstream.seen.length = 0;
});

const request = {
  max_tokens: 10_000,
  messages: [{ role: 'user', content: 'Go' }],
  tools: [{ name: 'Read', input_schema: { type: 'object', properties: {} } }],
  thinking: { type: 'adaptive' },
};

interface Outcome {
  status: number;
  headers: Headers;
  message?: AnswerMessage;
  error?: { type: string; message: string };
}

async function ask(model: string, more: JsonObject = {}): Promise<Outcome> {
  const response = await post(running.url, { ...request, model, ...more });
  const { status, headers } = response;
  const text = await response.text();
  if (!headers.get('content-type')?.includes('event-stream')) {
    const body = JSON.parse(text) as AnswerMessage & { error?: Outcome['error'] };
    return { status, headers, ...(body.error ? { error: body.error } : { message: body }) };
  }
  const events = readEvents(text);
  const last = events.at(-1);
  if (last?.type === 'error') return { status, headers, error: last.error };
  expect(checkStream(events)).toEqual([]);
  const collector = createCollector();
  collector.push(events);
  const { message } = collector.result();
  return { status, headers, ...(message && { message }) };
}

/** The blocks of an answer in short. */
const blocks = ({ message }: Outcome) =>
  message?.content.map((block) => {
    if (block.type === 'text') return ['text', block.text];
    if (block.type === 'thinking') return ['thinking', block.thinking];
    return block.type === 'tool_use' ? [block.name, block.input] : [block.type];
  });

const sse =
  (chunks: readonly unknown[]): FakeAnswer =>
  (_, response) =>
    sendSse(response, sseText(chunks));
const raw =
  (text: string): FakeAnswer =>
  (_, response) =>
    sendSse(response, text);
const delta = (value: unknown, finish: string | null = null) => ({
  choices: [{ index: 0, delta: value, finish_reason: finish }],
});
const stop = delta({}, 'stop');

describe('Chat Completions', () => {
  /** A stream of these deltas, and the same as a whole answer. */
  const both: [string, (chunks: readonly unknown[], whole: unknown) => FakeAnswer, boolean][] = [
    ['a stream', (chunks) => sse([...chunks, '[DONE]']), true],
    ['a whole answer', (_, whole) => (_request, response) => sendJson(response, 200, whole), false],
  ];
  const message = (value: unknown, finish = 'stop') => ({
    choices: [{ message: value, finish_reason: finish }],
  });

  describe.each(both)('as %s', (_, give, stream) => {
    test('reasoning that comes in details only is thinking', async () => {
      const details = [
        { type: 'reasoning.summary', summary: 'in short', index: 0 },
        { type: 'reasoning.encrypted', data: 'E', index: 1 },
      ];
      answer = give(
        [delta({ reasoning_details: details }), delta({ content: 'yes' }), stop],
        message({ content: 'yes', reasoning_details: details }),
      );
      expect(blocks(await ask('chat/m', { stream }))).toEqual([
        ['thinking', 'in short'],
        ['text', 'yes'],
      ]);
    });

    test('what GitHub Copilot wants back goes back', async () => {
      const said = { reasoning_text: 'hm', reasoning_opaque: 'OPAQUE' };
      const calls = [{ index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{}' } }];
      answer = give(
        [delta(said), delta({ tool_calls: calls }), delta({}, 'tool_calls')],
        message({ ...said, tool_calls: calls }, 'tool_calls'),
      );
      const first = await ask('chat/m', { stream });
      await ask('chat/m', { stream, messages: nextTurn(first) });
      expect(upstream.seen.at(-1)?.json().messages).toMatchObject([{}, said, {}]);
    });

    test('a signature of Gemini behind this API goes back with its call', async () => {
      const extra_content = { google: { thought_signature: 'SIG' } };
      const calls = [
        { index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{}' }, extra_content },
      ];
      answer = give(
        [delta({ tool_calls: calls }), delta({}, 'tool_calls')],
        message({ tool_calls: calls }, 'tool_calls'),
      );
      const first = await ask('chat/m', { stream });
      await ask('chat/m', { stream, messages: nextTurn(first) });
      expect(upstream.seen.at(-1)?.json().messages).toMatchObject([
        {},
        { tool_calls: [{ extra_content }] },
        {},
      ]);
    });

    test.each([
      [{ object: 'error', message: 'out of memory', code: 500 }, 'out of memory'],
      [{ detail: 'no such LoRA' }, 'no such LoRA'],
      [{ code: 1210, msg: 'bad parameter' }, 'bad parameter'],
    ])('%j in a 200 is an error in the provider’s words', async (body, words) => {
      answer = give([body], body);
      const { status, error } = await ask('chat/m', { stream });
      expect(status).toBeGreaterThanOrEqual(500);
      expect(error?.message).toContain(words);
    });

    test('an answer without any choice is an error', async () => {
      answer = give([], { choices: [] });
      expect(await ask('chat/m', { stream })).toMatchObject({ status: 502, error: { type: 'api_error' } });
    });

    test('a refusal ends as a refusal', async () => {
      answer = give([delta({ refusal: 'I will not' }), stop], message({ refusal: 'I will not' }));
      const outcome = await ask('chat/m', { stream });
      expect(blocks(outcome)).toEqual([['text', 'I will not']]);
      expect(outcome.message?.stop_reason).toBe('refusal');
    });

    test('the function call of before there were tools is a call', async () => {
      const call = { name: 'Read', arguments: '{"a":1}' };
      answer = give(
        [
          delta({ function_call: { name: 'Read', arguments: '' } }),
          delta({ function_call: { arguments: '{"a":1}' } }),
          delta({}, 'function_call'),
        ],
        message({ function_call: call }, 'function_call'),
      );
      const outcome = await ask('chat/m', { stream });
      expect(blocks(outcome)).toEqual([['Read', { a: 1 }]]);
      expect(outcome.message?.stop_reason).toBe('tool_use');
    });

    test('a text of white space only is no block, and leading blanks of a text stay', async () => {
      const calls = [{ index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{}' } }];
      answer = give(
        [delta({ content: '\n\n' }), delta({ tool_calls: calls }), stop],
        message({ content: '\n\n', tool_calls: calls }),
      );
      expect(blocks(await ask('chat/m', { stream }))).toEqual([['Read', {}]]);
      answer = give([delta({ content: '\n ' }), delta({ content: 'x' }), stop], message({ content: '\n x' }));
      expect(blocks(await ask('chat/m', { stream }))).toEqual([['text', '\n x']]);
    });

    test.each([
      ['Kimi', { prompt_tokens: 100, completion_tokens: 5, cached_tokens: 60 }, [40, 60, 0]],
      [
        'Grok at Azure',
        { prompt_tokens: 100, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 300 } },
        [100, 300, 0],
      ],
      [
        'OpenRouter',
        {
          prompt_tokens: 100,
          completion_tokens: 5,
          prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 500 },
        },
        [80, 20, 500],
      ],
    ])('the usage of %s', async (_provider, usage, [input, read, written]) => {
      answer = give([delta({ content: 'x' }), { ...stop, usage }], { ...message({ content: 'x' }), usage });
      expect((await ask('chat/m', { stream })).message?.usage).toEqual({
        input_tokens: input,
        cache_read_input_tokens: read,
        cache_creation_input_tokens: written,
        output_tokens: 5,
      });
    });

    test('tags of thinking at the beginning of a text are thinking, further on they are text', async () => {
      const content = '<think>hm, <b></think>\n\nUse <think> so';
      answer = give([delta({ content }), stop], message({ content }));
      expect(blocks(await ask('chat/m', { stream }))).toEqual([
        ['thinking', 'hm, <b>'],
        ['text', 'Use <think> so'],
      ]);
    });

    test('sources are left out, and said', async () => {
      const annotations = [{ type: 'url_citation', url_citation: { url: 'http://a.test' } }];
      answer = give([delta({ content: 'x', annotations }), stop], message({ content: 'x', annotations }));
      const outcome = await ask('chat/m', {
        stream,
        service_tier: 'auto',
        context_management: { edits: [] },
      });
      expect(outcome.headers.get('x-gateway-dropped')).toBe(
        'context_management, service_tier, answer:citations',
      );
    });
  });

  test('tags of thinking may be cut anywhere', async () => {
    const content = '<think>ab</think>c<d';
    for (let at = 1; at < content.length; at += 1) {
      answer = sse([
        delta({ content: content.slice(0, at) }),
        delta({ content: content.slice(at) }),
        stop,
        '[DONE]',
      ]);
      expect(blocks(await ask('chat/m', { stream: true })), `cut at ${at}`).toEqual([
        ['thinking', 'ab'],
        ['text', 'c<d'],
      ]);
    }
  });

  test('a tool’s name in pieces', async () => {
    const piece = (name: string, more = {}) =>
      delta({ tool_calls: [{ index: 0, function: { name, arguments: '' }, ...more }] });
    const input = delta({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] });
    answer = sse([
      piece('Re', { id: 'call_abcdefghijkl' }),
      piece('ad'),
      input,
      delta({}, 'tool_calls'),
      '[DONE]',
    ]);
    expect(blocks(await ask('chat/m', { stream: true }))).toEqual([['Read', {}]]);
  });

  test('[DONE] with a blank behind it, and data lines without a blank line between them', async () => {
    const lines = [delta({ content: 'a' }), delta({ content: 'b' }), stop].map(
      (chunk) => `data: ${JSON.stringify(chunk)}\n`,
    );
    answer = raw(`${lines.join('')}data: [DONE] \n\n`);
    expect(blocks(await ask('chat/m', { stream: true }))).toEqual([['text', 'ab']]);
  });

  test('a filter in the middle of a call ends as a refusal', async () => {
    const call = { index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{"a' } };
    answer = sse([delta({ tool_calls: [call] }), delta({}, 'content_filter'), '[DONE]']);
    const { message: cut, error } = await ask('chat/m', { stream: false });
    expect(error).toBeUndefined();
    expect(cut?.stop_reason).toBe('refusal');
  });

  test('a whole answer that broke off is a 502 that names the provider once', async () => {
    answer = raw(sseText([delta({ content: 'half' })]));
    const { status, error } = await ask('chat/m', { stream: false, stop_sequences: ['END'] });
    expect(status).toBe(502);
    expect(error?.message.match(/chat/g)).toHaveLength(2);
    expect(error?.message).toBe('chat: chat ended its answer in the middle.');
  });
});

/** The conversation after an answer with calls. */
function nextTurn({ message }: Outcome): JsonObject[] {
  const content = message?.content ?? [];
  const results = content.flatMap((block) =>
    block.type === 'tool_use' ? [{ type: 'tool_result', tool_use_id: block.id, content: 'ok' }] : [],
  );
  return [...request.messages, { role: 'assistant', content }, { role: 'user', content: results }];
}

describe('Responses', () => {
  const completed = (output: unknown[] = []) => ({
    type: 'response.completed',
    response: { status: 'completed', output },
  });
  const reasoning = { type: 'reasoning', id: 'rs_1', content: [{ type: 'reasoning_text', text: 'because' }] };
  const text = (value: string, id = 'msg_1') => ({
    type: 'message',
    id,
    content: [{ type: 'output_text', text: value }],
  });
  const added = (item: JsonObject, output_index: number) => ({
    type: 'response.output_item.added',
    item,
    output_index,
  });
  const done = (item: JsonObject, more: JsonObject = {}) => ({
    type: 'response.output_item.done',
    item,
    ...more,
  });

  test.each([
    [
      'only in the item’s end',
      sse([done(reasoning, { output_index: 0 }), done(text('so'), { output_index: 1 }), completed()]),
    ],
    ['only at the end of all', sse([completed([reasoning, text('so')])])],
    [
      'whole',
      ((_, response) =>
        sendJson(response, 200, { status: 'completed', output: [reasoning, text('so')] })) as FakeAnswer,
    ],
  ])('reasoning in `content`, %s', async (_, give) => {
    answer = give;
    expect(blocks(await ask('resp/m', { stream: true }))).toEqual([
      ['thinking', 'because'],
      ['text', 'so'],
    ]);
  });

  test('an item whose end comes without a position is not doubled', async () => {
    const item = text('once');
    const part = { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, delta: 'once' };
    answer = sse([added({ ...item, content: [] }, 0), part, done(item), completed([item])]);
    expect(blocks(await ask('resp/m', { stream: true }))).toEqual([['text', 'once']]);
  });

  test('two messages are two texts', async () => {
    answer = sse([completed([text('One.'), text('Two.', 'msg_2')])]);
    expect(blocks(await ask('resp/m', { stream: true }))).toEqual([
      ['text', 'One.'],
      ['text', 'Two.'],
    ]);
  });

  test('an answer of nothing but a search is said, not an empty end', async () => {
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed' };
    answer = (_, response) => sendJson(response, 200, { status: 'completed', output: [search] });
    const outcome = await ask('resp/m', { stream: false });
    expect(blocks(outcome)).toEqual([['text', expect.stringContaining('web_search_call')]]);
    expect(outcome.headers.get('x-gateway-dropped')).toBe('answer:web_search_call');
  });

  test('a long cache key is hashed, always to the same', async () => {
    answer = sse([completed([text('x')])]);
    const keys = [];
    for (const session of ['short', 'long'.repeat(20), 'long'.repeat(20)]) {
      const metadata = { user_id: JSON.stringify({ session_id: session }) };
      await ask('resp/m', { stream: true, metadata });
      keys.push(String(upstream.seen.at(-1)?.json().prompt_cache_key));
    }
    expect(keys[0]).toBe('short');
    expect(keys[1]?.length).toBeLessThanOrEqual(64);
    expect(keys[1]).not.toBe('undefined');
    expect(keys[2]).toBe(keys[1]);
  });
});

describe('Gemini', () => {
  const candidate = (parts: unknown[], finishReason?: string) => ({
    candidates: [{ content: { parts }, finishReason }],
  });

  test('a detail that nobody needs cannot lose an answer', async () => {
    const usageMetadata = {
      promptTokenCount: 5,
      candidatesTokenCount: 2,
      promptTokensDetails: [{ modality: 'AUDIO' }],
    };
    const safetyRatings = [{ category: 7, probability: null }];
    answer = sse([
      { ...candidate([{ text: 'hi' }], 'STOP'), usageMetadata, promptFeedback: { safetyRatings } },
    ]);
    const outcome = await ask('gem/m', { stream: true });
    expect(blocks(outcome)).toEqual([['text', 'hi']]);
    expect(outcome.message?.usage).toMatchObject({ input_tokens: 5, output_tokens: 2 });
  });

  test('data lines without a blank line between them', async () => {
    const lines = [candidate([{ text: 'a' }]), candidate([{ text: 'b' }], 'STOP')];
    answer = raw(lines.map((line) => `data: ${JSON.stringify(line)}\n`).join(''));
    expect(blocks(await ask('gem/m', { stream: true }))).toEqual([['text', 'ab']]);
  });

  test.each(['UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS', 'MALFORMED_FUNCTION_CALL'])(
    '%s without a part is an error',
    async (reason) => {
      for (const stream of [true, false]) {
        answer = sse([candidate([], reason)]);
        expect(await ask('gem/m', { stream })).toMatchObject({ status: 502, error: { type: 'api_error' } });
      }
    },
  );

  test('a signature of a text goes back with it', async () => {
    const calls = { functionCall: { name: 'Read', args: {} } };
    answer = sse([
      candidate(
        [
          { text: 'I look.', thoughtSignature: 'SIG-T' },
          { ...calls, thoughtSignature: 'SIG-C' },
        ],
        'STOP',
      ),
    ]);
    for (const thinking of [{ type: 'adaptive' }, undefined]) {
      const first = await ask('gem/m', { stream: true, thinking });
      await ask('gem/m', { stream: true, thinking, messages: nextTurn(first) });
      expect(upstream.seen.at(-1)?.json().contents).toMatchObject([
        {},
        { parts: [{ text: 'I look.', thoughtSignature: 'SIG-T' }, { thoughtSignature: 'SIG-C' }] },
        {},
      ]);
    }
  });

  test('code that the provider ran is left out, and said', async () => {
    const code = { executableCode: { language: 'PYTHON', code: 'print(1)' } };
    answer = sse([
      candidate([code, { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '1' } }], 'STOP'),
    ]);
    const outcome = await ask('gem/m', { stream: false });
    expect(blocks(outcome)).toEqual([['text', expect.stringContaining('code_execution')]]);
    expect(outcome.headers.get('x-gateway-dropped')).toBe('answer:code_execution');
  });
});

describe('images by URL', () => {
  const source = { type: 'url', url: 'https://pictures.test/a.png' };
  test.each(['gem/m', 'bed/m'])(
    '%s: are refused in the gateway’s words, in a result left out',
    async (model) => {
      answer = (_, response) => sendJson(response, 400, { message: 'noted' });
      const image = { type: 'image', source };
      const { status, error } = await ask(model, { messages: [{ role: 'user', content: [image] }] });
      expect(status).toBe(400);
      expect(error?.message).toContain('by URL. Send the data itself as base64.');
      expect(upstream.seen).toHaveLength(0);
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

  test('its plan is thinking, and goes back as its plan; a failed result says so', async () => {
    answer = sse([
      event('message-start', { id: 'x' }),
      plan('I will '),
      plan('read.'),
      ...call,
      end('TOOL_CALL'),
    ]);
    const first = await ask('co/m', { stream: true });
    expect(blocks(first)).toEqual([
      ['thinking', 'I will read.'],
      ['Read', {}],
    ]);
    const messages = nextTurn(first) as { content: { is_error?: boolean }[] }[];
    const result = messages[2]?.content[0];
    if (result) result.is_error = true;
    await ask('co/m', { stream: true, messages: messages as unknown as JsonObject[] });
    expect(upstream.seen.at(-1)?.json().messages).toMatchObject([
      {},
      { role: 'assistant', tool_plan: 'I will read.' },
      { role: 'tool', content: 'Error: ok' },
    ]);
  });

  test('a time-out is no end', async () => {
    answer = sse([event('message-start', { id: 'x' }), end('TIMEOUT')]);
    expect(await ask('co/m', { stream: false })).toMatchObject({ status: 502 });
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
    answer = frames(['messageStart', { role: 'assistant' }], ['messageStop', { stopReason }]);
    expect(await ask('bed/m', { stream: false })).toMatchObject({ status: 502 });
  });

  test.each([
    ['throttlingException', 429, 'rate_limit_error'],
    ['validationException', 400, 'invalid_request_error'],
  ])('a %s in its stream is a %i', async (name, status, type) => {
    answer = frames(['messageStart', { role: 'assistant' }], [name, { message: 'why' }]);
    expect(await ask('bed/m', { stream: false })).toMatchObject({ status, error: { type } });
  });

  test('a piece of a kind that nobody knows cannot lose an answer', async () => {
    const delta = (value: unknown) =>
      ['contentBlockDelta', { contentBlockIndex: 0, delta: value }] as [string, unknown];
    answer = frames(
      ['messageStart', { role: 'assistant' }],
      delta({ toolResult: [{ text: 'found' }] }),
      delta({ text: 'so it is' }),
      ['contentBlockStop', { contentBlockIndex: 0 }],
      ['messageStop', { stopReason: 'end_turn' }],
    );
    expect(blocks(await ask('bed/m', { stream: true }))).toEqual([['text', 'so it is']]);
  });

  test('a result that failed has its status', async () => {
    answer = (_, response) => sendJson(response, 400, { message: 'noted' });
    const use = { type: 'tool_use', id: 'toolu_abcdefghijkl', name: 'Read', input: {} };
    const result = { type: 'tool_result', tool_use_id: use.id, content: 'no such file', is_error: true };
    const messages = [
      ...request.messages,
      { role: 'assistant', content: [use] },
      { role: 'user', content: [result] },
    ];
    await ask('bed/anthropic.claude-opus-4-6', { messages });
    expect(upstream.seen.at(-1)?.json().messages).toMatchObject([
      {},
      {},
      { content: [{ toolResult: { status: 'error' } }] },
    ]);
  });
});
