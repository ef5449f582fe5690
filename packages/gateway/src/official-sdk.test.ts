import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import type { UsageRecord } from './pipeline/hooks.ts';
import { dialectFixtures, type Turn } from './testing/dialects.ts';
import { startGateway } from './testing/gateway.ts';
import { startUpstream } from './testing/upstream.ts';

/** One red pixel. */
const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

const usage = { input: 100, cached: 20, output: 10 };
const prices = { input: 10, output: 100, cache_read: 1 };
const costOfACall = (80 * prices.input + 20 * prices.cache_read + 10 * prices.output) / 1e6;

const turns: Turn[] = [
  {
    thinking: 'let me look at both',
    text: 'Looking.',
    tools: [
      { id: 'toolu_aaaaaaaaaaaa', name: 'Read', input: { path: '/pixel.png' } },
      { id: 'toolu_bbbbbbbbbbbb', name: 'Read', input: { path: '/missing' } },
    ],
    usage,
  },
  { text: 'It is red.', usage },
];

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.each(dialectFixtures.map((fixture) => [fixture.name, fixture] as const))('%s', (_, fixture) => {
  test.each([
    [
      'stream',
      (client: Anthropic, body: Anthropic.MessageCreateParamsNonStreaming) =>
        client.messages.stream(body).finalMessage(),
    ],
    [
      'create',
      (client: Anthropic, body: Anthropic.MessageCreateParamsNonStreaming) => client.messages.create(body),
    ],
  ])('a conversation with the official SDK: %s', async (_name, ask) => {
    const upstream = await startUpstream((_request, response, nth) => {
      response.writeHead(200, { 'content-type': fixture.contentType });
      response.end(fixture.stream(turns[nth - 1] ?? { text: 'no more', usage }));
    });
    const records: UsageRecord[] = [];
    const provider = fixture.provider(upstream.url);
    const running = await startGateway(
      { providers: { fake: { ...provider, models: { m: { ...provider.models?.m, prices } } } }, retries: 0 },
      { onUsage: (record) => void records.push(record) },
    );
    closers.push(upstream.close, running.close);
    const client = new Anthropic({ baseURL: running.url, apiKey: 'any', maxRetries: 0 });
    const body: Anthropic.MessageCreateParamsNonStreaming = {
      model: 'fake/m',
      max_tokens: 4_000,
      thinking: { type: 'enabled', budget_tokens: 2_000 },
      messages: [{ role: 'user', content: 'What colour is it?' }],
      tools: [{ name: 'Read', input_schema: { type: 'object', properties: { path: { type: 'string' } } } }],
    };

    const first = await ask(client, body);
    const [one, two] = first.content.filter((block) => block.type === 'tool_use');
    // Gemini's thought signatures travel beside the calls, as redacted thinking.
    const shown = first.content.map(({ type }) => type).filter((type) => type !== 'redacted_thinking');
    expect(shown).toEqual(['thinking', 'text', 'tool_use', 'tool_use']);
    expect(first).toMatchObject({
      model: fixture.name === 'anthropic' ? 'm' : 'fake/m',
      stop_reason: 'tool_use',
    });
    expect([one?.input, two?.input]).toEqual(turns[0]?.tools?.map(({ input }) => input));
    expect(first.usage).toMatchObject({ input_tokens: 80, cache_read_input_tokens: 20, output_tokens: 10 });

    const second = await ask(client, {
      ...body,
      messages: [
        ...body.messages,
        { role: 'assistant', content: first.content },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: one?.id ?? '',
              content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }],
            },
            { type: 'tool_result', tool_use_id: two?.id ?? '', content: 'no such file', is_error: true },
          ],
        },
      ],
    });
    expect(second).toMatchObject({
      content: [{ type: 'text', text: 'It is red.' }],
      stop_reason: 'end_turn',
    });
    const told = upstream.seen[1]?.text ?? '';
    for (const part of [png, 'no such file', '/pixel.png', '/missing', 'What colour is it?']) {
      expect(told.split(part)).toHaveLength(2);
    }
    await expect.poll(() => records.length).toBe(2);
    for (const record of records) {
      expect(record).toMatchObject({ provider: 'fake', model: 'm', status: 200, error: undefined });
      expect(record.cost_usd).toBeCloseTo(costOfACall, 12);
    }
  });
});
