import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import { dialectFixtures } from './testing/dialects.ts';
import { post, readEvents, startGateway } from './testing/gateway.ts';
import { type FakeAnswer, sendJson, startUpstream } from './testing/upstream.ts';
import { describeError } from './upstream/error.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function failing(fixture: (typeof dialectFixtures)[number], answer: FakeAnswer, config = {}) {
  const upstream = await startUpstream(answer);
  const running = await startGateway({
    providers: { fake: fixture.provider(upstream.url) },
    retries: 0,
    ...config,
  });
  closers.push(upstream.close, running.close);
  return { upstream, running };
}

const request = { model: 'fake/m', max_tokens: 1_000, messages: [{ role: 'user', content: 'Hi' }] };

describe.each(dialectFixtures.map((fixture) => [fixture.name, fixture] as const))('%s', (_, fixture) => {
  test.each([
    [400, 'temperature must be a number', 400, 'invalid_request_error'],
    [401, 'wrong key', 401, 'authentication_error'],
    [403, 'not for you', 403, 'permission_error'],
    [404, 'no such model', 404, 'not_found_error'],
    [413, 'body too big', 413, 'request_too_large'],
    [429, 'slow down', 429, 'rate_limit_error'],
    [500, 'oops', 500, 'api_error'],
    [503, 'busy', 529, 'overloaded_error'],
    [529, 'overloaded', 529, 'overloaded_error'],
  ])('%i «%s» becomes %i %s', async (status, message, wanted, type) => {
    const { running } = await failing(fixture, (_request, response) =>
      sendJson(
        response,
        status,
        fixture.error(message, status),
        status === 429 ? { 'retry-after': '17' } : {},
      ),
    );
    for (const stream of [false, true]) {
      const response = await post(running.url, { ...request, stream });
      const body = (await response.json()) as { type: string; error: { type: string; message: string } };
      // What already speaks Anthropic's dialect keeps its own words for it.
      if (fixture.name !== 'anthropic') expect(body).toMatchObject({ type: 'error', error: { type } });
      expect(body.error.message).toContain(message);
      if (!(fixture.name === 'anthropic' && status === 503)) expect(response.status).toBe(wanted);
      if (status === 429) expect(response.headers.get('retry-after')).toBe('17');
      // Only where a client would try again in vain.
      expect(response.headers.get('x-should-retry')).toBe(status === 401 ? 'false' : null);
      expect(response.headers.get('request-id')).toMatch(/^req_/);
    }
  });
});

const chat = dialectFixtures.find((fixture) => fixture.name === 'openai-chat');
if (!chat) throw new Error('no chat fixture');

