import { describe, expect, test } from 'vitest';
import { type ConfigFile, createConfig } from '../config.ts';
import { post, startGateway } from '../testing/gateway.ts';
import { loadCatalogue } from './catalogue.ts';
import { createProviderRegistry } from './providers.ts';
import { createResolver } from './resolve.ts';

const catalogue = loadCatalogue();

function targetOf(name: string, env: Record<string, string>, config: ConfigFile = {}) {
  const full = createConfig(config, env);
  const registry = createProviderRegistry(full, catalogue);
  const target = createResolver(full, catalogue, registry, undefined)(name).targets[0];
  if (!target) throw new Error('no target');
  return target;
}

const bedrock = { AWS_BEARER_TOKEN_BEDROCK: 'k', AWS_REGION: 'eu-west-1' };
const azure = { AZURE_API_KEY: 'k', AZURE_RESOURCE_NAME: 'res' };
const vertex = { GOOGLE_VERTEX_PROJECT: 'p', GOOGLE_VERTEX_LOCATION: 'europe-west1' };
const neon = { NEON_AI_GATEWAY_TOKEN: 'k', NEON_AI_GATEWAY_BASE_URL: 'https://n.example' };

describe('models with their own address', () => {
  test.each([
    [
      'amazon-bedrock/openai.gpt-oss-120b',
      bedrock,
      'openai-chat',
      'https://bedrock-mantle.eu-west-1.api.aws/v1',
    ],
    [
      'amazon-bedrock/google.gemma-4-31b',
      { AWS_BEARER_TOKEN_BEDROCK: 'k' },
      'openai-chat',
      'https://bedrock-mantle.us-east-1.api.aws/openai/v1',
    ],
    ['amazon-bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0', bedrock, 'amazon-bedrock', ''],
    ['azure/claude-haiku-4-5', azure, 'anthropic', 'https://res.services.ai.azure.com/anthropic/v1'],
    ['azure/deepseek-v4-pro', azure, 'openai-chat', 'https://res.services.ai.azure.com/models'],
    [
      'azure-cognitive-services/claude-haiku-4-5',
      { AZURE_COGNITIVE_SERVICES_API_KEY: 'k', AZURE_COGNITIVE_SERVICES_RESOURCE_NAME: 'cog' },
      'anthropic',
      'https://cog.services.ai.azure.com/anthropic/v1',
    ],
    [
      'google-vertex/deepseek-ai/deepseek-v3.2-maas',
      vertex,
      'google-vertex',
      'https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/endpoints/openapi',
    ],
    [
      'google-vertex/deepseek-ai/deepseek-v3.2-maas',
      { VERTEXAI_PROJECT: 'p', VERTEXAI_LOCATION: 'global' },
      'google-vertex',
      'https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi',
    ],
    ['google-vertex/claude-haiku-4-5@20251001', vertex, 'google-vertex-anthropic', ''],
    ['google-vertex/gemini-2.5-pro', vertex, 'google-vertex', ''],
    ['neon/gpt-5', neon, 'openai-responses', 'https://n.example/openai/v1'],
    ['neon/claude-haiku-4-5', neon, 'openai-chat', 'https://n.example/v1'],
    [
      'cohere/north-mini-code-1-0',
      { COHERE_API_KEY: 'k' },
      'openai-chat',
      'https://api.cohere.ai/compatibility/v1',
    ],
  ])('%s with %o', (name, env, dialect, baseUrl) => {
    expect(targetOf(name, env as Record<string, string>)).toMatchObject({ dialect, baseUrl });
  });

  test('all addresses are valid once the variables of their providers are set', () => {
    const env = Object.fromEntries(
      [...catalogue.providers.values()].flatMap((provider) => provider.env.map((name) => [name, 'x'])),
    );
    Object.assign(env, neon);
    const own = [...catalogue.providers.values()].flatMap((provider) =>
      provider
        .modelIds()
        .filter((id) => provider.model(id)?.api?.includes('${'))
        .map((id) => `${provider.id}/${id}`),
    );
    expect(own.length).toBeGreaterThan(80);
    for (const name of own) {
      const { baseUrl } = targetOf(name, env);
      expect(URL.canParse(baseUrl), `${name}: ${baseUrl}`).toBe(true);
      expect(baseUrl).not.toContain('$');
    }
  });

  test('missing variables are named, and only for these models', () => {
    const key = { AZURE_API_KEY: 'k', AZURE_API_BASE: '' };
    expect(() => targetOf('azure/claude-haiku-4-5', key)).toThrow(/set AZURE_RESOURCE_NAME where/);
    expect(() => targetOf('google-vertex/deepseek-ai/deepseek-v3.2-maas', {})).toThrow(
      /GOOGLE_VERTEX_PROJECT/,
    );
    // Mantle takes no access key from us: it would have to sign.
    const access = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    expect(() => targetOf('amazon-bedrock/openai.gpt-oss-120b', access)).toThrow(/AWS_BEARER_TOKEN_BEDROCK/);
    expect(targetOf('amazon-bedrock/anthropic.claude-3', access).dialect).toBe('amazon-bedrock');
  });

  test('a base URL set by the user wins, with the dialect of its provider', () => {
    expect(
      targetOf('zenmux/anthropic/claude-3.5-haiku', {
        ZENMUX_API_KEY: 'k',
        ZENMUX_BASE_URL: 'http://proxy/v1',
      }),
    ).toMatchObject({ dialect: 'openai-chat', baseUrl: 'http://proxy/v1' });
    expect(
      targetOf('amazon-bedrock/openai.gpt-oss-120b', bedrock, {
        providers: { 'amazon-bedrock': { base_url: 'http://proxy' } },
      }),
    ).toMatchObject({ dialect: 'amazon-bedrock', baseUrl: 'http://proxy' });
    expect(
      targetOf('azure/claude-haiku-4-5', { AZURE_API_KEY: 'k', AZURE_API_BASE: 'https://proxy/openai/v1/' }),
    ).toMatchObject({ dialect: 'anthropic', baseUrl: 'https://proxy/anthropic/v1' });
    expect(
      targetOf('azure/claude-haiku-4-5', azure, { providers: { azure: { api: 'openai-chat' } } }),
    ).toMatchObject({ dialect: 'openai-chat', baseUrl: 'https://res.openai.azure.com/openai/v1' });
  });

  test('the region of the configuration wins over the environment', () => {
    const config: ConfigFile = { providers: { 'amazon-bedrock': { region: 'us-west-2' } } };
    expect(targetOf('amazon-bedrock/openai.gpt-oss-120b', bedrock, config).baseUrl).toBe(
      'https://bedrock-mantle.us-west-2.api.aws/v1',
    );
  });

  test('Azure gets its key in the header that each path reads', () => {
    expect(targetOf('azure/claude-haiku-4-5', azure).headers).toEqual({ 'x-api-key': 'k' });
    expect(targetOf('azure/deepseek-v4-pro', azure).headers).toEqual({ 'api-key': 'k' });
  });
});

