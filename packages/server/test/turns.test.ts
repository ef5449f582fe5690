import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstFrame, framesUntil, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ model: { wordDelayMs: 20 } });
});
afterAll(() => cleanUp(server));

const text = (result: { messages: { type: string; content?: string }[] }) =>
  result.messages.map((item) => item.content ?? '').join('');

test('what the agent does by itself, when a background task reports, is in no message’s answer', async () => {
  const { session_id } = await server.createSession();
  const { gates } = server.demo.model;
  const report = Array.from({ length: 60 }, (_, n) => `word${n}`).join(' ');
  const task = {
    description: 'background',
    subagent_type: 'general-purpose',
    run_in_background: true,
    prompt: script({ hold: 'background', say: report, word_delay_ms: 0 }),
  };
  const first = await server.send(
    session_id,
    script({ tools: [{ name: 'Agent', input: task }] }, { say: 'it runs' }),
  );
  expect(text(first)).toContain('it runs');

  const note = firstFrame(
    server.stream(`/sessions/${session_id}/events?after=1`),
    (frame) => frame.event === 'agent.delta' && JSON.stringify(frame.data.data).includes('news'),
  );
  gates.release('background');
  // The agent tells of the report, which takes it a second; meanwhile somebody sends a message.
  await note;
  const second = await server.send(session_id, script({ say: 'the answer' }));
  expect(text(second)).toBe('the answer');

  const frames = await framesUntil(
    server.stream(`/sessions/${session_id}/events`),
    (frame) => frame.event === 'turn.completed' && frame.data.turn_id === second.turn_id,
  );
  const told = frames.find(
    (frame) => frame.data.data.type === 'assistant' && JSON.stringify(frame.data.data).includes('news'),
  );
  expect(told?.data.turn_id).toBeNull();
});
