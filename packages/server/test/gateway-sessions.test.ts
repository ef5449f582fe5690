import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TurnResult, Usage } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DialectFixture, dialectFixtures, type Turn } from '../../gateway/src/testing/dialects.ts';
import { type FakeUpstream, sendJson, startUpstream } from '../../gateway/src/testing/upstream.ts';
import { framesUntil } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** One red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

const usage = { input: 100, cached: 20, output: 10 };
/** Dollars for a million tokens. */
const prices = { input: 10, output: 100, cache_read: 1 };
const COST_OF_A_CALL =
  ((usage.input - usage.cached) * prices.input +
    usage.cached * prices.cache_read +
    usage.output * prices.output) /
  1e6;

interface Upstream extends FakeUpstream {
  /** What the main conversation and the subagent's are answered, one after the other. */
  script(main: Turn[], subagent?: Turn[]): void;
}

/** A provider on loopback that speaks one dialect and follows a script. */
async function startDialect(fixture: DialectFixture): Promise<Upstream> {
  let main: Turn[] = [];
  let subagent: Turn[] = [];
  const upstream = await startUpstream((request, response) => {
    // The subagent's conversation holds its own prompt only.
    const turn = (request.text.includes('MAIN-PROMPT') ? main : subagent).shift();
    if (!turn) return sendJson(response, 400, fixture.error('the script of the test is over', 400));
    response.writeHead(200, { 'content-type': fixture.contentType });
    response.end(fixture.stream(turn));
    return undefined;
  });
  return Object.assign(upstream, {
    script(forMain: Turn[], forSubagent: Turn[] = []) {
      main = [...forMain];
      subagent = [...forSubagent];
    },
  });
}

const upstreams = new Map<string, Upstream>();
let plain: FakeUpstream;
let server: TestServer;

beforeAll(async () => {
  const providers: Record<string, unknown> = {};
  for (const fixture of dialectFixtures) {
    const upstream = await startDialect(fixture);
    upstreams.set(fixture.name, upstream);
    const provider = fixture.provider(upstream.url);
    providers[`fake-${fixture.name}`] = { ...provider, models: { m: { ...provider.models?.m, prices } } };
  }
  const chat = dialectFixtures.find(({ name }) => name === 'openai-chat');
  plain = await startUpstream((_, response) => {
    response.writeHead(200, { 'content-type': chat?.contentType });
    response.end(chat?.stream({ text: 'answered', usage }));
  });
  server = await startTestServer({ config: { gateway: { providers, retries: 0, cool_down_seconds: 0 } } });
  writeFileSync(join(server.root, 'pixel.png'), Buffer.from(PNG, 'base64'));
});
afterAll(async () => {
  await cleanUp(server);
  for (const upstream of [...upstreams.values(), plain]) await upstream.close();
});

const proxied = (model: string, more: Record<string, unknown> = {}) =>
  server.createSession({ model, enable_proxy: true, ...more });

const text = (result: TurnResult) =>
  result.messages.map((item) => (item.type === 'text' ? item.content : '')).join('');

