import { describe, expect, test } from 'vitest';
import { type ConfigFile, createConfig } from '../config.ts';
import { createGateway } from '../gateway.ts';
import { GatewayError } from '../messages/errors.ts';
import { demoTarget } from '../providers/demo.ts';
import { loadCatalogue } from './catalogue.ts';
import { createPricing } from './prices.ts';
import { createProviderRegistry } from './providers.ts';
import { createResolver } from './resolve.ts';

const catalogue = loadCatalogue();

function resolver(env: Record<string, string>, config: ConfigFile = {}) {
  const full = createConfig(config, env);
  return createResolver(full, catalogue, createProviderRegistry(full, catalogue), demoTarget);
}

function targetOf(name: string, env: Record<string, string>, config: ConfigFile = {}) {
  const target = resolver(env, config)(name).targets[0];
  if (!target) throw new Error('no target');
  return target;
}

describe('names', () => {
  test.each([
    ['gpt-4', { OPENAI_API_KEY: 'k' }, 'openai', 'openai-chat', 'https://api.openai.com/v1'],
    ['gpt-5', { OPENAI_API_KEY: 'k' }, 'openai', 'openai-responses', 'https://api.openai.com/v1'],
    [
      'openai/gpt-4.1',
      { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://localhost:9/v1' },
      'openai',
      'openai-chat',
      'http://localhost:9/v1',
    ],
    ['claude-opus-4-5', { ANTHROPIC_API_KEY: 'k' }, 'anthropic', 'anthropic', 'https://api.anthropic.com'],
    ['command-a-03-2025', { COHERE_API_KEY: 'k' }, 'cohere', 'cohere', 'https://api.cohere.com/v2'],
    ['command-r-plus', { CO_API_KEY: 'k' }, 'cohere', 'cohere', 'https://api.cohere.com/v2'],
    [
      'gemini/gemini-2.5-pro',
      { GEMINI_API_KEY: 'k' },
      'google',
      'google',
      'https://generativelanguage.googleapis.com/v1beta',
    ],
    ['vertex_ai/gemini-2.5-pro', { VERTEXAI_PROJECT: 'p' }, 'google-vertex', 'google-vertex', ''],
    ['bedrock/anthropic.claude-3', { AWS_BEARER_TOKEN_BEDROCK: 'k' }, 'amazon-bedrock', 'amazon-bedrock', ''],
    [
      'mistral/mistral-large-latest',
      { MISTRAL_API_KEY: 'k' },
      'mistral',
      'openai-chat',
      'https://api.mistral.ai/v1',
    ],
    [
      'groq/llama-3.3-70b-versatile',
      { GROQ_API_KEY: 'k' },
      'groq',
      'openai-chat',
      'https://api.groq.com/openai/v1',
    ],
    ['xai/grok-4', { XAI_API_KEY: 'k' }, 'xai', 'openai-chat', 'https://api.x.ai/v1'],
    [
      'deepseek/deepseek-chat',
      { DEEPSEEK_API_KEY: 'k' },
      'deepseek',
      'openai-chat',
      'https://api.deepseek.com',
    ],
    [
      'openrouter/z-ai/glm-5',
      { OPENROUTER_API_KEY: 'k' },
      'openrouter',
      'openai-chat',
      'https://openrouter.ai/api/v1',
    ],
    [
      'together_ai/x/y',
      { TOGETHERAI_API_KEY: 'k' },
      'togetherai',
      'openai-chat',
      'https://api.together.xyz/v1',
    ],
    [
      'fireworks_ai/accounts/f/models/x',
      { FIREWORKS_API_KEY: 'k' },
      'fireworks-ai',
      'openai-chat',
      'https://api.fireworks.ai/inference/v1',
    ],
    [
      'minimax/MiniMax-M2',
      { MINIMAX_API_KEY: 'k' },
      'minimax',
      'anthropic',
      'https://api.minimax.io/anthropic/v1',
    ],
    ['ollama/qwen3', { OLLAMA_HOST: '127.0.0.1:1111' }, 'ollama', 'anthropic', 'http://127.0.0.1:1111'],
    ['lm_studio/x', {}, 'lmstudio', 'openai-chat', 'http://127.0.0.1:1234/v1'],
    [
      'hosted_vllm/x',
      { HOSTED_VLLM_API_BASE: 'http://gpu:8000/v1' },
      'vllm',
      'openai-chat',
      'http://gpu:8000/v1',
    ],
    [
      'azure/my-deployment',
      { AZURE_API_KEY: 'k', AZURE_RESOURCE_NAME: 'res' },
      'azure',
      'openai-chat',
      'https://res.openai.azure.com/openai/v1',
    ],
    [
      'azure/my-deployment',
      {
        AZURE_API_KEY: 'k',
        AZURE_API_BASE: 'https://res.openai.azure.com/',
        AZURE_API_VERSION: '2024-10-21',
      },
      'azure',
      'openai-chat',
      'https://res.openai.azure.com/openai/deployments/my-deployment',
    ],
    ['ollama_chat/qwen3', {}, 'ollama', 'anthropic', 'http://127.0.0.1:11434'],
    [
      'nvidia_nim/x',
      { NVIDIA_NIM_API_KEY: 'k' },
      'nvidia',
      'openai-chat',
      'https://integrate.api.nvidia.com/v1',
    ],
    [
      'perplexity/sonar',
      { PERPLEXITYAI_API_KEY: 'k' },
      'perplexity',
      'openai-chat',
      'https://api.perplexity.ai',
    ],
    [
      'dashscope/qwen-max',
      { DASHSCOPE_API_KEY: 'k' },
      'alibaba',
      'openai-chat',
      'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
    ],
    ['demo', {}, 'demo', 'demo', 'http://demo.invalid'],
  ])('%s with %o', (name, env, provider, dialect, baseUrl) => {
    expect(targetOf(name, env as Record<string, string>)).toMatchObject({ provider, dialect, baseUrl });
  });

  test('aliases, wildcards and what they capture', () => {
    const config: ConfigFile = {
      providers: { local: { base_url: 'http://127.0.0.1:1/v1' } },
      models: {
        haiku: 'local/small',
        'claude-*': 'local/big-*',
        'claude-opus-*': ['local/huge', 'local/big'],
        best: 'claude-opus-9',
      },
    };
    expect(targetOf('haiku', {}, config).model).toBe('small');
    expect(targetOf('claude-sonnet-5', {}, config).model).toBe('big-sonnet-5');
    expect(resolver({}, config)('claude-opus-5').targets.map((target) => target.model)).toEqual([
      'huge',
      'big',
    ]);
    expect(targetOf('best', {}, config).model).toBe('huge');
  });

  test('a wildcard may lead to a name that it matches itself, without a loop', () => {
    const config: ConfigFile = { models: { '*': 'openai/*' } };
    expect(targetOf('gpt-4', { OPENAI_API_KEY: 'k' }, config)).toMatchObject({
      provider: 'openai',
      model: 'gpt-4',
    });
  });

  test('a second account of a provider has its own id', () => {
    const config: ConfigFile = {
      providers: {
        'bedrock-eu': { api: 'amazon-bedrock', region: 'eu-central-1' },
        'gemini-team': { api: 'google', api_key: 'k' },
        'openai-team': { api: 'openai-chat', base_url: 'https://api.openai.com/v1', api_key: 'k' },
      },
    };
    const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    expect(targetOf('bedrock-eu/x', env, config).settings).toMatchObject({
      region: 'eu-central-1',
      accessKey: { id: 'a', secret: 'b' },
    });
    expect(() => targetOf('bedrock-eu/x', {}, config)).toThrow(/AWS_ACCESS_KEY_ID/);
    expect(targetOf('gemini-team/x', {}, config).baseUrl).toContain('generativelanguage');
    expect(targetOf('openai-team/x', {}, config).settings).toMatchObject({ openai: true });
  });

  test('targets that are not configured are skipped', () => {
    const config: ConfigFile = { models: { best: ['anthropic/claude-opus-4-5', 'openai/gpt-4.1'] } };
    expect(targetOf('best', { OPENAI_API_KEY: 'k' }, config).provider).toBe('openai');
    expect(() => targetOf('best', {}, config)).toThrow(/ANTHROPIC_API_KEY/);
  });

  test('a provider that is not configured is an error with the settings that it needs', () => {
    let error: unknown;
    try {
      resolver({})('gpt-4');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(GatewayError);
    expect((error as GatewayError).failure).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect((error as GatewayError).message).toContain('set OPENAI_API_KEY');
    expect(() => resolver({})('no-such-model')).toThrow(/provider\/model/);
    expect(() => resolver({})('azure/x')).toThrow(/AZURE_RESOURCE_NAME.*AZURE_API_KEY/);
  });
});

test('more than a hundred providers need only their key', () => {
  const env = Object.fromEntries(
    [...catalogue.providers.values()].flatMap((provider) => provider.env.map((name) => [name, 'x'])),
  );
  const config = createConfig({}, env);
  const ready = createProviderRegistry(config, catalogue)
    .list()
    .filter((status) => status.ready);
  expect(ready.length).toBeGreaterThan(200);
});

test('an upstream that is the gateway itself is found by any name of this machine', () => {
  const gateway = createGateway({
    config: createConfig({}, { ANTHROPIC_BASE_URL: 'http://localhost:4000', ANTHROPIC_API_KEY: 'k' }),
  });
  expect(gateway.findSelf(['127.0.0.1:4000'])).toContain('anthropic');
  expect(gateway.findSelf(['127.0.0.1:4001'])).toBeUndefined();
  // vLLM's usual port is free for us as long as nobody configured vLLM.
  expect(gateway.findSelf(['127.0.0.1:8000'])).toBeUndefined();
  gateway.close();
});

test('prices come from the configuration, from genai-prices, then from the catalogue', async () => {
  const usage = {
    input_tokens: 1_000,
    output_tokens: 100,
    cache_read_input_tokens: 500,
    cache_creation_input_tokens: 0,
  };
  const own = createConfig({
    providers: { mine: { models: { m: { prices: { input: 2, output: 4, cache_read: 1 } } } } },
  });
  const costOf = createPricing(own, catalogue);
  expect(await costOf('mine', 'm', usage)).toBeCloseTo((1_000 * 2 + 500 * 1 + 100 * 4) / 1e6, 12);
  expect(await costOf('openai', 'gpt-4.1', usage)).toBeCloseTo((1_000 * 2 + 500 * 0.5 + 100 * 8) / 1e6, 12);
  expect(await costOf('302ai', 'MiniMax-M1', usage)).toBeCloseTo((1_500 * 0.132 + 100 * 1.254) / 1e6, 12);
  expect(await costOf('mine', 'unknown', usage)).toBeUndefined();
});

test('a wrong configuration names the field', () => {
  expect(() => createConfig({ providers: { x: { base_url: 'ftp://y' } } })).toThrow(/base_url/);
  expect(() => createConfig({ retires: 3 } as ConfigFile)).toThrow(/retires/);
});
