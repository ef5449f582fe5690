import { createDemoModel } from 'claude-agent-demo-model';
import { afterEach, describe, expect, test } from 'vitest';
import { createConfig } from './config.ts';
import { createGateway } from './gateway.ts';
import type { LogEntry, UsageRecord } from './pipeline/hooks.ts';
import { dialectFixtures } from './testing/dialects.ts';
import { post, startGateway } from './testing/gateway.ts';
import { type FakeAnswer, sendJson, startUpstream } from './testing/upstream.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const answer = {
  choices: [{ message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1_000, completion_tokens: 1_000 },
};
const body = { model: 'fake/m', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] };

async function setUp() {
  const how: { answer: FakeAnswer } = { answer: (_, response) => sendJson(response, 200, answer) };
  const upstream = await startUpstream((request, response, nth) => how.answer(request, response, nth));
  const file = {
    providers: {
      fake: {
        api: 'openai-chat' as const,
        base_url: `${upstream.url}/v1`,
        api_key: 'provider-secret',
        models: { m: { prices: { input: 1, output: 1 } } },
      },
    },
    keys: [
      { id: 'ann', key: 'ann-secret-key', budget_usd: 0.003 },
      { id: 'bob', key: 'bob-secret-key' },
    ],
  };
  const records: UsageRecord[] = [];
  const waiting: (() => void)[] = [];
  const running = await startGateway(file, {
    onUsage(record) {
      records.push(record);
      waiting.shift()?.();
    },
  });
  closers.push(upstream.close, running.close);
  const recorded = () => new Promise<void>((resolve) => waiting.push(resolve));
  return { upstream, running, records, recorded, how, file };
}

describe('access', () => {
  test('needs a key in either header', async () => {
    const { upstream, running } = await setUp();
    expect((await post(running.url, body)).status).toBe(401);
    expect((await post(running.url, body, { 'x-api-key': 'wrong' })).status).toBe(401);
    expect((await fetch(`${running.url}/v1/models`)).status).toBe(401);
    expect(upstream.seen).toHaveLength(0);
    expect((await post(running.url, body, { 'x-api-key': 'bob-secret-key' })).status).toBe(200);
    expect((await post(running.url, body, { authorization: 'Bearer bob-secret-key' })).status).toBe(200);
    expect(JSON.stringify(upstream.seen)).not.toContain('bob-secret-key');
  });

  test('needs a key of the configuration, with its budget, in an embedded gateway too', async () => {
    const { upstream, file } = await setUp();
    const records: UsageRecord[] = [];
    const gateway = createGateway({ config: createConfig(file), onUsage: (record) => records.push(record) });
    const ask = async (key?: string): Promise<number> => {
      const headers = key === undefined ? {} : { 'x-api-key': key };
      const request = new Request('http://gateway.test/v1/messages', {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      const answer = await gateway.fetch(request);
      await answer.text();
      return answer.status;
    };
    try {
      expect([await ask(), await ask('wrong')]).toEqual([401, 401]);
      expect(upstream.seen).toHaveLength(0);
      for (let call = 1; call <= 2; call++) {
        expect(await ask('ann-secret-key')).toBe(200);
        await expect.poll(() => records.filter(({ status }) => status === 200)).toHaveLength(call);
      }
      expect(await ask('ann-secret-key')).toBe(402);
    } finally {
      gateway.close();
    }
  });

  test('a spent budget is a 402 in Anthropic’s envelope, for that key alone', async () => {
    const { running, records, recorded } = await setUp();
    for (let request = 0; request < 2; request += 1) {
      const done = recorded();
      expect((await post(running.url, body, { 'x-api-key': 'ann-secret-key' })).status).toBe(200);
      await done;
    }
    const refused = await post(running.url, body, { 'x-api-key': 'ann-secret-key' });
    expect(refused.status).toBe(402);
    expect(await refused.json()).toMatchObject({
      type: 'error',
      error: { type: 'billing_error', message: 'The budget of the key ann is spent: $0.0040 of $0.003.' },
    });
    expect((await post(running.url, body, { 'x-api-key': 'bob-secret-key' })).status).toBe(200);
    expect(records[0]).toMatchObject({ subject: { keyId: 'ann' }, cost_usd: 0.002, status: 200 });
  });

  test('concurrent requests do not share the same rest of a budget', async () => {
    const { upstream, running } = await setUp();
    // About 1,000 tokens: a tenth of a cent of the 0.3 there are, before any of them is answered.
    const large = { ...body, messages: [{ role: 'user', content: 'word '.repeat(640) }] };
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => post(running.url, large, { 'x-api-key': 'ann-secret-key' })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 402]));
    expect(upstream.seen.length).toBeLessThanOrEqual(3);
    expect(upstream.seen).toHaveLength(statuses.filter((status) => status === 200).length);
  });

  test('a model without a price is refused to a key with a budget, with the setting to add', async () => {
    const { upstream, running } = await setUp();
    const unpriced = { ...body, model: 'fake/unheard-of' };
    const refused = await post(running.url, unpriced, { 'x-api-key': 'ann-secret-key' });
    expect(refused.status).toBe(402);
    expect(await refused.text()).toContain('providers.<id>.models.<model>');
    expect((await post(running.url, unpriced, { 'x-api-key': 'bob-secret-key' })).status).toBe(200);
    expect(upstream.seen).toHaveLength(1);
  });

  test('the record of a failure names the provider', async () => {
    const { running, records, recorded, how } = await setUp();
    how.answer = (_, response) => sendJson(response, 401, { error: { message: 'wrong key' } });
    const done = recorded();
    const failed = await post(running.url, body, { 'x-api-key': 'bob-secret-key' });
    expect(await failed.text()).toContain('providers.fake.api_key');
    await done;
    expect(records[0]).toMatchObject({ provider: 'fake', model: 'm', status: 401, cost_usd: 0 });
  });

  test('an answer whose client disconnected is booked with its output so far', async () => {
    const { running, records, recorded, how } = await setUp();
    const chat = dialectFixtures.find(({ name }) => name === 'openai-chat');
    const text = 'word '.repeat(4_000);
    how.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chat?.stream({ text, usage: { input: 1, cached: 0, output: 1 } }).subarray(0, 300_000));
    };
    const done = recorded();
    const headers = { 'x-api-key': 'bob-secret-key' };
    const reader = (await post(running.url, { ...body, stream: true }, headers)).body?.getReader();
    for (let read = 0; read < 10_000; ) read += (await reader?.read())?.value?.byteLength ?? 10_000;
    await reader?.cancel();
    await done;
    expect(records[0]).toMatchObject({ error: 'aborted', status: 499 });
    expect(records[0]?.output_tokens).toBeGreaterThan(1_000);
    expect(records[0]?.cost_usd).toBeGreaterThan(0.001);
  });

  test('the record of a request names session, subagent and usage', async () => {
    const { running, records, recorded } = await setUp();
    const done = recorded();
    await post(running.url, body, {
      'x-api-key': 'bob-secret-key',
      'x-claude-code-session-id': 's1',
      'x-claude-code-agent-id': 'a2',
      'x-claude-code-parent-agent-id': 'a1',
    });
    await done;
    expect(records[0]).toMatchObject({
      session_id: 's1',
      agent_id: 'a2',
      parent_agent_id: 'a1',
      provider: 'fake',
      model: 'm',
      input_tokens: 1_000,
      output_tokens: 1_000,
      error: undefined,
    });
    expect(records[0]?.ttft_ms).toBeGreaterThan(0);
    expect(records[0]?.latency_ms).toBeGreaterThanOrEqual(records[0]?.ttft_ms ?? 0);
  });
});

