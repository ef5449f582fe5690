import { afterEach, describe, expect, test } from 'vitest';
import type { ConfigFile } from '../config.ts';
import type { UsageRecord } from '../pipeline/hooks.ts';
import { dialectFixtures, type Turn } from '../testing/dialects.ts';
import { post, readEvents, startGateway } from '../testing/gateway.ts';
import { type FakeAnswer, sendJson, sendSse, startUpstream } from '../testing/upstream.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const fixture = dialectFixtures.find(({ name }) => name === 'openai-chat');
if (!fixture) throw new Error('no chat fixture');
const turn: Turn = { text: 'fine', usage: { input: 10, cached: 0, output: 2 } };
const good: FakeAnswer = (_, response) => sendSse(response, fixture.stream(turn).toString());
const bad =
  (status: number, message = 'no', headers = {}): FakeAnswer =>
  (_, response) =>
    sendJson(response, status, { error: { message } }, headers);

async function setUp(answers: Record<string, FakeAnswer>, more: Partial<ConfigFile> = {}) {
  const upstreams = Object.fromEntries(
    await Promise.all(
      Object.entries(answers).map(async ([name, answer]) => [name, await startUpstream(answer)] as const),
    ),
  );
  const records: UsageRecord[] = [];
  const waiting: ((record: UsageRecord) => void)[] = [];
  const running = await startGateway(
    {
      providers: Object.fromEntries(
        Object.entries(upstreams).map(([name, upstream]) => [
          name,
          { ...fixture?.provider(upstream.url), ...more.providers?.[name] },
        ]),
      ),
      retries: 0,
      models: { chain: Object.keys(upstreams).map((name) => `${name}/m`) },
      ...Object.fromEntries(Object.entries(more).filter(([name]) => name !== 'providers')),
    },
    {
      onUsage(record) {
        records.push(record);
        waiting.shift()?.(record);
      },
    },
  );
  closers.push(...Object.values(upstreams).map((upstream) => upstream.close), running.close);
  const nextRecord = () => new Promise<UsageRecord>((resolve) => waiting.push(resolve));
  return { upstreams, running, records, nextRecord };
}

const body = (model: string, more = {}) => ({
  model,
  max_tokens: 100,
  messages: [{ role: 'user', content: 'Hi' }],
  ...more,
});

describe('fallbacks', () => {
  test.each([
    ['a broken upstream', bad(500)],
    ['a rate limit', bad(429)],
    ['a refused key', bad(401)],
    ['an unknown model', bad(404)],
    [
      'a prompt that is too long',
      bad(400, "This model's maximum context length is 10 tokens, yours has 20 tokens"),
    ],
    ['garbage', ((_, response) => sendSse(response, '<html>')) as FakeAnswer],
    [
      'an error as the first event',
      ((_, response) => sendSse(response, 'data: {"error":{"message":"x"}}\n\n')) as FakeAnswer,
    ],
  ])('%s sends the request to the next target without the client noticing', async (_, first) => {
    const { upstreams, running, nextRecord } = await setUp({ one: first, two: good });
    const record = nextRecord();
    const response = await post(running.url, body('chain', { stream: true }));
    expect(response.status).toBe(200);
    expect(readEvents(await response.text()).at(-1)?.type).toBe('message_stop');
    expect(upstreams.one?.seen).toHaveLength(1);
    expect((await record).provider).toBe('two');
  });

  test('an invalid request is not sent to the next target', async () => {
    const { upstreams, running } = await setUp({ one: bad(400, 'bad tool'), two: good });
    expect((await post(running.url, body('chain'))).status).toBe(400);
    expect(upstreams.two?.seen).toHaveLength(0);
  });

  test('a target that cannot take the request is passed over for one that can', async () => {
    const chat = fixture.provider('');
    const blind = { models: { m: { ...chat.models?.m, images: false } } };
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
    const messages = [{ role: 'user', content: [{ type: 'image', source }] }];
    const { running, upstreams } = await setUp({ a: good, b: good }, { providers: { a: blind } });
    expect((await post(running.url, body('chain', { messages }))).status).toBe(200);
    expect([upstreams.a?.seen.length, upstreams.b?.seen.length]).toEqual([0, 1]);
    // Where none can, the first one's reason is told.
    const refused = await post(running.url, body('a/m', { messages }));
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('cannot read images');
  });

  test('nothing is retried once the client has the first byte', async () => {
    const { upstreams, running } = await setUp({
      one: (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n');
        setTimeout(() => response.destroy(), 30);
      },
      two: good,
    });
    const response = await post(running.url, body('chain', { stream: true }));
    expect(readEvents(await response.text()).at(-1)?.type).toBe('error');
    expect(upstreams.two?.seen).toHaveLength(0);
  });
});

