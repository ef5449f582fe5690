import { describe, expect, test } from 'vitest';
import { createConfig } from '../config.ts';
import { createGateway } from '../gateway.ts';
import { createCollector } from '../messages/collect.ts';
import type { AnswerMessage, StreamEvent } from '../messages/types.ts';
import { checkStream } from '../testing/check-stream.ts';
import { type DialectFixture, dialectFixtures, type Turn } from '../testing/dialects.ts';
import { readEvents } from '../testing/gateway.ts';
import { type Transport, TransportError } from '../transport/transport.ts';

const turn: Turn = {
  thinking: 'Hm, ä…',
  text: 'Grüß 👋',
  tools: [
    { id: 'toolcall_aaaaaaaaaaaa', name: 'Read', input: { path: '/ä' } },
    {
      id: 'toolcall_bbbbbbbbbbbb',
      name: 'Bash',
      input: { a: '"\\\n', b: [{}] },
    },
  ],
  usage: { input: 1_000, cached: 600, output: 50 },
};

const request = {
  max_tokens: 5_000,
  thinking: { type: 'adaptive' },
  stream: true,
  messages: [{ role: 'user', content: 'Go' }],
  tools: [
    { name: 'Read', input_schema: { type: 'object', properties: {} } },
    { name: 'Bash', input_schema: { type: 'object', properties: {} } },
  ],
};

/** One gateway for all (it reads its catalogue at the start); each request brings its own upstream. */
let upstream: Transport = () => Promise.reject(new Error('no upstream'));
const gateway = createGateway({
  config: createConfig({
    providers: Object.fromEntries(
      dialectFixtures.map((fixture) => [`fake-${fixture.name}`, fixture.provider('http://up.test')]),
    ),
    retries: 0,
    cool_down_seconds: 0,
  }),
  transport: (outgoing) => upstream(outgoing),
});

/** Sends a request through the gateway to an upstream that is a function. */
async function ask(fixture: DialectFixture, send: Transport, asked: object = request) {
  upstream = send;
  const body = { ...asked, model: `fake-${fixture.name}/m` };
  const response = await gateway.fetch(
    new Request('http://gateway.test/v1/messages', { method: 'POST', body: JSON.stringify(body) }),
  );
  return { status: response.status, text: await response.text() };
}

function answering(fixture: DialectFixture, chunks: readonly Uint8Array[], broken = false): Transport {
  return async () => ({
    status: 200,
    headers: { 'content-type': fixture.contentType },
    body: (async function* () {
      yield* chunks;
      if (broken) throw new TransportError('broken', 'the connection was closed in mid-answer');
    })(),
  });
}

function messageOf(events: readonly StreamEvent[]): AnswerMessage {
  const collector = createCollector();
  collector.push(events);
  const { message } = collector.result();
  if (!message) throw new Error('no message');
  return message;
}

/** What must have arrived, whatever the dialect made of the blocks' number. */
function summary(message: AnswerMessage) {
  const texts = (type: 'text' | 'thinking') =>
    message.content
      .map((block) => (block.type === type ? (block as unknown as Record<string, string>)[type] : ''))
      .join('');
  return {
    thinking: texts('thinking'),
    text: texts('text'),
    tools: message.content.flatMap((block) => (block.type === 'tool_use' ? [[block.name, block.input]] : [])),
    stop: message.stop_reason,
    usage: message.usage,
  };
}

const expected = {
  thinking: turn.thinking,
  text: turn.text,
  tools: turn.tools?.map((tool) => [tool.name, tool.input]),
  stop: 'tool_use',
  usage: {
    input_tokens: 400,
    cache_read_input_tokens: 600,
    cache_creation_input_tokens: 0,
    output_tokens: 50,
  },
};

describe.each(dialectFixtures.map((fixture) => [fixture.name, fixture] as const))('%s', (_, fixture) => {
  const bytes = fixture.stream(turn);

  test('a turn with thinking, text and two tool calls arrives whole', async () => {
    const { status, text } = await ask(fixture, answering(fixture, [bytes]));
    expect(status).toBe(200);
    const events = readEvents(text);
    expect(checkStream(events)).toEqual([]);
    expect(summary(messageOf(events))).toEqual(expected);
  });

  test('the same without stream', async () => {
    const { text } = await ask(fixture, answering(fixture, [bytes]), { ...request, stream: false });
    expect(summary(JSON.parse(text) as AnswerMessage)).toEqual(expected);
  });

  test('a stream cut into two at any byte is the same stream', async () => {
    const whole = messageOf(readEvents((await ask(fixture, answering(fixture, [bytes]))).text)).content;
    for (let at = 1; at < bytes.length; at += 1) {
      const { text } = await ask(fixture, answering(fixture, [bytes.subarray(0, at), bytes.subarray(at)]));
      const events = readEvents(text);
      expect(checkStream(events), `cut at ${at}`).toEqual([]);
      const content = messageOf(events).content;
      expect(content.length, `cut at ${at}`).toBe(whole.length);
      expect(summary(messageOf(events)), `cut at ${at}`).toEqual(expected);
    }
  });

  test('a stream that arrives byte by byte is the same stream', async () => {
    const single = [...bytes].map((byte) => Uint8Array.of(byte));
    const events = readEvents((await ask(fixture, answering(fixture, single))).text);
    expect(checkStream(events)).toEqual([]);
    expect(summary(messageOf(events))).toEqual(expected);
  });

  test.each(['closed', 'ended'])(
    'a stream that is %s at any byte ends as an error or as the whole message',
    async (how) => {
      for (let at = 0; at < bytes.length; at += 1) {
        const { status, text } = await ask(
          fixture,
          answering(fixture, at === 0 ? [] : [bytes.subarray(0, at)], how === 'closed'),
        );
        if (status !== 200) {
          expect(JSON.parse(text), `cut at ${at}`).toMatchObject({
            type: 'error',
            error: { type: 'api_error' },
          });
          continue;
        }
        const events = readEvents(text);
        expect(checkStream(events), `cut at ${at}`).toEqual([]);
        const last = events.at(-1);
        if (last?.type === 'error') continue;
        const { thinking, text: said, tools } = summary(messageOf(events));
        expect({ thinking, said, tools }, `cut at ${at}`).toEqual({
          thinking: expected.thinking,
          said: expected.text,
          tools: expected.tools,
        });
      }
    },
  );

  test('garbage instead of a stream is an error of the upstream, not of the gateway', async () => {
    for (const garbage of [
      '<html>busy</html>',
      '{"unexpected":true}',
      'data: {"a":\n\n',
      '\0\0\0',
      '',
      'data: null\n\n',
    ]) {
      const { status, text } = await ask(fixture, answering(fixture, [Buffer.from(garbage)]));
      const error = status === 200 ? readEvents(text).at(-1) : (JSON.parse(text) as StreamEvent);
      expect(error, JSON.stringify(garbage)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
      if (status !== 200) expect(status).toBe(502);
    }
  });
});
