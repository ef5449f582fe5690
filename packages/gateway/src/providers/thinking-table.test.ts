import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../messages/types.ts';
import { post, type RunningGateway, startGateway } from '../testing/gateway.ts';
import { type FakeUpstream, sendJson, startUpstream } from '../testing/upstream.ts';
import { claudeForm } from './ai-sdk/thinking.ts';

/**
 * The README's table of thinking, on the wire: what each setting of a client becomes in each dialect and family. The
 * upstream only notes what it is sent; what comes back is the business of other tests.
 */
let upstream: FakeUpstream;
let running: RunningGateway;
beforeAll(async () => {
  upstream = await startUpstream((_, response) => sendJson(response, 400, { message: 'noted' }));
  const facts = { context: 400_000, output: 64_000, reasoning: true };
  const provider = (api: string, ...models: string[]) => ({
    api: api as 'openai-chat',
    base_url: upstream.url,
    api_key: 'k',
    project: 'p',
    models: Object.fromEntries(models.map((name) => [name, facts])),
  });
  running = await startGateway({
    providers: {
      openai: provider('openai-responses', 'gpt-5'),
      vllm: provider('openai-chat', 'qwen3'),
      deepseek: provider('openai-chat', 'deepseek-chat'),
      moonshotai: provider('openai-chat', 'kimi-k2.5'),
      zai: provider('openai-chat', 'glm-5'),
      openrouter: provider('openai-chat', 'z-ai/glm-5'),
      alibaba: provider('openai-chat', 'qwen3-max'),
      google: provider(
        'google',
        'gemini-2.5-flash',
        'gemini-2.5-pro',
        'gemini-3-pro-preview',
        'gemini-3-flash',
      ),
      bedrock: provider(
        'amazon-bedrock',
        'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
        'anthropic.claude-opus-4-6-v1',
        'anthropic.claude-opus-4-7',
        'anthropic.claude-3-5-sonnet-20241022-v2:0',
        'amazon.nova-2-lite-v1:0',
      ),
      cohere: provider('cohere', 'command-a-reasoning-08-2025'),
    },
    retries: 0,
  });
});
afterAll(async () => {
  await running.close();
  await upstream.close();
});

const tools = [{ name: 'Read', input_schema: { type: 'object', properties: {} } }];

/** What reaches the upstream of a request with these settings. */
async function sent(model: string, settings: JsonObject): Promise<JsonObject> {
  const request = { max_tokens: 32_000, messages: [{ role: 'user', content: 'Hi' }], ...settings, model };
  await post(running.url, request);
  return upstream.seen.at(-1)?.json() ?? {};
}

const off = { thinking: { type: 'disabled' } };
const adaptive = { thinking: { type: 'adaptive' } };
const high = { ...adaptive, output_config: { effort: 'high' } };
const low = { ...adaptive, output_config: { effort: 'low' } };
const budget = { thinking: { type: 'enabled', budget_tokens: 5_000 } };
const most = { thinking: { type: 'enabled', budget_tokens: 31_999 } };
const unset = {};

type Row = [setting: string, settings: JsonObject, wire: JsonObject];

/** The parts of a request that speak of thinking or of its limit, in any dialect. */
function about(body: JsonObject): JsonObject {
  const found: JsonObject = {};
  const config = (body.generationConfig ?? {}) as JsonObject;
  const bedrock = (body.additionalModelRequestFields ?? {}) as JsonObject;
  const fields = [
    'reasoning',
    'reasoning_effort',
    'thinking',
    'enable_thinking',
    'thinking_budget',
    'output_config',
  ];
  for (const part of [body, bedrock])
    for (const name of fields) if (part[name] !== undefined) found[name] = part[name];
  if (config.thinkingConfig !== undefined) found.thinkingConfig = config.thinkingConfig;
  if (bedrock.reasoningConfig !== undefined) found.reasoningConfig = bedrock.reasoningConfig;
  return found;
}

/** Every limit that stands in a request: none may be above the client's own. */
function limits(body: JsonObject): number[] {
  const inner = {
    ...(body.generationConfig as JsonObject),
    ...(body.inferenceConfig as JsonObject),
    ...body,
  };
  return ['max_tokens', 'max_output_tokens', 'max_completion_tokens', 'maxTokens', 'maxOutputTokens']
    .map((name) => inner[name])
    .filter((value) => typeof value === 'number');
}

const switched: Row[] = [
  ['off', off, { thinking: { type: 'disabled' } }],
  ['adaptive', adaptive, { thinking: { type: 'enabled' } }],
  ['a budget', budget, { thinking: { type: 'enabled' } }],
  ['not mentioned', unset, {}],
];

