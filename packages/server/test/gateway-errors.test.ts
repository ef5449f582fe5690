import type { ServerResponse } from 'node:http';
import type { TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dialectFixtures } from '../../gateway/src/testing/dialects.ts';
import { type FakeUpstream, sendJson, startUpstream } from '../../gateway/src/testing/upstream.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const chat = dialectFixtures.find(({ name }) => name === 'openai-chat');
if (!chat) throw new Error('no fixture for openai-chat');
const { contentType, stream } = chat;

const usage = { input: 100, cached: 0, output: 10 };
const whole = stream({ text: 'the whole answer', usage });

type Fail = (response: ServerResponse) => void;

const answer =
  (status: number, message: string, headers: Record<string, string> = {}): Fail =>
  (response) =>
    sendJson(response, status, { error: { message, type: 'x', code: null } }, headers);

/** The beginning of an answer, and then something that is not its end. */
const half =
  (then: (response: ServerResponse) => void): Fail =>
  (response) => {
    response.writeHead(200, { 'content-type': contentType });
    response.write(whole.subarray(0, whole.length / 2), () => then(response));
  };

/** What happens at the upstream the first time; the agent asks again, and gets its answer. */
const passing: Record<string, Fail> = {
  'a rate limit with retry-after': answer(429, 'slow down', { 'retry-after': '1' }),
  'a rate limit without': answer(429, 'slow down'),
  'a 500': answer(500, 'oops'),
  'a 502': answer(502, 'bad gateway'),
  'a 503': answer(503, 'busy'),
  'a 529': answer(529, 'overloaded'),
  'a time-out of its own': answer(504, 'too late'),
  'a connection that is closed at once': (response) => void response.socket?.destroy(),
  'no answer at all': () => {},
  'a page of HTML': (response) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello</p>'),
  'an answer that breaks off': half((response) => void response.socket?.destroy()),
  'an answer that ends in the middle': half((response) => void response.end()),
  'a chunk that is not JSON': half((response) => void response.end('data: {oops\n\n')),
  'an error in the middle': half(
    (response) => void response.end('data: {"error":{"message":"overloaded","code":529}}\n\n'),
  ),
  'silence in the middle': half(() => {}),
  'more tokens than there is room for': answer(
    400,
    "This model's maximum context length is 8192 tokens. However, you requested 35000 tokens (3000 in the messages, 32000 in the completion).",
  ),
};

/** What ends the turn at once, in the words of the provider or in the agent's own for it. */
const final: Record<string, { fail: Fail; words: string; requests?: number }> = {
  'a 400': { fail: answer(400, 'temperature must be a number'), words: 'temperature must be a number' },
  // Its own 401 the agent would try for minutes: this one says that another attempt would meet the same.
  'a 401': {
    fail: answer(401, 'wrong key'),
    words: 'wrong key (Check the key that the gateway has for fake-',
  },
  'a 402': { fail: answer(402, 'no credit left'), words: 'no credit left' },
  'a 403': { fail: answer(403, 'not for this key'), words: 'not for this key' },
  // The agent asks for a missing model without a stream, too.
  'a 404': { fail: answer(404, 'no such model'), words: 'issue with the selected model', requests: 2 },
  'a 413': { fail: answer(413, 'body too big'), words: 'Request too large' },
  'a prompt that is too long': {
    fail: answer(
      400,
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    ),
    words: '9000 tokens (limit 8192)',
  },
};

const cases = [...Object.keys(passing), ...Object.keys(final)];
/**
 * After these the gateway remembers nothing of the provider and the agent nothing in its session, so that they
 * share both: an agent costs half a second of processor time, a turn a tenth of that.
 */
const forgotten = Object.keys(passing).filter((name) => !/rate limit|more tokens/.test(name));
const SHARED = 'fake-shared/m';
const upstreams: FakeUpstream[] = [];
/** Sessions on the shared provider that no test uses at the moment. */
const idle: string[] = [];
const modelOf = (name: string): string =>
  forgotten.includes(name) ? SHARED : `fake-${cases.indexOf(name)}/m`;
const promptOf = (name: string): string => `hello to case ${cases.indexOf(name)}.`;

/** The requests of a case that reached its provider. */
const seen = new Map<string, { max_tokens?: number }[]>(cases.map((name) => [name, []]));

/** The case of a request: it is in the last prompt; those before it are of other cases. */
const caseOf = (request: string): string =>
  cases[Number([...request.matchAll(/hello to case (\d+)\./g)].at(-1)?.[1])] ?? '';

let server: TestServer;

beforeAll(async () => {
  const providers: Record<string, unknown> = {};
  for (const model of new Set(cases.map(modelOf))) {
    const upstream = await startUpstream((request, response) => {
      const name = caseOf(request.text);
      const nth = seen.get(name)?.push(request.json());
      const fail = final[name]?.fail ?? (nth === 1 ? passing[name] : undefined);
      if (fail) return fail(response);
      response.writeHead(200, { 'content-type': contentType });
      response.end(whole);
      return undefined;
    });
    upstreams.push(upstream);
    const provider = { ...chat.provider(upstream.url), timeout_seconds: 1, idle_timeout_seconds: 1 };
    providers[model.replace('/m', '')] = provider;
  }
  server = await startTestServer({ config: { gateway: { providers, retries: 0, cool_down_seconds: 0 } } });
});
afterAll(async () => {
  await cleanUp(server);
  for (const upstream of upstreams) await upstream.close();
});

async function turnOn(name: string): Promise<{ result: TurnResult; asked: { max_tokens?: number }[] }> {
  const model = modelOf(name);
  const id =
    (model === SHARED && idle.pop()) ||
    (await server.createSession({ model, enable_proxy: true })).session_id;
  const result = await server.send(id, promptOf(name));
  if (model === SHARED) idle.push(id);
  return { result, asked: seen.get(name) ?? [] };
}

describe('the agent', () => {
  test.concurrent.each(Object.keys(passing))('retries after %s', { timeout: 60_000 }, async (name) => {
    const { result, asked } = await turnOn(name);
    expect(result).toMatchObject({ is_error: false });
    // Once, also where half of it had arrived before.
    expect(result.messages).toEqual([{ type: 'text', content: 'the whole answer' }]);
    expect(asked).toHaveLength(2);
    const [first, second] = asked.map((body) => body.max_tokens ?? 0);
    if (name.startsWith('more tokens')) expect(second).toBeLessThan(first ?? 0);
    else expect(second).toBe(first);
  });

  test.concurrent.each(Object.keys(final))('gives up after %s', { timeout: 60_000 }, async (name) => {
    const { result, asked } = await turnOn(name);
    expect(result).toMatchObject({ is_error: true });
    expect(result.error?.message).toContain(final[name]?.words);
    expect(asked).toHaveLength(final[name]?.requests ?? 1);
  });
});