test('a transient failure is retried at the same upstream', async () => {
  const { upstreams, running } = await setUp(
    {
      one: (request, response, nth) =>
        nth < 3 ? bad(503)(request, response, nth) : good(request, response, nth),
    },
    { retries: 2 },
  );
  expect((await post(running.url, body('one/m'))).status).toBe(200);
  expect(upstreams.one?.seen).toHaveLength(3);
});

test('a rate limit is passed to the client, not retried here', async () => {
  const { upstreams, running } = await setUp(
    { one: bad(429, 'slow', { 'retry-after': '9' }) },
    { retries: 2 },
  );
  const response = await post(running.url, body('one/m'));
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '9']);
  expect(upstreams.one?.seen).toHaveLength(1);
});

test('a session stays with the target that answered it, and a target whose circuit breaker is open is passed over', async () => {
  const { upstreams, running } = await setUp({
    one: (request, response, nth) =>
      (nth === 1 ? bad(429, 'slow', { 'retry-after': '60' }) : good)(request, response, nth),
    two: good,
  });
  const session = { 'x-claude-code-session-id': 's1' };
  for (let turns = 0; turns < 3; turns += 1) await (await post(running.url, body('chain'), session)).text();
  expect(upstreams.one?.seen).toHaveLength(1);
  expect(upstreams.two?.seen).toHaveLength(3);
});

test('spread sessions each keep to one target, and use them all', async () => {
  const { upstreams, running } = await setUp(
    { one: good, two: good },
    { models: { pool: { targets: ['one/m', 'two/m'], spread: true } } },
  );
  for (let session = 0; session < 12; session += 1) {
    const before = upstreams.one?.seen.length ?? 0;
    for (let turns = 0; turns < 2; turns += 1) {
      await (
        await post(running.url, body('pool'), { 'x-claude-code-session-id': `session-${session}` })
      ).text();
    }
    expect([0, 2]).toContain((upstreams.one?.seen.length ?? 0) - before);
  }
  expect(upstreams.one?.seen.length).toBeGreaterThan(0);
  expect(upstreams.two?.seen.length).toBeGreaterThan(0);
});

test('no more requests run at a provider than its limit allows', async () => {
  let running = 0;
  let most = 0;
  const { running: gateway } = await setUp(
    {
      one: (request, response, nth) => {
        running += 1;
        most = Math.max(most, running);
        setTimeout(() => {
          running -= 1;
          void good(request, response, nth);
        }, 10);
      },
    },
    { providers: { one: { max_concurrency: 2 } } },
  );
  const answers = await Promise.all(Array.from({ length: 7 }, () => post(gateway.url, body('one/m'))));
  expect(answers.map((answer) => answer.status)).toEqual(Array(7).fill(200));
  expect(most).toBe(2);
});

test('a client that goes away takes its upstream request with it, and releases its permit', async () => {
  const { upstreams, running, nextRecord } = await setUp(
    {
      one: (request, response, nth) => {
        if (nth > 1) return good(request, response, nth);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n');
      },
    },
    { providers: { one: { max_concurrency: 1 } } },
  );
  const record = nextRecord();
  const controller = new AbortController();
  const response = await fetch(`${running.url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify(body('one/m', { stream: true })),
    signal: controller.signal,
  });
  await response.body?.getReader().read();
  controller.abort();
  await upstreams.one?.aborted;
  expect(await record).toMatchObject({ status: 499, error: 'aborted' });
  expect((await post(running.url, body('one/m'))).status).toBe(200);
});

test('a stop sequence ends the answer, names itself and stops the upstream', async () => {
  const { upstreams, running } = await setUp({
    one: (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const content of ['Hello ', 'EN', 'D more']) {
        response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
      }
    },
  });
  const response = await post(running.url, body('one/m', { stop_sequences: ['END'] }));
  expect(await response.json()).toMatchObject({
    stop_reason: 'stop_sequence',
    stop_sequence: 'END',
    content: [{ type: 'text', text: 'Hello ' }],
  });
  await upstreams.one?.aborted;
});

test('an optional field that an upstream refuses is left out, in this request and in later ones', async () => {
  const { upstreams, running } = await setUp({
    one: (request, response, nth) => {
      if ('stream_options' in request.json())
        bad(400, 'Unrecognized request argument supplied: stream_options')(request, response, nth);
      else if ('max_tokens' in request.json()) {
        bad(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")(
          request,
          response,
          nth,
        );
      } else good(request, response, nth);
    },
  });
  expect((await post(running.url, body('one/m', { stream: true }))).status).toBe(200);
  expect((await post(running.url, body('one/m', { stream: true }))).status).toBe(200);
  expect(upstreams.one?.seen).toHaveLength(4);
  expect(upstreams.one?.seen.at(-1)?.json()).toMatchObject({ max_completion_tokens: 100 });
});
