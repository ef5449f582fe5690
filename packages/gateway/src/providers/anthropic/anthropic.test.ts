import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeProvenance } from '../../messages/provenance.ts';
import { post, startGateway } from '../../testing/gateway.ts';
import { type FakeAnswer, sendJson, sendSse, startUpstream } from '../../testing/upstream.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: 'ok' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 5, output_tokens: 1 },
};

async function setUp(answer: FakeAnswer, provider = 'anthropic') {
  const upstream = await startUpstream(answer);
  const running = await startGateway({
    providers: { [provider]: { api: 'anthropic', base_url: upstream.url, api_key: 'k' } },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  return { upstream, running };
}

const thinking = { type: 'thinking', thinking: 't' };
const call = { type: 'tool_use', id: 'toolu_1234567890ab', name: 'Read', input: {} };
const conversation = (signature: string) => ({
  max_tokens: 5_000,
  thinking: { type: 'enabled', budget_tokens: 2_000 },
  context_management: {
    edits: [{ type: 'clear_thinking_20251015', keep: 'all' }, { type: 'clear_tool_uses_20250919' }],
  },
  tools: [{ name: 'Read', input_schema: { type: 'object' } }],
  messages: [
    { role: 'user', content: 'Go' },
    { role: 'assistant', content: [{ ...thinking, signature }, call] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'x' }] },
  ],
});

interface Body {
  thinking?: unknown;
  context_management?: { edits: { type: string }[] };
  messages: { content: { type: string; signature?: string }[] }[];
}

/** Claude's rules for thoughts; only `SIG` is a signature of its own. */
const strictly: FakeAnswer = (seen, response) => {
  const body = seen.json() as unknown as Body;
  const [first, ...others] = body.messages[1]?.content ?? [];
  const refuse = (text: string) =>
    sendJson(response, 400, { type: 'error', error: { type: 'invalid_request_error', message: text } });
  if (first?.type === 'thinking' && first.signature !== 'SIG') {
    return refuse('messages.1.content.0: Invalid `signature` in `thinking` block');
  }
  if (body.thinking && first?.type === 'tool_use') {
    return refuse(
      'messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.',
    );
  }
  const clears = body.context_management?.edits.some((edit) => edit.type.startsWith('clear_thinking_'));
  if (!body.thinking && clears) return refuse('clear_thinking_20251015 requires `thinking`');
  sendJson(response, others.length > 1 ? 500 : 200, message);
};

test.each([
  ['sealed by the gateway for another provider', encodeProvenance({ from: 'openai' }), 2],
  ['signed by another that speaks Anthropic’s dialect', 'OTHER', 3],
])('a turn whose thoughts were %s is continued without thinking', async (_, signature, attempts) => {
  const { upstream, running } = await setUp(strictly);
  const response = await post(running.url, { model: 'claude-sonnet-4-5', ...conversation(signature) });
  expect(response.status).toBe(200);
  expect(upstream.seen).toHaveLength(attempts);
  const last = upstream.seen.at(-1)?.json();
  expect(last).not.toHaveProperty('thinking');
  expect(last?.context_management).toEqual({ edits: [{ type: 'clear_tool_uses_20250919' }] });
  expect(last?.messages).toMatchObject([{}, { content: [call] }, {}]);
});

test('a turn with its own thinking blocks keeps them, byte for byte', async () => {
  const { upstream, running } = await setUp(strictly);
  const body = { model: 'claude-sonnet-4-5', ...conversation('SIG') };
  expect((await post(running.url, body)).status).toBe(200);
  expect(upstream.seen.map(({ text }) => text)).toEqual([JSON.stringify(body)]);
});

test('a refusal that does not go away is reported, not retried without end', async () => {
  const { upstream, running } = await setUp((_request, response) =>
    sendJson(response, 400, {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Expected `thinking` or `redacted_thinking`.' },
    }),
  );
  const response = await post(running.url, { model: 'claude-sonnet-4-5', ...conversation('SIG') });
  expect(response.status).toBe(400);
  expect(upstream.seen).toHaveLength(2);
});

