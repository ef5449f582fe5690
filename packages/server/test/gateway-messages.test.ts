import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { framesUntil } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { TRANSPORTS, type Transport } from './support/transports.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

describe.each(TRANSPORTS)('$way', ({ over }) => {
  let api: Transport;
  beforeAll(() => {
    api = over(server);
  });

  describe('POST /v1/messages', () => {
    const request = { model: 'demo', max_tokens: 100, messages: [{ role: 'user', content: 'say hi there' }] };

    test("answers in Anthropic's format, as JSON", async () => {
      const { status: code, body } = await api.call('POST', '/v1/messages', { body: request });
      expect(code).toBe(200);
      expect(body).toMatchObject({
        type: 'message',
        role: 'assistant',
        model: 'demo',
        content: [{ type: 'text', text: 'hi there' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
      });
    });

    test("answers in Anthropic's format, as a stream", async () => {
      const frames = await framesUntil(
        api.stream('POST', '/v1/messages', { body: { ...request, stream: true } }),
        (frame) => frame.event === 'message_stop',
      );
      expect(frames[0]?.event).toBe('message_start');
      const text = frames.map(({ data }) => data.delta?.text ?? '').join('');
      expect(text).toBe('hi there');
    });

    test("a model without a configured provider is an error in Anthropic's format that says what to set", async () => {
      const { status: code, body } = await api.call('POST', '/v1/messages', {
        body: { ...request, model: 'gpt-4o' },
      });
      expect(code).toBe(400);
      expect(body).toMatchObject({
        type: 'error',
        error: { type: 'invalid_request_error', message: expect.stringContaining('OPENAI_API_KEY') },
      });
    });
  });
});
