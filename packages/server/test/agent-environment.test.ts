import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// What the server sets for the agent process of a session: read from the process itself.

let server: TestServer;
const model = recordModelCalls();
beforeAll(async () => {
  server = await startTestServer({
    model: model.options,
    env: {
      ANTHROPIC_API_KEY: 'the-users-own-key',
      ANTHROPIC_CUSTOM_HEADERS: 'x-account: the-users-own-header',
      AGENT_SERVER_API_KEY: 'the-servers-own-key',
      OTHER_SECRET: 'of-another-program',
      AWS_SECRET_ACCESS_KEY: 'of-another-cloud',
    },
  });
});
afterAll(() => cleanUp(server));

const key = { headers: { authorization: 'Bearer the-servers-own-key' } };
const call = <T = Record<string, unknown>>(method: string, path: string, body?: unknown) =>
  server.call<T>(method, path, body, key);

/** The environment of a new session's agent. */
async function environmentOf(
  body: Record<string, unknown>,
  meanwhile: (env: Record<string, string>) => Promise<void> = async () => {},
): Promise<Record<string, string>> {
  const { session_id } = (await call<{ session_id: string }>('POST', '/sessions', body)).body;
  const [agent] = processesOf(session_id);
  expect(agent).toBeDefined();
  await meanwhile(agent?.env ?? {});
  await call('DELETE', `/sessions/${session_id}`);
  return agent?.env ?? {};
}

describe.skipIf(!CAN_SEE_PROCESSES)('the environment of an agent process', () => {
  test("has the user's credential, but neither the server's key nor other secrets", async () => {
    const env = await environmentOf({});
    expect(env).toMatchObject({
      ANTHROPIC_API_KEY: 'the-users-own-key',
      ANTHROPIC_BASE_URL: server.demo.url,
      HOME: server.userHome,
    });
    expect(Object.values(env).join('\n')).not.toMatch(/the-servers-own-key|of-another-/);
  });

  test('a model that is not Claude: caching off, background and subagents follow the model', async () => {
    const env = await environmentOf({ model: 'gpt-9' });
    expect(env).toMatchObject({
      DISABLE_PROMPT_CACHING: '1',
      ANTHROPIC_SMALL_FAST_MODEL: 'gpt-9',
      ANTHROPIC_DEFAULT_HAIKU_MODEL: 'gpt-9',
      CLAUDE_CODE_SUBAGENT_MODEL: 'gpt-9',
    });
  });

  test('a Claude model keeps its cache, and background_model is used where it is set', async () => {
    const env = await environmentOf({ model: 'claude-big', background_model: 'claude-small' });
    expect(env.DISABLE_PROMPT_CACHING).toBeUndefined();
    expect(env).toMatchObject({
      ANTHROPIC_SMALL_FAST_MODEL: 'claude-small',
      ANTHROPIC_DEFAULT_HAIKU_MODEL: 'claude-small',
      CLAUDE_CODE_SUBAGENT_MODEL: 'claude-big',
    });
  });

  test('in proxy mode: points to this server, with a token that opens only the gateway', async () => {
    const env = await environmentOf({ enable_proxy: true }, async ({ ANTHROPIC_API_KEY = '' }) => {
      const token = { headers: { 'x-api-key': ANTHROPIC_API_KEY } };
      expect((await server.call('GET', '/v1/models', undefined, token)).status).toBe(200);
      expect((await server.call('GET', '/sessions', undefined, token)).status).toBe(403);
    });
    expect(env).toMatchObject({ ANTHROPIC_BASE_URL: server.url, CLAUDE_CODE_USE_BEDROCK: '0' });
    expect(Object.values(env).join('\n')).not.toMatch(/the-users-own-|the-servers-own-/);
  });
});

test('in proxy mode, model calls go through this server and nowhere else', async () => {
  const { session_id } = (await call<{ session_id: string }>('POST', '/sessions', { enable_proxy: true }))
    .body;
  const before = model.all.length;
  const { body } = await call('POST', `/sessions/${session_id}/messages`, {
    message: 'say through the gate',
  });
  expect(body).toMatchObject({ messages: [{ type: 'text', content: 'through the gate' }], cost_usd: 0 });
  expect(model.all.length).toBe(before);
  await call('DELETE', `/sessions/${session_id}`);
});

