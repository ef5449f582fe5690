import type { ServerResponse } from 'node:http';
import type { SessionCreated } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dialectFixtures } from '../../gateway/src/testing/dialects.ts';
import { type FakeUpstream, sendJson, startUpstream } from '../../gateway/src/testing/upstream.ts';
import { firstFrame } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// Servers without a credential for Claude: what answers then, and what is said about the rest.

const NO_CLAUDE = { ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: '', ANTHROPIC_MODEL: '' };
const chat = dialectFixtures.find(({ name }) => name === 'openai-chat');
const answered = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': chat?.contentType });
  response.end(chat?.stream({ text: 'from OpenAI', usage: { input: 100, cached: 0, output: 10 } }));
};

/** Interrupts a turn whose answer has begun to come, and lets the session go on. */
async function interruptInTheMiddle(server: TestServer, id: string, message: string): Promise<void> {
  const events = await server.openStream(`/sessions/${id}/events`);
  const turn = server.send(id, message);
  await firstFrame(
    events,
    ({ event, data }) => event === 'agent.delta' && data.data.event?.type === 'content_block_delta',
  );
  await server.call('POST', `/sessions/${id}/interrupt`, {});
  expect((await turn).error?.code).toBe('interrupted');
  expect((await server.send(id, 'hello')).is_error).toBe(false);
}

describe('with only OPENAI_API_KEY', () => {
  let upstream: FakeUpstream;
  let server: TestServer;
  let answer = answered;

  beforeAll(async () => {
    upstream = await startUpstream((_, response) => answer(response));
    server = await startTestServer({
      env: { ...NO_CLAUDE, OPENAI_API_KEY: 'key-of-openai', OPENAI_BASE_URL: upstream.url },
    });
  });
  afterAll(async () => {
    await cleanUp(server);
    await upstream.close();
  });

  /** A turn of a new session, in whose creation nothing is said of a proxy. */
  const ask = async (model: string | undefined) => {
    const created: SessionCreated = await server.createSession(model === undefined ? {} : { model });
    const result = await server.send(created.session_id, 'hello');
    return { created, result };
  };

  test('the banner names the configured providers', () => {
    expect(server.stderr()).toContain('OpenAI (OPENAI_API_KEY)');
    expect(server.stderr()).not.toContain('NOT a real model');
    expect(server.stderr()).not.toContain('key-of-openai');
  });

  test('a session reaches the provider of the model that it names', async () => {
    const { created, result } = await ask('gpt-4.1');
    expect(created.warnings).toEqual([]);
    expect(result.messages).toEqual([{ type: 'text', content: 'from OpenAI' }]);
    expect(upstream.seen.at(-1)?.text).toContain('"gpt-4.1"');
  });

  test('the demo model answers for its own name', async () => {
    const { result } = await ask('demo');
    expect(JSON.stringify(result.messages)).toContain('demo');
    expect(result.is_error).toBe(false);
  });

  test.each([
    ['a model of another provider', 'mistral/mistral-large-latest', 'MISTRAL_API_KEY'],
    ['no model, so that of Claude', undefined, 'ANTHROPIC_API_KEY'],
  ])('%s is an error that names the key, and was warned of', async (_, model, key) => {
    const before = upstream.seen.length;
    const { created, result } = await ask(model);
    expect(created.warnings.join()).toContain(key);
    expect(result.is_error).toBe(true);
    expect(result.error?.message).toContain(key);
    expect(upstream.seen.length).toBe(before);
  });

  test('a context window smaller than the prompt of the agent is reported before and after', async () => {
    const { created, result } = await ask('gpt-4');
    const why = 'The context window of gpt-4 is 8192 tokens, and the agent';
    expect(created.warnings.join()).toContain(why);
    expect(result.error?.message).toContain(why);
  });

  test('an interrupt in mid-answer logs no error', async () => {
    const { session_id } = await server.createSession({ model: 'gpt-4.1' });
    refused = session_id;
    const whole = chat?.stream({ text: 'from OpenAI', usage: { input: 100, cached: 0, output: 10 } });
    answer = (response) => {
      answer = answered;
      response.writeHead(200, { 'content-type': chat?.contentType });
      // All but the end.
      response.write(whole?.subarray(0, whole.indexOf('finish_reason":"stop')));
    };
    await interruptInTheMiddle(server, session_id, 'hello');
    expect(server.stderr()).not.toMatch(/"level":50|ERR_HTTP_HEADERS_SENT/);
  });

  /** The session above, which goes on after each refusal. */
  let refused: string;
  test.each([
    [404, 'The model `gpt-4.1` was taken away on Monday.'],
    [403, 'Your organization must be verified to use this model.'],
    [401, 'Incorrect API key provided: it was revoked.'],
    [400, 'This model is not available in your country.'],
  ])('what the provider says with %i reaches the user', async (status, message) => {
    answer = (response) => sendJson(response, status, { error: { message, type: 'x', code: null } });
    try {
      const result = await server.send(refused, 'hello');
      expect(result.is_error).toBe(true);
      expect(result.error?.message).toContain(message);
    } finally {
      answer = answered;
    }
  });
});

test('without any credential, the demo model answers only for its own name', async () => {
  const server = await startTestServer({ env: NO_CLAUDE });
  try {
    expect(server.stderr()).toContain('NOT a real model');
    const unnamed = await server.createSession();
    expect(unnamed).toMatchObject({ model: 'demo', warnings: [] });
    expect((await server.send(unnamed.session_id, 'say hello')).messages).toEqual([
      { type: 'text', content: 'hello' },
    ]);
    const { session_id } = await server.createSession({ model: 'gpt-4o' });
    const result = await server.send(session_id, 'say hello');
    expect(result.error?.message).toContain('OPENAI_API_KEY');

    // No client of the Messages endpoint but the agent says how long an answer may be.
    const plain = { model: 'demo', messages: [{ role: 'user', content: 'what is 2 + 2?' }] };
    const { status, body } = await server.call('POST', '/v1/messages', plain);
    expect([status, JSON.stringify(body.content)]).toEqual([200, '[{"type":"text","text":"2 + 2 = 4"}]']);

    await interruptInTheMiddle(server, unnamed.session_id, 'count to 500 slowly');
    expect(server.stderr()).not.toMatch(/"level":50|ERR_HTTP_HEADERS_SENT/);
  } finally {
    await cleanUp(server);
  }
});
