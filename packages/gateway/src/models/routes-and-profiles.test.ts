import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type ConfigFile, createConfig } from '../config.ts';
import type { Environment } from '../environment.ts';
import { GatewayError } from '../messages/errors.ts';
import { isClaude } from '../providers/ai-sdk/thinking.ts';
import { post, startGateway } from '../testing/gateway.ts';
import { sendJson, startUpstream } from '../testing/upstream.ts';
import { loadCatalogue } from './catalogue.ts';
import { pageOf } from './listing.ts';
import { createPricing } from './prices.ts';
import { createProviderRegistry } from './providers.ts';
import { createResolver } from './resolve.ts';

const catalogue = loadCatalogue();

function targetOf(name: string, env: Environment, config: ConfigFile = {}) {
  const full = createConfig(config, env);
  const target = createResolver(full, catalogue, createProviderRegistry(full, catalogue), undefined)(name)
    .targets[0];
  if (!target) throw new Error('no target');
  return target;
}

test.each([
  ['openai/responses/gpt-4.1', { OPENAI_API_KEY: 'k' }, 'gpt-4.1', 'openai-responses'],
  ['openai/chat/gpt-5', { OPENAI_API_KEY: 'k' }, 'gpt-5', 'openai-chat'],
  [
    'bedrock/converse/amazon.nova-pro-v1:0',
    { AWS_BEARER_TOKEN_BEDROCK: 'k' },
    'amazon.nova-pro-v1:0',
    'amazon-bedrock',
  ],
  [
    'bedrock/invoke/us.anthropic.claude-opus-4-6',
    { AWS_BEARER_TOKEN_BEDROCK: 'k' },
    'us.anthropic.claude-opus-4-6',
    'amazon-bedrock',
  ],
])('LiteLLM’s route in %s leads to the model', (name, env, model, dialect) => {
  expect(targetOf(name, env)).toMatchObject({ model, dialect });
});

describe('an inference profile', () => {
  const env = { AWS_BEARER_TOKEN_BEDROCK: 'k' };
  const system =
    'arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0';
  const own = 'arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123def456';
  const base = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
  const config: ConfigFile = {
    providers: { 'amazon-bedrock': { models: { [own]: { base_model: base } } } },
  };

  test.each([
    [system, {}],
    [own, config],
  ])('%s is the Claude that it leads to: facts, price, thinking', async (arn, settings) => {
    const target = targetOf(`bedrock/${arn}`, env, settings);
    expect(target.model).toBe(arn);
    expect(isClaude(target)).toBe(true);
    expect(target.facts).toMatchObject({ context: 200_000, reasoning: true });
    const usage = {
      input_tokens: 1_000_000,
      output_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    };
    expect(
      await createPricing(createConfig(settings, env), catalogue)('amazon-bedrock', arn, usage),
    ).toBeGreaterThan(2);
  });

  test('with an unknown model is refused with that reason', () => {
    expect(isClaude(targetOf(`bedrock/${own}`, env))).toBe(false);
  });

  test('gets Claude’s own settings on the wire', async () => {
    const upstream = await startUpstream((_, response) => sendJson(response, 400, { message: 'noted' }));
    const provider = { base_url: upstream.url, api_key: 'k', models: { [own]: { base_model: base } } };
    const running = await startGateway({ providers: { 'amazon-bedrock': provider }, retries: 0 });
    const thinking = { type: 'enabled', budget_tokens: 2_000 };
    const messages = [{ role: 'user', content: 'Hi' }];
    await post(running.url, { model: `bedrock/${own}`, max_tokens: 8_000, thinking, messages });
    expect(upstream.seen[0]?.json().additionalModelRequestFields).toEqual({ thinking });
    expect(decodeURIComponent(upstream.seen[0]?.path ?? '')).toContain(own);
    await running.close();
    await upstream.close();
  });
});

describe('AWS_PROFILE', () => {
  const home = mkdtempSync(join(tmpdir(), 'aws-profile-'));
  afterAll(() => rmSync(home, { recursive: true }));
  const credentials = join(home, 'credentials');
  const settings = join(home, 'config');
  writeFileSync(credentials, '[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = s3cret\n');
  writeFileSync(settings, '[profile work]\nregion = eu-central-1\n[profile login]\nsso_start_url = x\n');
  const env = { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: settings };

  test('gives the access key and the region of its files', () => {
    const { settings: used } = targetOf('bedrock/amazon.nova-pro-v1:0', { ...env, AWS_PROFILE: 'work' });
    expect(used).toMatchObject({
      accessKey: { id: 'AKIAWORK', secret: 's3cret' },
      region: 'eu-central-1',
    });
  });

  test('yields to a key and a region in the environment', () => {
    const own = { AWS_ACCESS_KEY_ID: 'AKIAOWN', AWS_SECRET_ACCESS_KEY: 'own', AWS_REGION: 'us-west-2' };
    const { settings: used } = targetOf('bedrock/amazon.nova-pro-v1:0', {
      ...env,
      AWS_PROFILE: 'work',
      ...own,
    });
    expect(used).toMatchObject({ accessKey: { id: 'AKIAOWN', secret: 'own' }, region: 'us-west-2' });
  });

  test('of a login has no key, and the error names what is missing', () => {
    expect(() => targetOf('bedrock/amazon.nova-pro-v1:0', { ...env, AWS_PROFILE: 'login' })).toThrow(
      /AWS_ACCESS_KEY_ID/,
    );
  });

  test('signs the body that is really sent', async () => {
    const upstream = await startUpstream((_, response) => sendJson(response, 400, { message: 'noted' }));
    const running = await startGateway(
      { providers: { 'amazon-bedrock': { base_url: upstream.url } }, retries: 0 },
      { env: { ...env, AWS_PROFILE: 'work' } },
    );
    await post(running.url, {
      model: 'bedrock/amazon.nova-pro-v1:0',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    const headers = upstream.seen[0]?.headers ?? {};
    expect(headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIAWORK\/\d{8}\/eu-central-1\/bedrock\/aws4_request/,
    );
    expect(headers['x-amz-date']).toMatch(/^\d{8}T\d{6}Z$/);
    await running.close();
    await upstream.close();
  });
});

test.each(['after_id', 'before_id'])('an unknown %s is a 400, not the first page', (name) => {
  const list = [{ type: 'model' as const, id: 'a', display_name: 'a', created_at: '2026-01-01T00:00:00Z' }];
  expect(() => pageOf(list, new URLSearchParams({ [name]: 'nobody' }))).toThrow(GatewayError);
  expect(() => pageOf(list, new URLSearchParams({ [name]: 'nobody' }))).toThrow(/nobody/);
});