test('a body cannot set a base URL or a key', async () => {
  const trap = await startUpstream((_, response) => sendJson(response, 200, answer));
  closers.push(trap.close);
  const { upstream, running } = await setUp();
  const injected = {
    ...body,
    api_base: trap.url,
    base_url: trap.url,
    baseURL: trap.url,
    api_key: 'stolen',
    custom_llm_provider: 'openai',
    extra_headers: { host: 'evil' },
    provider: { base_url: trap.url },
    litellm_params: { api_base: trap.url },
  };
  await post(running.url, injected, { 'x-api-key': 'bob-secret-key' });
  expect(trap.seen).toHaveLength(0);
  expect(upstream.seen).toHaveLength(1);
  expect(upstream.seen[0]?.text).not.toMatch(/stolen|evil|api_base|litellm/);
});

test('keys are never logged, whatever an upstream does with them', async () => {
  for (const fixture of dialectFixtures) {
    const entries: LogEntry[] = [];
    const upstream = await startUpstream((_, response) => {
      response.writeHead(500);
      response.end('<html>');
    });
    const running = await startGateway(
      { providers: { fake: { ...fixture.provider(upstream.url), api_key: 'provider-secret' } }, retries: 0 },
      { log: (entry) => entries.push(entry) },
    );
    closers.push(upstream.close, running.close);
    await post(running.url, body, { 'x-api-key': 'client-secret' });
    expect(entries.length, fixture.name).toBeGreaterThan(0);
    expect(JSON.stringify(entries), fixture.name).not.toMatch(/provider-secret|client-secret/);
  }
});

test('the demo model answers through the gateway, streaming and counting', async () => {
  const running = await startGateway({ models: { 'claude-*': 'demo' } }, { demo: createDemoModel().fetch });
  closers.push(running.close);
  const asked = { model: 'claude-x', max_tokens: 100, messages: [{ role: 'user', content: 'Say hello' }] };
  const whole = (await (await post(running.url, asked)).json()) as { type: string };
  expect(whole.type).toBe('message');
  expect(await (await post(running.url, { ...asked, stream: true })).text()).toContain('event: message_stop');
});
