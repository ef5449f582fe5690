import { createAnthropic } from '@ai-sdk/anthropic';
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import type { UsageRecord } from './pipeline/hooks.ts';
import { checkStream } from './testing/check-stream.ts';
import { post, readEvents, startGateway } from './testing/gateway.ts';
import { type FakeAnswer, sendJson, sendSse, sseText, startUpstream } from './testing/upstream.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function setUp(answer: FakeAnswer, dialect: 'anthropic' | 'openai-chat' = 'openai-chat') {
  const upstream = await startUpstream(answer);
  const records: UsageRecord[] = [];
  let settle = (_record: UsageRecord) => {};
  const recorded = new Promise<UsageRecord>((resolve) => {
    settle = resolve;
  });
  const running = await startGateway(
    {
      providers: {
        fake: {
          api: dialect,
          base_url: dialect === 'anthropic' ? upstream.url : `${upstream.url}/v1`,
          api_key: 'fake-key',
          models: { big: { prices: { input: 1, output: 10 } } },
        },
      },
      models: { haiku: 'fake/big', 'claude-*': 'fake/big' },
      retries: 0,
    },
    {
      onUsage(record) {
        records.push(record);
        settle(record);
      },
    },
  );
  closers.push(upstream.close, running.close);
  return { upstream, running, records, recorded };
}

const chatStream = sseText([
  { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] },
  { choices: [{ index: 0, delta: { content: 'Hel' } }] },
  { choices: [{ index: 0, delta: { content: 'lo' } }] },
  {
    choices: [
      {
        index: 0,
        delta: {
          tool_calls: [{ index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '' } }],
        },
      },
    ],
  },
  { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '{"path":' } }] } }] },
  { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '"/a"}' } }] } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
  {
    choices: [],
    usage: { prompt_tokens: 100, completion_tokens: 20, prompt_tokens_details: { cached_tokens: 60 } },
  },
  '[DONE]',
]);

const request = {
  model: 'haiku',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: 'Hi there' }],
  tools: [
    { name: 'Read', input_schema: { type: 'object' as const, properties: { path: { type: 'string' } } } },
  ],
};

