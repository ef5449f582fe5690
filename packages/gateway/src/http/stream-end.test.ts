import { afterEach, describe, expect, test } from 'vitest';
import { createConfig } from '../config.ts';
import { createGateway } from '../gateway.ts';
import type { UsageRecord } from '../pipeline/hooks.ts';
import { dialectFixtures } from '../testing/dialects.ts';
import { post, readEvents, startGateway } from '../testing/gateway.ts';
import { type FakeAnswer, startUpstream } from '../testing/upstream.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const fixtures = dialectFixtures.filter(({ name }) => name === 'anthropic' || name === 'openai-chat');
const usage = { input: 100, cached: 0, output: 10 };
const request = {
  model: 'fake/m',
  max_tokens: 99,
  stream: true,
  messages: [{ role: 'user', content: 'Hi' }],
};

/** A gateway that sends its upstream one request at a time. */
async function setUp(fixture: (typeof fixtures)[number], answer: FakeAnswer, more: object = {}) {
  const upstream = await startUpstream(answer);
  const records: UsageRecord[] = [];
  const config = {
    providers: { fake: { ...fixture.provider(upstream.url), max_concurrency: 1 } },
    retries: 0,
    ...more,
  };
  const onUsage = (record: UsageRecord) => void records.push(record);
  const running = await startGateway(config, { onUsage });
  const gateway = createGateway({ config: createConfig(config), onUsage });
  closers.push(upstream.close, running.close, gateway.close);
  /** The same through `gateway.fetch`. */
  const fetchFrom = (body: object) =>
    gateway.fetch(
      new Request('http://gateway.test/v1/messages', { method: 'POST', body: JSON.stringify(body) }),
    );
  return { upstream, records, doors: [(body: object) => post(running.url, body), fetchFrom] };
}

describe.each(fixtures.map((fixture) => [fixture.name, fixture] as const))('on %s', (_, fixture) => {
  test('the client gets the end of a message at once, even if the upstream does not close', async () => {
    const { upstream, records, doors } = await setUp(fixture, (_request, response) => {
      response.writeHead(200, { 'content-type': fixture.contentType });
      response.write(fixture.stream({ text: 'all of it', usage }));
    });
    const aborted = upstream.aborted.then(() => records.length);
    for (const ask of doors) {
      for (let at = 0; at < 2; at += 1) {
        // The second request gets the only permit, though the upstream has not closed the first answer.
        expect(readEvents(await (await ask(request)).text()).at(-1)).toEqual({ type: 'message_stop' });
      }
    }
    // It was booked when the client had it; then the upstream gets a second to close.
    expect(await aborted).toBeGreaterThan(0);
    await expect.poll(() => records.length).toBe(4);
    for (const record of records) expect(record).toMatchObject({ status: 200, error: undefined });
  });

  test('the connection of an upstream that closes its answer is reused', async () => {
    const sockets = new Set<unknown>();
    const { doors } = await setUp(fixture, (_request, response) => {
      sockets.add(response.socket);
      response.writeHead(200, { 'content-type': fixture.contentType });
      response.write(fixture.stream({ text: 'all of it', usage }), () => response.end());
    });
    for (const ask of doors) for (let at = 0; at < 5; at += 1) await (await ask(request)).text();
    // One, and another if the next request came before the end of the last answer.
    expect(sockets.size).toBeLessThanOrEqual(2 * doors.length);
  });

  test('a client that disconnects while there are only pings leaves nothing behind', async () => {
    let answering = () => {};
    const { upstream, records, doors } = await setUp(
      fixture,
      (_request, response, nth) => {
        if (nth <= 2) return;
        response.writeHead(200, { 'content-type': fixture.contentType });
        response.end(fixture.stream({ text: 'for another', usage }));
        answering();
      },
      { ping_seconds: 0.02 },
    );
    for (const [at, ask] of doors.entries()) {
      const gone = (await ask(request)).body?.getReader();
      expect(Buffer.from((await gone?.read())?.value ?? []).toString()).toContain('event: ping');
      // On a busy machine a ping may come before the upstream has received the request.
      await expect.poll(() => upstream.seen.length).toBe(at + 1);
      await gone?.cancel();
    }
    await upstream.aborted;
    const answered = new Promise<void>((resolve) => {
      answering = resolve;
    });
    for (const ask of doors) {
      expect(readEvents(await (await ask(request)).text()).at(-1)).toEqual({ type: 'message_stop' });
    }
    await answered;
    await expect.poll(() => records.map(({ status }) => status).sort()).toEqual([200, 200, 499, 499]);
  });
});

test('deltas that arrived together are sent as one event', async () => {
  const [chat] = fixtures.filter(({ name }) => name === 'openai-chat');
  if (!chat) throw new Error('no chat fixture');
  const input = { path: '/a/long/path/to/some/file' };
  const turn = { thinking: 'let me think about it', text: 'a text in many pieces', usage };
  const tools = [{ id: 'toolcall_aaaaaaaaaaaa', name: 'Read', input }];
  const { doors } = await setUp(chat, (_request, response) => {
    response.writeHead(200, { 'content-type': chat.contentType });
    response.end(chat.stream({ ...turn, tools }));
  });
  for (const ask of doors) {
    const events = readEvents(await (await ask({ ...request, thinking: { type: 'adaptive' } })).text());
    const deltas = events.flatMap((event) => (event.type === 'content_block_delta' ? [event.delta] : []));
    expect(deltas).toMatchObject([
      { thinking: turn.thinking },
      { type: 'signature_delta' },
      { text: turn.text },
      { partial_json: JSON.stringify(input) },
    ]);
  }
});

test('an answer whose headers cannot be written is an error, not a request that hangs', async () => {
  const running = await startGateway(
    { providers: { fake: { api: 'anthropic', base_url: 'http://up.test', api_key: 'k' } }, retries: 0 },
    {
      transport: async () => ({
        status: 200,
        headers: { 'content-type': 'application/json', 'x-odd': 'two\nlines' },
        body: (async function* () {
          yield Buffer.from('{"type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":1}}');
        })(),
      }),
    },
  );
  closers.push(running.close);
  const response = await post(running.url, { ...request, stream: false });
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } });
});
