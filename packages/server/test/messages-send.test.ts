import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SessionCreated, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { framesUntil } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, UNKNOWN, write } from './support/calls.ts';
import { promptOf, recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { TRANSPORTS, type Transport } from './support/transports.ts';

let server: TestServer;
const model = recordModelCalls();
beforeAll(async () => {
  server = await startTestServer({ model: model.options });
});
afterAll(() => cleanUp(server));

describe.each(TRANSPORTS)('$way', ({ over }) => {
  let api: Transport;
  let calls: Calls;
  /** For tests that leave a session as they found it. */
  let shared: SessionCreated;
  beforeAll(async () => {
    api = over(server);
    calls = callsOver(api);
    shared = await calls.create();
  });

  describe('POST /sessions/{id}/messages', () => {
    test('answers with the texts and tool calls when the turn has ended', async () => {
      const { session_id } = shared;
      const file = join(server.root, `${randomUUID()}.txt`);
      const answering = calls.send(session_id, write(file, 'It is written.'));
      const { pending_permission } = await calls.asked(session_id);
      expect(existsSync(file)).toBe(false);
      await calls.respond(session_id, { request_id: pending_permission?.request_id, allowed: true });
      const { status: code, body } = await answering;
      expect(code).toBe(200);
      expect(readFileSync(file, 'utf8')).toBe('written');
      expect(TurnResult.parse(body)).toMatchObject({
        messages: [
          {
            type: 'tool_use',
            tool_name: 'Write',
            tool_input: { file_path: file, content: 'written' },
            tool_use_id: expect.stringMatching(/./),
          },
          { type: 'text', content: 'It is written.' },
        ],
        session_id,
        num_turns: 2,
        is_error: false,
        error: null,
        stop_reason: 'end_turn',
        usage: { output_tokens: expect.any(Number) },
      });
    });

    test('is answered as a stream of events if the client accepts one', async () => {
      const frames = await framesUntil(
        api.stream('POST', '/sessions/{session_id}/messages', {
          ...at(shared.session_id),
          body: { message: 'say one two' },
        }),
        (frame) => frame.event === 'turn.completed',
      );
      expect(frames.map((frame) => frame.event)).toEqual(
        expect.arrayContaining(['turn.queued', 'turn.started', 'agent.delta', 'agent.message']),
      );
      expect(frames.at(-1)?.data.data.result.messages).toEqual([{ type: 'text', content: 'one two' }]);
    });

    test('takes content blocks with text, image and document', async () => {
      const words = randomUUID();
      const png =
        'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
      const answer = await calls.send(shared.session_id, [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'A short document.' } },
        { type: 'text', text: `say ${words}` },
      ]);
      expect(textOf(answer)).toBe(words);
      const call = model.first(words);
      const content = call ? promptOf(call) : '';
      expect(content).toContain('"type":"image"');
      expect(content).toContain('A short document.');
    });

    test('a turn that ran and failed is 200 with the error', async () => {
      const { status: code, body } = await calls.send(shared.session_id, 'fail');
      expect(code).toBe(200);
      expect(body).toMatchObject({
        is_error: true,
        error: { code: expect.stringMatching(/./), message: expect.stringMatching(/./) },
      });
    });

    test('an empty message is a 422, an unknown session a 404; nothing runs', async () => {
      for (const message of ['', ' \n', [], [{ type: 'text', text: '' }]]) {
        expectProblem(await calls.send(shared.session_id, message), 422, 'validation_failed');
      }
      expectProblem(await calls.send(UNKNOWN, 'hello'), 404, 'session_not_found');
    });
  });
});