describe('the official SDK against the gateway', () => {
  test('streams an OpenAI-shaped upstream as Anthropic messages', async () => {
    const { running, recorded, upstream } = await setUp((_, response) => sendSse(response, chatStream));
    const client = new Anthropic({ baseURL: running.url, apiKey: 'any', maxRetries: 0 });
    const message = await client.messages.stream(request).finalMessage();
    expect(message.content).toMatchObject([
      { type: 'text', text: 'Hello' },
      { type: 'tool_use', name: 'Read', input: { path: '/a' } },
    ]);
    expect(message.stop_reason).toBe('tool_use');
    expect(message.usage).toMatchObject({ input_tokens: 40, cache_read_input_tokens: 60, output_tokens: 20 });
    expect(upstream.seen[0]?.headers.authorization).toBe('Bearer fake-key');
    const record = await recorded;
    expect(record).toMatchObject({ provider: 'fake', model: 'big', status: 200, output_tokens: 20 });
    expect(record.cost_usd).toBeCloseTo((100 * 1 + 20 * 10) / 1e6, 10);
  });

  test('creates a whole message from an answer without stream', async () => {
    const { running } = await setUp((_, response) =>
      sendJson(response, 200, {
        choices: [{ message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 7, completion_tokens: 2 },
      }),
    );
    const client = new Anthropic({ baseURL: running.url, apiKey: 'any', maxRetries: 0 });
    const message = await client.messages.create(request);
    expect(message).toMatchObject({
      type: 'message',
      model: 'haiku',
      stop_reason: 'end_turn',
      content: [{ type: 'text', text: 'Hi' }],
      usage: { input_tokens: 7, output_tokens: 2 },
    });
  });

  test('gets its own error classes, and waits as long as retry-after says', async () => {
    const { running, upstream } = await setUp((_, response, nth) => {
      if (nth === 1) sendJson(response, 429, { error: { message: 'slow down' } }, { 'retry-after': '0' });
      else if (nth === 2) sendSse(response, chatStream);
      else sendJson(response, 401, { error: { message: 'bad key' } });
    });
    const client = new Anthropic({ baseURL: running.url, apiKey: 'any', maxRetries: 1 });
    await client.messages.stream(request).finalMessage();
    expect(upstream.seen).toHaveLength(2);
    await expect(client.messages.create(request)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  });

  test('counts tokens and lists models', async () => {
    const { running } = await setUp((_, response) => sendJson(response, 404, {}));
    const client = new Anthropic({ baseURL: running.url, apiKey: 'any', maxRetries: 0 });
    const counted = await client.messages.countTokens({ model: 'haiku', messages: request.messages });
    expect(counted.input_tokens).toBeGreaterThan(3);
    const ids: string[] = [];
    for await (const model of client.models.list({ limit: 1 })) ids.push(model.id);
    expect(ids).toEqual(['haiku', 'fake/big']);
  });
});

test('the Anthropic provider of the AI SDK works against the gateway', async () => {
  const { running } = await setUp((_, response) => sendSse(response, chatStream));
  const provider = createAnthropic({ baseURL: `${running.url}/v1`, apiKey: 'any' });
  const { stream } = await provider('claude-test').doStream({
    prompt: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    maxOutputTokens: 100,
  });
  const types: string[] = [];
  for await (const part of stream) types.push(part.type);
  expect(types).toContain('tool-call');
  expect(types.at(-1)).toBe('finish');
});

describe('pass-through', () => {
  const bytes =
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"big","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":1}}}\n\n' +
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n' +
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé"}}\n\n' +
    'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' +
    'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}\n\n' +
    'event: message_stop\ndata: {"type":"message_stop"}\n\n';

  test('passes the bytes of a stream through unchanged, and counts its usage', async () => {
    const { running, recorded } = await setUp((_, response) => sendSse(response, bytes), 'anthropic');
    const response = await post(running.url, { ...request, stream: true });
    expect(await response.text()).toBe(bytes);
    expect(await recorded).toMatchObject({ input_tokens: 5, output_tokens: 9, cost_usd: 0.000095 });
  });

  test('ends a stream that breaks off with an error event', async () => {
    const { running } = await setUp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(bytes.slice(0, bytes.indexOf('content_block_stop') + 30));
      setTimeout(() => response.destroy(), 20);
    }, 'anthropic');
    const response = await post(running.url, { ...request, stream: true });
    const events = readEvents(await response.text());
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    expect(checkStream(events)).toEqual([]);
  });

  test('does not take comments for the first event', async () => {
    const said = `: PROCESSING\n\n${bytes}`;
    const { running } = await setUp((_request, response, nth) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': PROCESSING\n\n', () => {
        setImmediate(() => response.end(nth === 1 ? bytes : 'event: odd\ndata: {"x":1}\n\n'));
      });
    }, 'anthropic');
    const first = await post(running.url, { ...request, stream: true });
    expect(await first.text()).toBe(said);
    const second = await post(running.url, { ...request, stream: true });
    expect(second.status).toBe(502);
    expect(await second.text()).toContain('not a message stream');
  });

  test('passes an overload on, although it does not understand the request itself', async () => {
    const { running } = await setUp((_request, response) => {
      const error = { type: 'overloaded_error', message: 'Overloaded' };
      sendJson(response, 529, { type: 'error', error }, { 'retry-after': '7' });
    }, 'anthropic');
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
    const response = await post(running.url, {
      ...request,
      tools: [{ type: 'toolset_of_the_future' }],
      messages: [{ role: 'user', content: [{ type: 'image', source }] }],
    });
    expect(response.status).toBe(529);
    expect(response.headers.get('retry-after')).toBe('7');
  });

  test('sends billing and beta headers to Anthropic only', async () => {
    const { running, upstream } = await setUp((_, response) => sendSse(response, bytes), 'anthropic');
    await post(
      running.url,
      {
        ...request,
        stream: true,
        system: [
          { type: 'text', text: 'x-anthropic-billing-header: cc_version=1' },
          { type: 'text', text: 'Be brief.' },
        ],
      },
      { 'anthropic-beta': 'x-2025', 'x-api-key': 'client-secret', authorization: 'Bearer client-secret' },
    ).then((response) => response.text());
    const seen = upstream.seen[0];
    expect(seen?.headers['anthropic-beta']).toBeUndefined();
    expect(seen?.headers['x-api-key']).toBe('fake-key');
    expect(JSON.stringify(seen)).not.toContain('client-secret');
    expect(seen?.json().system).toEqual([{ type: 'text', text: 'Be brief.' }]);
    expect(seen?.json().model).toBe('big');
  });
});
