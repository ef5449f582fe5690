import { afterEach, describe, expect, test } from 'vitest';
import { createCollector } from '../messages/collect.ts';
import type { AnswerMessage, JsonObject, Message } from '../messages/types.ts';
import { checkStream } from '../testing/check-stream.ts';
import { post, readEvents, startGateway } from '../testing/gateway.ts';
import { lastWords, type StrictProvider, startStrict, strictProviders } from '../testing/strict-upstreams.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const script = ['one', 'two', 'three'].map((path) => ({ name: 'Read', input: { path } }));
const tools = [{ name: 'Read', input_schema: { type: 'object', properties: { path: { type: 'string' } } } }];

async function setUp(provider: StrictProvider) {
  const upstream = await startStrict(provider, script);
  const running = await startGateway({
    providers: {
      [provider.id]: {
        api: provider.api as 'openai-chat',
        base_url: upstream.url,
        api_key: 'k',
        ...(provider.models && { models: provider.models }),
      },
    },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  return { upstream, running };
}

/** One answer, from a stream or whole. */
async function ask(url: string, body: JsonObject): Promise<AnswerMessage> {
  const response = await post(url, body);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  if (body.stream !== true) return JSON.parse(text) as AnswerMessage;
  const events = readEvents(text);
  expect(checkStream(events)).toEqual([]);
  const collector = createCollector();
  collector.push(events);
  const { message } = collector.result();
  if (!message) throw new Error('no message');
  return message;
}

/** Plays a conversation to its end, giving back each turn as it came. */
async function converse(
  url: string,
  provider: StrictProvider,
  settings: JsonObject,
): Promise<AnswerMessage[]> {
  const messages: Message[] = [{ role: 'user', content: 'Read all three' }];
  const answers: AnswerMessage[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const answer = await ask(url, {
      model: `${provider.id}/${provider.model}`,
      max_tokens: 10_000,
      tools,
      messages,
      ...settings,
    });
    answers.push(answer);
    const calls = answer.content.filter((block) => block.type === 'tool_use');
    if (calls.length === 0) break;
    messages.push({ role: 'assistant', content: answer.content });
    messages.push({
      role: 'user',
      content: calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: `content of ${id}` })),
    });
  }
  return answers;
}

const textOf = (answer: AnswerMessage | undefined) =>
  answer?.content.map((block) => (block.type === 'text' ? block.text : '')).join('');

describe.each(strictProviders.map((provider) => [provider.name, provider] as const))('%s', (_, provider) => {
  test.each([true, false])('three turns with tools and thinking, stream: %s', async (stream) => {
    const { running, upstream } = await setUp(provider);
    const answers = await converse(running.url, provider, { stream, thinking: { type: 'adaptive' } });
    expect(answers).toHaveLength(4);
    expect(textOf(answers.at(-1))).toBe(lastWords);
    expect(upstream.refusals).toEqual([]);
    for (const [at, answer] of answers.slice(0, 3).entries()) {
      const thoughts = answer.content.flatMap((block) => (block.type === 'thinking' ? [block.thinking] : []));
      expect(thoughts.join('')).toBe(`thinking of call${at + 1}`);
    }
  });

  test.each([true, false])(
    'a client that did not ask sees no thoughts, and they go back all the same, stream: %s',
    async (stream) => {
      const { running, upstream } = await setUp(provider);
      const answers = await converse(running.url, provider, { stream });
      expect(answers).toHaveLength(4);
      expect(upstream.refusals).toEqual([]);
      for (const answer of answers) {
        expect(answer.content[0]?.type).toMatch(/^(text|tool_use)$/);
        expect(answer.content.filter((block) => block.type === 'thinking')).toEqual([]);
      }
      expect(answers.at(-1)?.content).toEqual([{ type: 'text', text: lastWords }]);
    },
  );
});

test('the upstreams of these tests refuse a conversation without their own data', async () => {
  for (const provider of strictProviders) {
    const { running, upstream } = await setUp(provider);
    const model = `${provider.id}/${provider.model}`;
    const base = { model, max_tokens: 10_000, tools, thinking: { type: 'adaptive' } };
    const messages: Message[] = [{ role: 'user', content: 'Read all three' }];
    const first = await ask(running.url, { ...base, messages });
    const calls = first.content.filter((block) => block.type === 'tool_use');
    const results = calls.map(({ id }) => ({ type: 'tool_result' as const, tool_use_id: id, content: 'x' }));
    messages.push({ role: 'assistant', content: calls }, { role: 'user', content: results });
    await post(running.url, { ...base, messages });
    expect(upstream.refusals.length, provider.name).toBeGreaterThan(0);
  }
});