test('neither the agent nor its subagents call a model that was not chosen', async () => {
  const { session_id } = (await call<{ session_id: string }>('POST', '/sessions', { model: 'chosen' })).body;
  const before = model.all.length;
  const { body } = await call('POST', `/sessions/${session_id}/messages`, { message: 'start a subagent' });
  expect(body).toMatchObject({ is_error: false });
  const calls = model.all.slice(before);
  expect(calls.length).toBeGreaterThan(2);
  expect(new Set(calls.map((request) => request.model))).toEqual(new Set(['chosen']));
  await call('DELETE', `/sessions/${session_id}`);
});

test('an answer is logged with the id of its key', async () => {
  const { session_id } = (await call<{ session_id: string }>('POST', '/sessions')).body;
  const turn = call('POST', `/sessions/${session_id}/messages`, { message: '$ touch asked-for' });
  const events = server.stream(`/sessions/${session_id}/events?after=0`, key);
  const asked = await firstFrame(events, ({ event }) => event === 'permission.requested');
  const { request_id } = asked.data.data;
  await call('POST', `/sessions/${session_id}/permissions/respond`, { request_id, allowed: true });
  await turn;
  const log = await server.openStream(`/sessions/${session_id}/events?after=0`, key);
  const resolved = await firstFrame(log, ({ event }) => event === 'permission.resolved');
  expect(resolved.data.data.resolved_by).toEqual({ kind: 'key', id: 'environment' });
});

describe('with --demo', () => {
  let demo: TestServer;
  beforeAll(async () => {
    demo = await startTestServer({ args: ['--demo'], env: { ANTHROPIC_MODEL: '' } });
  });
  afterAll(() => cleanUp(demo));

  test('the built-in model answers at no cost, and the key in the environment is not used', async () => {
    const { session_id, model: name } = await demo.createSession();
    expect(name).toBe('demo');
    if (CAN_SEE_PROCESSES) {
      const env = processesOf(session_id)[0]?.env;
      expect(env).toMatchObject({ ANTHROPIC_BASE_URL: demo.url, CLAUDE_CODE_USE_BEDROCK: '0' });
      expect(Object.values(env ?? {})).not.toContain('test-key');
    }
    const answer = await demo.send(session_id, script({ say: 'for free' }));
    expect(answer).toMatchObject({ messages: [{ type: 'text', content: 'for free' }], cost_usd: 0 });
  });
});

test('GET /health, /ping and /ready are open; every other route requires the key', async () => {
  for (const path of ['/health', '/ping', '/ready'])
    expect((await server.call('GET', path)).status).toBe(200);
  for (const path of ['/sessions', '/docs', '/openapi.json', '/nowhere']) {
    const { status, body } = await server.call('GET', path);
    expect([path, status, body.code]).toEqual([path, 401, 'unauthorized']);
  }
});

test('behind a proxy, an agent still reaches this server directly', async () => {
  // Nobody listens there: what takes the proxy fails.
  const proxy = 'http://127.0.0.1:1';
  const behind = await startTestServer({
    env: {
      HTTP_PROXY: proxy,
      HTTPS_PROXY: proxy,
      http_proxy: proxy,
      https_proxy: proxy,
      NO_PROXY: 'internal',
    },
  });
  try {
    const { session_id } = await behind.createSession({ model: 'demo', enable_proxy: true });
    const result = await behind.send(session_id, 'say hello');
    expect(result.messages).toEqual([{ type: 'text', content: 'hello' }]);
    if (!CAN_SEE_PROCESSES) return;
    const [agent] = processesOf(session_id);
    expect(agent?.env).toMatchObject({ HTTPS_PROXY: proxy, NO_PROXY: 'internal,127.0.0.1' });
  } finally {
    await cleanUp(behind);
  }
});
