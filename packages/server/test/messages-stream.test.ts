import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstFrame, type SseFrame, script } from './support/api.ts';
import { at, type Calls, callsOver, write } from './support/calls.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

let server: TestServer;
let api: Transport;
let calls: Calls;
/** For tests that leave it idle. */
let shared: string;
const model = recordModelCalls();
beforeAll(async () => {
  server = await startTestServer({ model: model.options });
  api = direct(server);
  calls = callsOver(api);
  shared = (await calls.create()).session_id;
});
afterAll(() => cleanUp(server));

const MESSAGES = '/sessions/{session_id}/messages';

describe('a message answered as a stream', () => {
  test('shows the turn from its beginning to its end, word by word, and then ends', async () => {
    const frames: SseFrame[] = [];
    for await (const frame of api.stream('POST', MESSAGES, {
      ...at(shared),
      body: { message: 'say one two three' },
    })) {
      frames.push(frame);
    }
    const durable = frames.filter((frame) => frame.id !== undefined);
    expect(durable.map((frame) => Number(frame.id))).toEqual(durable.map((frame) => frame.data.seq));
    expect(durable.map((frame) => frame.event)).toEqual(
      expect.arrayContaining(['turn.queued', 'turn.started', 'agent.message', 'turn.completed']),
    );
    expect(frames.at(-1)?.event).toBe('turn.completed');
    const text = frames
      .filter((frame) => frame.event === 'agent.delta')
      .map((frame) => frame.data.data.event?.delta?.text ?? '');
    expect(text.join('')).toBe('one two three');
    expect(text.filter(Boolean).length).toBeGreaterThan(1);
  });

  test('shows permissions too, and continues when they are answered', async () => {
    const stream = api.stream('POST', MESSAGES, {
      ...at(shared),
      body: { message: write(join(server.root, `${randomUUID()}.txt`), 'done') },
    });
    const events: string[] = [];
    for await (const frame of stream) {
      events.push(frame.event);
      if (frame.event === 'permission.requested') {
        await calls.respond(shared, { request_id: frame.data.data.request_id, allowed: true });
      }
    }
    expect(events).toContain('permission.resolved');
    expect(events.at(-1)).toBe('turn.completed');
  });

  test('a subscriber that disconnects changes nothing', async () => {
    const gate = randomUUID();
    const stream = api.stream('POST', MESSAGES, {
      ...at(shared),
      body: { message: script({ hold: gate, say: 'still here' }) },
    });
    const started = await firstFrame(stream, (frame) => frame.event === 'turn.started');
    await server.demo.model.gates.reached(gate);
    server.demo.model.gates.release(gate);
    const { state, result } = await calls.ended(shared, started.data.turn_id);
    expect([state, result?.messages]).toEqual(['completed', [{ type: 'text', content: 'still here' }]]);
  });
});
