import { afterEach, expect, test } from 'vitest';
import type { JsonObject } from '../messages/types.ts';
import { bedrockFrame } from '../testing/dialects.ts';
import { post, startGateway } from '../testing/gateway.ts';
import { type FakeAnswer, type SeenRequest, sendJson, startUpstream } from '../testing/upstream.ts';

// Some models refuse a user's text after the results of tools. The gateway then puts an assistant's message in between,
// in the same request and in later ones.

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const use = { type: 'tool_use', id: 'toolu_abcdefghijkl', name: 'Read', input: {} };
const result = { type: 'tool_result', tool_use_id: use.id, content: 'ok' };
const body = {
  model: 'up/m',
  max_tokens: 50,
  tools: [{ name: 'Read', input_schema: { type: 'object', properties: {} } }],
  messages: [
    { role: 'user', content: 'look' },
    { role: 'assistant', content: [use] },
    { role: 'user', content: [result, { type: 'text', text: 'and now?' }] },
  ],
};

/** Sends the conversation twice; gives what the upstream saw. */
async function askTwice(api: 'openai-chat' | 'amazon-bedrock', answer: FakeAnswer): Promise<SeenRequest[]> {
  const upstream = await startUpstream(answer);
  const running = await startGateway({
    providers: { up: { api, base_url: upstream.url, api_key: 'k', models: { m: { context: 100_000 } } } },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  for (let at = 0; at < 2; at += 1) {
    const response = await post(running.url, body);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ content: [{ type: 'text', text: 'fine' }] });
  }
  return upstream.seen;
}

const messagesOf = (seen: SeenRequest | undefined) => seen?.json().messages as JsonObject[];
const rolesOf = (seen: SeenRequest | undefined) => messagesOf(seen).map(({ role }) => role);

test('Chat Completions: an assistant’s message separates the user’s text from a tool’s result where they may not follow each other', async () => {
  const seen = await askTwice('openai-chat', (request, response) => {
    const roles = rolesOf(request);
    if (roles.some((role, at) => role === 'user' && roles[at - 1] === 'tool')) {
      const message = "Unexpected role 'user' after role 'tool'";
      return sendJson(response, 400, { object: 'error', message, code: 3230 });
    }
    return sendJson(response, 200, { choices: [{ message: { content: 'fine' }, finish_reason: 'stop' }] });
  });
  expect(rolesOf(seen[0])).toEqual(['user', 'assistant', 'tool', 'user']);
  for (const request of seen.slice(1)) {
    expect(rolesOf(request)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
  }
  expect(seen).toHaveLength(3);
});

test('Bedrock: an assistant’s message separates the user’s text from a tool’s result where they may not share a turn', async () => {
  const kinds = (message: JsonObject | undefined) =>
    (message?.content as JsonObject[] | undefined)?.flatMap((block) => Object.keys(block));
  const seen = await askTwice('amazon-bedrock', (request, response) => {
    const isMixed = messagesOf(request).some((message) => {
      const found = kinds(message);
      return found?.includes('toolResult') && found.includes('text');
    });
    if (isMixed) {
      const message =
        'This model does not support text with tool results. Tool result blocks cannot be provided in the same turn.';
      return sendJson(response, 400, { message }, { 'x-amzn-errortype': 'ValidationException' });
    }
    const frames: [string, unknown][] = [
      ['messageStart', { role: 'assistant' }],
      ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'fine' } }],
      ['contentBlockStop', { contentBlockIndex: 0 }],
      ['messageStop', { stopReason: 'end_turn' }],
    ];
    response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
    response.end(Buffer.concat(frames.map(([type, payload]) => bedrockFrame(type, payload))));
  });
  expect(rolesOf(seen[0])).toEqual(['user', 'assistant', 'user']);
  for (const request of seen.slice(1)) {
    expect(rolesOf(request)).toEqual(['user', 'assistant', 'user', 'assistant', 'user']);
    expect(kinds(messagesOf(request)[2])).toEqual(['toolResult']);
    expect(kinds(messagesOf(request)[4])).toEqual(['text']);
  }
  expect(seen).toHaveLength(3);
});
