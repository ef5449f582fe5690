import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { checkStream } from '../../testing/check-stream.ts';
import { dialectFixtures } from '../../testing/dialects.ts';
import { post, readEvents, startGateway } from '../../testing/gateway.ts';
import { sendJson, startUpstream } from '../../testing/upstream.ts';
import type { Transport } from '../../transport/transport.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Sent {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** Answers everything in Chat Completions and keeps what was sent. */
function answering(sent: Sent[]): Transport {
  const fixture = dialectFixtures.find(({ name }) => name === 'openai-chat');
  if (!fixture) throw new Error('no fixture');
  return async ({ url, headers, body }) => {
    sent.push({
      url,
      headers: headers as Record<string, string>,
      body: Buffer.from(body as Uint8Array).toString(),
    });
    const answer = fixture.stream({ text: 'Hello', usage: { input: 10, cached: 0, output: 5 } });
    return {
      status: 200,
      headers: { 'content-type': fixture.contentType },
      body: (async function* () {
        yield answer;
      })(),
    };
  };
}

const ask = (url: string, model: string) =>
  post(url, {
    model,
    max_tokens: 500,
    stream: true,
    thinking: { type: 'enabled', budget_tokens: 4_000 },
    messages: [{ role: 'user', content: 'Go' }],
  });

test('a model with its own address does not affect the other models of its provider', async () => {
  const sent: Sent[] = [];
  const env = { AWS_BEARER_TOKEN_BEDROCK: 'k', AWS_REGION: 'eu-west-1' };
  const running = await startGateway({ retries: 0 }, { env, transport: answering(sent) });
  closers.push(running.close);
  for (const model of ['openai.gpt-oss-120b', 'anthropic.claude-sonnet-4-5-20250929-v1:0']) {
    await (await ask(running.url, `amazon-bedrock/${model}`)).text();
  }
  expect(sent.map(({ url }) => url)).toEqual([
    'https://bedrock-mantle.eu-west-1.api.aws/v1/chat/completions',
    'https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream',
  ]);
});

test("Vertex's open models speak Chat Completions with Google's credentials, beside Gemini", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vertex-open-models-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const tokens = await startUpstream((_request, response) =>
    sendJson(response, 200, {
      access_token: 'the-access-token',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3_600,
    }),
  );
  closers.push(tokens.close);
  writeFileSync(join(folder, 'workload-token'), 'who-i-am');
  writeFileSync(
    join(folder, 'credentials.json'),
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${tokens.url}/token`,
      credential_source: { file: join(folder, 'workload-token') },
    }),
  );
  const sent: Sent[] = [];
  const env = {
    GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'credentials.json'),
    GOOGLE_VERTEX_PROJECT: 'my-project',
    GOOGLE_VERTEX_LOCATION: 'europe-west1',
  };
  const running = await startGateway({ retries: 0 }, { env, transport: answering(sent) });
  closers.push(running.close);
  await (await ask(running.url, 'google-vertex/gemini-2.5-pro')).text();
  const answer = await ask(running.url, 'google-vertex/deepseek-ai/deepseek-v3.2-maas');
  const events = readEvents(await answer.text());
  expect(checkStream(events)).toEqual([]);
  expect(JSON.stringify(events)).toContain('Hello');
  const root = 'https://europe-west1-aiplatform.googleapis.com/v1';
  const place = 'projects/my-project/locations/europe-west1';
  expect(sent.map(({ url }) => url.split('?')[0])).toEqual([
    expect.stringContaining('/publishers/google/models/gemini-2.5-pro:streamGenerateContent'),
    `${root}/${place}/endpoints/openapi/chat/completions`,
  ]);
  expect(sent[1]?.headers.authorization).toBe('Bearer the-access-token');
  const body = JSON.parse(sent[1]?.body ?? '{}');
  expect(body).toMatchObject({ model: 'deepseek-ai/deepseek-v3.2-maas', stream: true });
  // Gemini's own setting: Chat Completions knows no such field.
  expect(body).not.toHaveProperty('thinkingConfig');
});
