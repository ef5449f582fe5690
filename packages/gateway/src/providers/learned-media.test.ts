import { afterEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../messages/types.ts';
import { post, startGateway } from '../testing/gateway.ts';
import { type SeenRequest, sendJson, startUpstream } from '../testing/upstream.ts';

// The catalogue does not list everything that a model can read. What is not listed is sent; a refusal is remembered.

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
const pdf = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' } };

async function setUp(provider: string, api: string, refuse: (text: string) => [number, unknown] | undefined) {
  const upstream = await startUpstream((seen, response) => {
    const refusal = refuse(seen.text);
    if (refusal) return sendJson(response, ...refusal);
    if (api === 'openai-responses') {
      return sendJson(response, 200, {
        status: 'completed',
        output: [{ type: 'message', content: [{ text: 'ok' }] }],
      });
    }
    return sendJson(response, 200, { choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }] });
  });
  const running = await startGateway({
    providers: { [provider]: { api: api as 'openai-chat', base_url: upstream.url, api_key: 'k' } },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  const ask = async (model: string, content: unknown[], more: JsonObject = {}) => {
    const messages = [{ role: 'user', content }];
    const response = await post(running.url, {
      model: `${provider}/${model}`,
      max_tokens: 50,
      messages,
      ...more,
    });
    return { status: response.status, text: await response.text() };
  };
  return { ask, seen: upstream.seen, running };
}

const last = (seen: SeenRequest[]) => seen.at(-1)?.text ?? '';

test.each([
  ['openai', 'openai-responses', 'gpt-5'],
  ['openai', 'openai-responses', 'gpt-5-nano'],
  ['openai', 'openai-chat', 'gpt-4.1-nano'],
  ['azure', 'openai-chat', 'gpt-4o'],
  ['mistral', 'openai-chat', 'mistral-medium-latest'],
])('a PDF goes to %s (%s) %s, whatever the catalogue lists', async (provider, api, model) => {
  const { ask, seen } = await setUp(provider, api, () => undefined);
  expect((await ask(model, [pdf])).status).toBe(200);
  expect(last(seen)).toContain('data:application/pdf;base64,AAAA');
});

describe.each([
  [
    'deepseek',
    400,
    {
      error: { message: 'Failed to deserialize the JSON body: unknown variant `image_url`, expected `text`' },
    },
  ],
  ['openrouter', 404, { error: { message: 'No endpoints found that support image input', code: 404 } }],
  ['vllm', 400, { object: 'error', message: 'text-only is not a multimodal model', code: 400 }],
])('a refusal of images by %s', (provider, status, body) => {
  test('leaves them out of later tool results, and is reported to a user who sends one', async () => {
    const { ask, seen } = await setUp(provider, 'openai-chat', (text) =>
      text.includes('image_url') ? [status, body] : undefined,
    );
    const use = { type: 'tool_use', id: 'toolu_abcdefghijkl', name: 'Read', input: {} };
    const messages = [
      { role: 'user', content: 'look' },
      { role: 'assistant', content: [use] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: [image] }] },
    ];
    expect((await ask('m', [], { messages })).status).toBe(200);
    expect(last(seen)).toContain('[Image left out: m cannot read it.]');
    expect(seen).toHaveLength(2);
    await ask('m', [], { messages });
    expect(seen).toHaveLength(3);
    const own = await ask('m', [image]);
    expect(own.status).toBe(400);
    expect(own.text).toContain('m cannot read images');
    expect(seen).toHaveLength(3);
  });
});

test('a refusal about something else has no lesson about images', async () => {
  const { ask, seen } = await setUp('vllm', 'openai-chat', () => [
    400,
    { error: { message: 'temperature is not supported: 9' } },
  ]);
  expect((await ask('m', [image])).status).toBe(400);
  expect(seen).toHaveLength(1);
});

test('reasoning_content is left out for a provider that refuses it, and for that one only', async () => {
  const thinker = {
    choices: [{ message: { reasoning_content: 'hm', content: 'ok' }, finish_reason: 'stop' }],
  };
  let refuses = false;
  const upstream = await startUpstream((seen, response) => {
    if (refuses && seen.text.includes('"reasoning_content"')) {
      return sendJson(response, 400, { error: { message: "property 'reasoning_content' is unsupported" } });
    }
    return sendJson(response, 200, thinker);
  });
  const running = await startGateway({
    providers: { own: { api: 'openai-chat', base_url: upstream.url, api_key: 'k' } },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  const body = {
    model: 'own/m',
    max_tokens: 50,
    thinking: { type: 'adaptive' },
    messages: [{ role: 'user', content: 'Hi' }],
  };
  const { content } = (await (await post(running.url, body)).json()) as { content: unknown };
  const messages = [...body.messages, { role: 'assistant', content }, { role: 'user', content: 'more' }];
  await post(running.url, { ...body, messages });
  expect(last(upstream.seen)).toContain('"reasoning_content":"hm"');
  refuses = true;
  expect((await post(running.url, { ...body, messages })).status).toBe(200);
  expect(last(upstream.seen)).not.toContain('reasoning_content');
  await post(running.url, { ...body, messages });
  expect(upstream.seen).toHaveLength(5);
});