describe('a prompt that is too long', () => {
  test.each([
    [
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 150123 tokens. Please reduce the length of the messages.",
      'prompt is too long: 150123 tokens > 128000 maximum',
    ],
    [
      "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (7000 in the messages, 2000 in the completion).",
      'input length and `max_tokens` exceed context limit: 7000 + 2000 > 8192',
    ],
    [
      "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (130000 of text input, 10000 in the output).",
      'input length and `max_tokens` exceed context limit: 130000 + 10000 > 131072',
    ],
    [
      'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
      'prompt is too long: 1200000 tokens > 1048576 maximum',
    ],
    [
      "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
      'prompt is too long: 537812 tokens > 131072 maximum',
    ],
    [
      'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
      'prompt is too long: 40000 tokens > 32768 maximum',
    ],
    [
      'the request exceeds the available context size, try increasing it',
      'prompt is too long: 100001 tokens > 100000 maximum',
    ],
    [
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 135000 tokens (120000 in the messages, 15000 in the functions). Please reduce the length of the messages or functions.",
      'prompt is too long: 135000 tokens > 128000 maximum',
    ],
    [
      "This model's maximum context length is 128000 tokens. However, you requested 140000 tokens (110000 in the messages, 15000 in the functions, and 15000 in the completion). Please reduce the length of the messages, functions, or completion.",
      'input length and `max_tokens` exceed context limit: 125000 + 15000 > 128000',
    ],
    [
      "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (100000 of text input, 30000 of tool input, 10000 in the output).",
      'input length and `max_tokens` exceed context limit: 130000 + 10000 > 131072',
    ],
    [
      "Requested token count exceeds the model's maximum context length of 131072 tokens. You requested a total of 140000 tokens: 108000 tokens from the input messages and 32000 tokens for the completion. Please reduce the number of tokens.",
      'input length and `max_tokens` exceed context limit: 108000 + 32000 > 131072',
    ],
    [
      'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens and 1000 `max_new_tokens`',
      'prompt is too long: 5000 tokens > 4097 maximum',
    ],
    [
      'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4076 `inputs` tokens and 100 `max_new_tokens`',
      'input length and `max_tokens` exceed context limit: 4076 + 100 > 4097',
    ],
    [
      'Input validation error: `inputs` must have less than 1024 tokens. Given: 2000',
      'prompt is too long: 2000 tokens > 1024 maximum',
    ],
    [
      'too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292. Try using a shorter prompt, or enable prompt truncating. See https://docs.cohere.com/reference/generate for more details.',
      'prompt is too long: 4292 tokens > 4081 maximum',
    ],
    [
      'too many tokens: size limit exceeded by 12054 tokens. Try using shorter or fewer inputs, or generate less.',
      'prompt is too long: 100001 tokens > 100000 maximum',
    ],
    ['Input is too long for requested model.', 'prompt is too long: 100001 tokens > 100000 maximum'],
    [
      'Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.',
      'prompt is too long: 100001 tokens > 100000 maximum',
    ],
    ['too_many_prompt_tokens', 'prompt is too long: 100001 tokens > 100000 maximum'],
    [
      'Invalid request: Your request exceeded model token limit: 262144',
      'prompt is too long: 262145 tokens > 262144 maximum',
    ],
    ['Prompt exceeds max length', 'prompt is too long: 100001 tokens > 100000 maximum'],
    [
      'prompt token count of 140000 exceeds the limit of 128000',
      'prompt is too long: 140000 tokens > 128000 maximum',
    ],
    [
      'The prompt is too long: 140000, model maximum context length: 131072',
      'prompt is too long: 140000 tokens > 131072 maximum',
    ],
  ])('«%s»', async (said, told) => {
    const { running } = await failing(chat, (_request, response) =>
      sendJson(response, 400, { error: { message: said } }),
    );
    const response = await post(running.url, request);
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { type: string; message: string } };
    expect(error.type).toBe('invalid_request_error');
    expect(error.message).toContain(told);
  });
});

test.each([
  'Too many tokens: the rate of this key is used up.',
  'rate_limit: too many tokens',
  'too many tokens per minute',
  'Too many input tokens (TPM) for this account.',
])('«%s» is not about the length of a prompt', async (said) => {
  const { running } = await failing(chat, (_request, response) =>
    sendJson(response, 400, { error: { message: said } }),
  );
  const { error } = (await (await post(running.url, request)).json()) as { error: { message: string } };
  expect(error.message).toBe(`fake: ${said}`);
});

test.each([
  { message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT' },
  { message: 'What is this?', status: 'INVALID_ARGUMENT', details: [{ reason: 'API_KEY_INVALID' }] },
])('Gemini’s 400 for a wrong key is a 401, and the next model is asked', async (error) => {
  const gemini = dialectFixtures.find((fixture) => fixture.name === 'google');
  if (!gemini) throw new Error('no Gemini fixture');
  const other = await startUpstream((_request, response) =>
    sendJson(response, 200, { choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }] }),
  );
  closers.push(other.close);
  const upstream = await startUpstream((_request, response) =>
    sendJson(response, 400, { error: { code: 400, ...error } }),
  );
  const running = await startGateway({
    providers: { fake: gemini.provider(upstream.url), other: chat.provider(other.url) },
    models: { any: ['fake/m', 'other/m'] },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  const alone = await post(running.url, request);
  expect(alone.status).toBe(401);
  expect(await alone.json()).toMatchObject({ error: { type: 'authentication_error' } });
  expect((await post(running.url, { ...request, model: 'any' })).status).toBe(200);
});

test.each([
  [{ code: 'rate_limit_exceeded', message: 'm' }, 429],
  [{ code: 'server_is_overloaded', message: 'm' }, 529],
  [{ code: 'rate_limit_exceeded', type: 'tokens', message: 'm' }, 429],
  [{ code: 'what_is_this', type: 'overloaded_error', message: 'm' }, 529],
  [{ code: 'constructor', type: 'toString', message: 'm' }, 502],
  [{ code: 429, type: 'api_error', message: 'm' }, 429],
])('an error without a status, %j, is a %i', (error, status) => {
  expect(describeError(error).status).toBe(status);
});

test('an upstream that cannot be reached is a 502 that names it', async () => {
  const { running, upstream } = await failing(chat, () => {});
  await upstream.close();
  const response = await post(running.url, request);
  expect(response.status).toBe(502);
  expect(await response.text()).toContain('fake cannot be reached');
});

test('an upstream that never answers is a timeout', async () => {
  const { running } = await failing(chat, () => {}, { timeout_seconds: 0.1 });
  const response = await post(running.url, request);
  expect(response.status).toBe(504);
  expect(await response.json()).toMatchObject({ error: { type: 'timeout_error' } });
});

test('an upstream that falls silent in mid-answer ends in an error event', async () => {
  const { running } = await failing(
    chat,
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n');
    },
    { idle_timeout_seconds: 0.1 },
  );
  const response = await post(running.url, { ...request, stream: true });
  const events = readEvents(await response.text());
  expect(events.map((event) => event.type)).toContain('content_block_delta');
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'timeout_error' } });
});