describe('keys that no header can hold', () => {
  const secret = 'AIza-first-secret\nAIza-second-secret';

  test.each([
    ['google/gemini-2.5-pro', { GEMINI_API_KEY: secret }, {}, 'GEMINI_API_KEY'],
    ['openai/gpt-4.1', { MY_KEY: secret }, { providers: { openai: { api_key_env: 'MY_KEY' } } }, 'MY_KEY'],
    ['x/m', {}, { providers: { x: { base_url: 'http://x', api_key: secret } } }, 'providers.x.api_key'],
    ['claude-opus-4-5', { ANTHROPIC_AUTH_TOKEN: secret }, {}, 'ANTHROPIC_AUTH_TOKEN'],
    [
      'amazon-bedrock/anthropic.claude-3',
      { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: secret },
      {},
      'AWS_SECRET_ACCESS_KEY',
    ],
    [
      'x/m',
      {},
      { providers: { x: { base_url: 'http://x', headers: { 'x-auth': secret } } } },
      'providers.x.headers',
    ],
  ])('%s: reported by name, without the value', async (model, env, config, name) => {
    const logged: unknown[] = [];
    const running = await startGateway(config, {
      env: env as Record<string, string>,
      log: (entry) => logged.push(entry),
      transport: () => Promise.reject(new Error('nothing may be sent')),
    });
    const body = { model, max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] };
    const response = await post(running.url, body);
    const text = await response.text();
    await running.close();
    expect(response.status).toBe(400);
    expect(text).toContain(name);
    expect(text).toContain('holds characters that no header may have');
    expect(text + JSON.stringify(logged)).not.toContain('secret');
  });

  test('a newline at the end of a key is removed', () => {
    expect(targetOf('openai/gpt-4.1', { OPENAI_API_KEY: 'sk-1\r\n' }).headers).toEqual({
      authorization: 'Bearer sk-1',
    });
    expect(() => targetOf('openai/gpt-4.1', { OPENAI_API_KEY: '\n' })).toThrow(/set OPENAI_API_KEY where/);
  });
});