const table: Record<string, Row[]> = {
  'openai/gpt-5': [
    ['off', off, { reasoning: { effort: 'none' } }],
    ['adaptive', adaptive, { reasoning: { summary: 'auto' } }],
    ['adaptive, high', high, { reasoning: { effort: 'high', summary: 'auto' } }],
    ['a budget', budget, { reasoning: { effort: 'medium', summary: 'auto' } }],
    ['not mentioned', unset, {}],
  ],
  'vllm/qwen3': [
    ['off', off, { reasoning_effort: 'none' }],
    ['adaptive', adaptive, {}],
    ['adaptive, low', low, { reasoning_effort: 'low' }],
    ['a budget', most, { reasoning_effort: 'high' }],
    ['not mentioned', unset, {}],
  ],
  'deepseek/deepseek-chat': switched,
  'moonshotai/kimi-k2.5': switched,
  'zai/glm-5': switched,
  'openrouter/z-ai/glm-5': [
    ['off', off, { reasoning: { enabled: false } }],
    ['adaptive', adaptive, { reasoning: { enabled: true } }],
    ['adaptive, high', high, { reasoning: { effort: 'high' } }],
    ['a budget', budget, { reasoning: { max_tokens: 5_000 } }],
    ['not mentioned', unset, {}],
  ],
  'alibaba/qwen3-max': [
    ['off', off, { enable_thinking: false }],
    ['adaptive', adaptive, { enable_thinking: true }],
    ['a budget', budget, { enable_thinking: true, thinking_budget: 5_000 }],
    ['not mentioned', unset, {}],
  ],
  'google/gemini-2.5-flash': [
    ['off', off, { thinkingConfig: { includeThoughts: false, thinkingBudget: 0 } }],
    ['adaptive', adaptive, { thinkingConfig: { includeThoughts: true, thinkingBudget: -1 } }],
    ['adaptive, high', high, { thinkingConfig: { includeThoughts: true, thinkingBudget: 24_000 } }],
    ['a budget', budget, { thinkingConfig: { includeThoughts: true, thinkingBudget: 5_000 } }],
    ['the largest budget', most, { thinkingConfig: { includeThoughts: true, thinkingBudget: 24_576 } }],
    ['not mentioned', unset, { thinkingConfig: { includeThoughts: false } }],
  ],
  'google/gemini-2.5-pro': [
    ['off', off, { thinkingConfig: { includeThoughts: false, thinkingBudget: 128 } }],
  ],
  'google/gemini-3-pro-preview': [
    ['off', off, { thinkingConfig: { includeThoughts: false, thinkingLevel: 'low' } }],
    ['adaptive', adaptive, { thinkingConfig: { includeThoughts: true } }],
    ['adaptive, high', high, { thinkingConfig: { includeThoughts: true, thinkingLevel: 'high' } }],
    ['a budget', most, { thinkingConfig: { includeThoughts: true, thinkingLevel: 'high' } }],
    ['not mentioned', unset, { thinkingConfig: { includeThoughts: false } }],
  ],
  'bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0': [
    ['off', off, {}],
    ['adaptive', adaptive, { thinking: { type: 'enabled', budget_tokens: 24_000 } }],
    ['adaptive, low', low, { thinking: { type: 'enabled', budget_tokens: 4_096 } }],
    ['a budget', budget, { thinking: { type: 'enabled', budget_tokens: 5_000 } }],
    ['the largest budget', most, { thinking: { type: 'enabled', budget_tokens: 31_999 } }],
    [
      'a budget above the limit',
      { ...most, max_tokens: 4_000 },
      { thinking: { type: 'enabled', budget_tokens: 3_999 } },
    ],
    ['a limit without room', { ...most, max_tokens: 1_000 }, {}],
    ['a forced call', { ...high, tools, tool_choice: { type: 'any' } }, {}],
    ['not mentioned', unset, {}],
  ],
  'bedrock/anthropic.claude-opus-4-6-v1': [
    ['off', off, {}],
    ['adaptive', adaptive, { thinking: { type: 'adaptive' } }],
    ['adaptive, low', low, { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }],
    ['a budget', budget, { thinking: { type: 'enabled', budget_tokens: 5_000 } }],
    ['a forced call', { ...high, tools, tool_choice: { type: 'tool', name: 'Read' } }, {}],
    ['not mentioned', unset, {}],
  ],
  'bedrock/anthropic.claude-opus-4-7': [
    ['off', off, {}],
    ['adaptive', adaptive, { thinking: { type: 'adaptive' } }],
    ['a budget', budget, { thinking: { type: 'adaptive' }, output_config: { effort: 'medium' } }],
  ],
  'bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0': [
    ['off', off, {}],
    ['adaptive, high', high, {}],
  ],
  'bedrock/amazon.nova-2-lite-v1:0': [
    ['off', off, {}],
    ['adaptive, high', high, { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' } }],
    ['not mentioned', unset, {}],
  ],
  'cohere/command-a-reasoning-08-2025': [
    ['off', off, { thinking: { type: 'disabled' } }],
    ['adaptive', adaptive, { thinking: { type: 'enabled' } }],
    ['adaptive, low', low, { thinking: { type: 'enabled', token_budget: 4_096 } }],
    ['a budget', budget, { thinking: { type: 'enabled', token_budget: 5_000 } }],
    ['not mentioned', unset, {}],
  ],
};

describe.each(Object.entries(table))('%s', (model, rows) => {
  test.each(rows)('thinking: %s', async (_, settings, wire) => {
    const body = await sent(model, settings);
    expect(about(body)).toEqual(wire);
    const own = Number((settings as { max_tokens?: number }).max_tokens ?? 32_000);
    for (const limit of limits(body)) expect(limit).toBeLessThanOrEqual(own);
    const thoughts = (about(body).thinking as { budget_tokens?: number } | undefined)?.budget_tokens;
    if (thoughts !== undefined) expect(thoughts).toBeLessThan(Math.max(...limits(body)));
  });
});

test.each([
  ['anthropic.claude-3-haiku-20240307-v1:0', 'none'],
  ['claude-3-5-sonnet@20241022', 'none'],
  ['anthropic.claude-3-7-sonnet-20250219-v1:0', 'budget'],
  ['anthropic.claude-sonnet-4-20250514-v1:0', 'budget'],
  ['claude-opus-4-1@20250805', 'budget'],
  ['claude-haiku-4-5@20251001', 'budget'],
  ['claude-sonnet-4.6', 'both'],
  ['claude-opus-4-7', 'adaptive'],
  ['claude-sonnet-5', 'adaptive'],
  ['some-profile', 'adaptive'],
])('%s takes thinking as: %s', (model, form) => {
  expect(claudeForm(model)).toBe(form);
});