describe.each(dialectFixtures.map((fixture) => [fixture.name, fixture] as const))(
  'the agent on %s',
  (name) => {
    test('thinks, calls tools in parallel, asks, gets an error, sees an image, starts a subagent, and answers', async () => {
      const upstream = upstreams.get(name);
      const read = (id: string, file: string) => ({
        id,
        name: 'Read',
        input: { file_path: join(server.root, file) },
      });
      const subtask = {
        description: 'sub',
        prompt: 'SUB-PROMPT',
        subagent_type: 'general-purpose',
        run_in_background: false,
      };
      upstream?.script(
        [
          { thinking: 'let me look', tools: [read('t1', 'pixel.png'), read('t2', 'missing.txt')], usage },
          {
            tools: [{ id: 't3', name: 'Bash', input: { command: `touch by-${name}`, description: 'x' } }],
            usage,
          },
          { tools: [{ id: 't4', name: 'Agent', input: subtask }], usage },
          { text: 'the whole answer', usage },
        ],
        [{ text: 'the subagent is done', usage }],
      );
      const { session_id } = await proxied(`fake-${name}/m`);
      const answer = server.send(session_id, 'MAIN-PROMPT');
      const asked: string[] = [];
      const frames = await framesUntil(server.stream(`/sessions/${session_id}/events`), (frame) => {
        if (frame.event === 'permission.requested') {
          asked.push(frame.data.data.tool_name);
          const body = { request_id: frame.data.data.request_id, allowed: true };
          void server.call('POST', `/sessions/${session_id}/permissions/respond`, body);
        }
        return /^turn\.(completed|failed)$/.test(frame.event);
      });
      const result = await answer;
      expect(result).toMatchObject({ is_error: false, stop_reason: 'end_turn' });
      expect(text(result)).toBe('the whole answer');
      expect(asked).toEqual(['Bash']);

      const said = frames.filter((frame) => frame.event === 'agent.message').map((frame) => frame.data.data);
      const blocks = said.flatMap((message) =>
        Array.isArray(message.message?.content) ? message.message.content : [],
      ) as { type: string; [field: string]: unknown }[];
      expect(blocks).toContainEqual(expect.objectContaining({ type: 'thinking', thinking: 'let me look' }));
      const tools = blocks.filter((block) => block.type === 'tool_use').map((block) => block.name);
      expect(tools).toEqual(['Read', 'Read', 'Bash', 'Agent']);
      const results = blocks.filter((block) => block.type === 'tool_result');
      expect(results.filter((block) => block.is_error)).toHaveLength(1);
      expect(JSON.stringify(results.at(-1))).toContain('the subagent is done');
      // The image reached the model, in whatever form the dialect has for it.
      expect(upstream?.seen.some((request) => request.text.includes(PNG.slice(0, 60)))).toBe(true);

      // Five calls, four of the main agent and one of the subagent, at the provider's price.
      expect(result.cost_usd).toBeCloseTo(5 * COST_OF_A_CALL, 9);
      const { body } = await server.call<Usage>('GET', `/sessions/${session_id}/usage`);
      expect(body).toMatchObject({
        input_tokens: 5 * (usage.input - usage.cached),
        cache_read_input_tokens: 5 * usage.cached,
        output_tokens: 5 * usage.output,
        by_model: { [`fake-${name}/m`]: {} },
      });
      expect(body.cost_usd).toBeCloseTo(result.cost_usd, 9);
    });
  },
);

test('the error for a provider that is not configured names it and what to set', async () => {
  const { session_id } = await proxied('groq/some-model');
  const result = await server.send(session_id, 'hello');
  expect(result.error?.message).toContain('GROQ_API_KEY');
});

describe('budgets', () => {
  test('a session with a spent budget is stopped, and the agent says so', async () => {
    upstreams.get('openai-chat')?.script([
      { text: 'one', usage },
      { text: 'never said', usage },
    ]);
    const { session_id } = await proxied('fake-openai-chat/m', { max_budget_usd: COST_OF_A_CALL });
    expect(text(await server.send(session_id, 'MAIN-PROMPT'))).toBe('one');
    const over = await server.send(session_id, 'MAIN-PROMPT again');
    expect(over.is_error).toBe(true);
    expect(over.error?.message).toContain('budget of this session is spent');
  });

  test('a key with a spent budget is stopped in all its sessions', async () => {
    const headers = { 'x-api-key': 'key-of-the-team' };
    const config = {
      api_keys: [{ id: 'team', key: 'key-of-the-team', budget_usd: COST_OF_A_CALL }],
      gateway: {
        providers: {
          fake: {
            ...dialectFixtures.find(({ name }) => name === 'openai-chat')?.provider(plain.url),
            models: { m: { prices } },
          },
        },
      },
    };
    const keyed = await startTestServer({ config });
    try {
      const send = async () => {
        const body = { model: 'fake/m', enable_proxy: true };
        const created = await keyed.call<{ session_id: string }>('POST', '/sessions', body, { headers });
        const path = `/sessions/${created.body.session_id}/messages`;
        return (await keyed.call<TurnResult>('POST', path, { message: 'hello' }, { headers })).body;
      };
      expect(text(await send())).toBe('answered');
      expect((await send()).error?.message).toContain('budget of the key "team" is spent');
      const { body } = await keyed.call('GET', '/usage', undefined, { headers });
      expect(body.cost_usd_by_key).toEqual({ team: expect.closeTo(COST_OF_A_CALL, 9) });
    } finally {
      await cleanUp(keyed);
    }
  });
});

test('the context window is that of the model, not the million tokens that the agent assumes', async () => {
  upstreams.get('openai-chat')?.script([{ text: 'one', usage }]);
  const { session_id } = await proxied('fake-openai-chat/m');
  await server.send(session_id, 'MAIN-PROMPT');
  const { body } = await server.call('GET', `/sessions/${session_id}/context`);
  expect(body.maxTokens ?? body.max_tokens).toBe(100_000);
});

test('the demo model answers in one session of a server that has a real upstream', async () => {
  const { session_id } = await proxied('demo');
  expect(text(await server.send(session_id, 'say hello'))).toBe('hello');
});

test('a server that would be its own upstream refuses to start', async () => {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const itself = startTestServer({
    args: ['--port', String(port)],
    env: { ANTHROPIC_BASE_URL: `http://localhost:${port}` },
  });
  await expect(itself).rejects.toThrow('itself');
});