const short = { max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] };

test('headers about the upstream’s connection are not forwarded', async () => {
  const { running } = await setUp((_request, response) => {
    response.writeHead(200, {
      'content-type': 'application/json',
      trailer: 'server-timing',
      te: 'trailers',
      upgrade: 'h2c',
      'proxy-authenticate': 'Basic',
      'proxy-connection': 'keep-alive',
      connection: 'keep-alive, X-Hop',
      'x-hop': 'yes',
      'x-ratelimit': '5',
      'transfer-encoding': 'chunked',
    });
    response.end(JSON.stringify(message));
  }, 'c');
  const response = await post(running.url, { model: 'c/m', ...short });
  expect(await response.json()).toEqual(message);
  for (const name of ['trailer', 'te', 'upgrade', 'proxy-authenticate', 'proxy-connection', 'x-hop']) {
    expect(response.headers.get(name), name).toBeNull();
  }
  expect(response.headers.get('x-ratelimit')).toBe('5');
});

test('headers that the client’s `connection` names are not forwarded', async () => {
  const { upstream, running } = await setUp((_request, response) => sendJson(response, 200, message), 'c');
  // The built-in fetch does not let a caller set `connection`.
  await new Promise<void>((resolve, reject) => {
    const headers = { connection: 'close, X-Hop', 'x-hop': 'yes', 'x-app': 'cli' };
    const outgoing = httpRequest(`${running.url}/v1/messages`, { method: 'POST', headers }, (response) =>
      response.resume().on('end', resolve),
    );
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify({ model: 'c/m', ...short }));
  });
  expect(upstream.seen[0]?.headers).toMatchObject({ 'x-app': 'cli' });
  expect(upstream.seen[0]?.headers).not.toHaveProperty('x-hop');
});

describe('an error in the first chunk of a 200 stream', () => {
  const error =
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n';
  const start = `event: message_start\ndata: ${JSON.stringify({ type: 'message_start', message })}\n\n`;
  const whole = `${start}event: message_stop\ndata: {"type":"message_stop"}\n\n`;
  const kinds = [
    ['alone', error],
    ['behind its message_start', start + error],
    ['behind a ping', `event: ping\ndata: {"type": "ping"}\n\n${error}`],
    ['without a blank line after it', error.trimEnd()],
  ] as const;

  test.each(kinds)('%s: has its own status, for a stream and for a whole answer', async (_, first) => {
    const { running } = await setUp((_seen, response) => sendSse(response, first));
    for (const stream of [true, false]) {
      const response = await post(running.url, {
        model: 'anthropic/m',
        stream,
        max_tokens: 5,
        messages: [{ role: 'user', content: 'Hi' }],
      });
      expect(response.status).toBe(529);
      expect(await response.json()).toMatchObject({
        type: 'error',
        error: { type: 'overloaded_error', message: 'Overloaded' },
      });
    }
  });

  test.each(kinds)('%s: is retried, then sent to the next target', async (_, first) => {
    const upstream = await startUpstream((seen, response) =>
      sendSse(response, seen.path.startsWith('/second') ? whole : first),
    );
    const provider = (name: string) => ({
      api: 'anthropic' as const,
      base_url: `${upstream.url}/${name}`,
      api_key: 'k',
    });
    const running = await startGateway({
      providers: { one: provider('first'), two: provider('second') },
      models: { m: ['one/m', 'two/m'] },
      retries: 1,
    });
    closers.push(upstream.close, running.close);
    const request = { model: 'm', stream: true, max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }] };
    const response = await post(running.url, request);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(whole);
    expect(upstream.seen.map(({ path }) => path.split('/')[1])).toEqual(['first', 'first', 'second']);
  });
});