test('an upstream that closes the connection in mid-answer', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
      );
      socket.write('5\r\ndata:\r\n');
      setImmediate(() => socket.resetAndDestroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(() => resolve())));
  const { port } = server.address() as AddressInfo;
  const running = await startGateway({
    providers: { fake: chat.provider(`http://127.0.0.1:${port}`) },
    retries: 0,
  });
  closers.push(running.close);
  const response = await post(running.url, { ...request, stream: true });
  expect(response.status).toBe(502);
});

test('a long silence is filled with pings, and an error then comes as an event', async () => {
  const { running } = await failing(
    chat,
    (_request, response) => void setTimeout(() => sendJson(response, 400, { error: { message: 'no' } }), 150),
    { ping_seconds: 0.04 },
  );
  const response = await post(running.url, { ...request, stream: true });
  expect(response.status).toBe(200);
  const events = readEvents(await response.text());
  expect(events.filter((event) => event.type === 'ping').length).toBeGreaterThan(1);
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
});

test('an upstream error in the middle of a stream keeps its kind', async () => {
  const { running } = await failing(chat, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n');
    setTimeout(() => response.end('data: {"error":{"message":"quota","code":429}}\n\n'), 30);
  });
  const client = new Anthropic({ baseURL: running.url, apiKey: 'any', maxRetries: 0 });
  const stream = client.messages.stream({
    model: 'fake/m',
    max_tokens: 10,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  await expect(stream.finalMessage()).rejects.toThrow(/rate_limit_error.*quota/s);
});

test('an invalid body is a 400 that names the field', async () => {
  const { running, upstream } = await failing(chat, () => {});
  const bad = async (body: string) => {
    const response = await fetch(`${running.url}/v1/messages`, { method: 'POST', body });
    return [response.status, ((await response.json()) as { error: { message: string } }).error.message];
  };
  expect(await bad('{')).toEqual([400, 'The request body is not valid JSON.']);
  expect(await bad('[]')).toEqual([400, 'The request body must be a JSON object.']);
  expect(await bad('{}')).toEqual([400, 'model: Field required']);
  expect((await bad('{"model":"fake/m"}'))[1]).toContain('messages');
  expect(
    (await bad('{"model":"fake/m","messages":[{"role":"user","content":[{"type":"text"}]}]}'))[1],
  ).toContain('messages.0.content.0.text');
  expect((await bad('{"model":"fake/../x","messages":[]}'))[1]).toContain('is not a model name');
  expect(upstream.seen).toEqual([]);
});

test.each([
  ['xAI', { code: 'Client specified an invalid argument', error: 'Incorrect API key provided: xa***1f.' }],
  [
    'Gemini',
    { error: { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'X' } },
  ],
])('a wrong key that %s answers with a 400 is a 401', async (_, body) => {
  if (!chat) throw new Error('no chat fixture');
  const { running } = await failing(chat, (_request, response) => sendJson(response, 400, body));
  const response = await post(running.url, request);
  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ error: { type: 'authentication_error' } });
});
