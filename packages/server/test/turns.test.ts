import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstFrame, framesUntil, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
/** For tests that leave a session as they found it, but for its history. */
let shared: { session_id: string };
beforeAll(async () => {
  server = await startTestServer({ model: { wordDelayMs: 20 } });
  shared = await server.createSession();
});
afterAll(() => cleanUp(server));

const text = (result: { messages: { type: string; content?: string }[] }) =>
  result.messages.map((item) => item.content ?? '').join('');

test('the report of the agent on a background task is in no answer to a message', async () => {
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
  // It is the answer of a turn that the agent began by itself.
  const own = frames.find((frame) => frame.event === 'turn.started' && frame.data.data.initiator === 'agent');
  expect(own).toBeDefined();
  expect(told?.data.turn_id).toBe(own?.data.turn_id);
});

const words = (count: number) => Array.from({ length: count }, (_, n) => `w${n}`).join(' ');

test('whenever a turn is interrupted, the next message gets its own answer', async () => {
  const { session_id } = shared;
  // Before the agent has the message, while it begins, at the first words, in the middle, at the end.
  for (const moment of [0, 0, 1, 2, 3, 5, 8, 13, 21, 29, 30]) {
    const since = (await server.status(session_id)).last_seq;
    const stream = server.stream(`/sessions/${session_id}/events?after=${since}`);
    const cut = server.send(session_id, script({ say: words(30), word_delay_ms: 3 }));
    let deltas = 0;
    for await (const frame of stream) {
      if (frame.event === 'agent.delta') deltas++;
      if (deltas >= moment || frame.event === 'turn.completed') break;
    }
    const [interrupted, result] = await Promise.all([
      server.call('POST', `/sessions/${session_id}/interrupt`),
      cut,
    ]);
    expect(interrupted).toMatchObject({ status: 200, body: { status: 'interrupted' } });
    // The end may have been quicker than the interrupt; then the answer is whole.
    if (result.is_error) expect(result.error?.code).toBe('interrupted');
    else expect(text(result)).toBe(words(30));
    expect(text(await server.send(session_id, script({ say: `after ${moment}` })))).toBe(`after ${moment}`);
  }
});

test('an interrupt in mid-turn ends only that turn: queued messages keep their order and their answers', async () => {
  const { session_id } = shared;
  const held = server.send(session_id, script({ hold: 'mid', say: 'never' }));
  await server.demo.model.gates.reached('mid');
  const queued = ['one', 'two', 'three'].map((say) => server.send(session_id, script({ say })));
  await expect.poll(async () => (await server.status(session_id)).queued_turns).toBe(3);
  await server.call('POST', `/sessions/${session_id}/interrupt`);
  expect(await held).toMatchObject({ is_error: true, error: { code: 'interrupted' }, messages: [] });
  expect((await Promise.all(queued)).map(text)).toEqual(['one', 'two', 'three']);
});

test('an interrupt reaches a running command', async () => {
  const { session_id } = await server.createSession({ allowed_tools: ['Bash'] });
  const since = (await server.status(session_id)).last_seq;
  const running = server.send(
    session_id,
    script(
      { tools: [{ name: 'Bash', input: { command: 'sleep 60', description: 'long' } }] },
      { say: 'over' },
    ),
  );
  await firstFrame(
    server.stream(`/sessions/${session_id}/events?after=${since}`),
    (frame) => frame.event === 'agent.message' && JSON.stringify(frame.data.data).includes('tool_use'),
  );
  await server.call('POST', `/sessions/${session_id}/interrupt`);
  expect(await running).toMatchObject({ is_error: true, error: { code: 'interrupted' } });
});

test('a turn that fails at the model returns the reason, and the next one works', async () => {
  const { session_id } = shared;
  const failed = await server.send(
    session_id,
    script({ error: { status: 400, message: 'refused by the test' } }),
  );
  expect(failed).toMatchObject({
    is_error: true,
    error: { message: expect.stringContaining('refused by the test') },
  });
  expect(text(await server.send(session_id, script({ say: 'fine' })))).toBe('fine');
});

test('an interrupt without a running turn succeeds', async () => {
  const { session_id } = shared;
  expect((await server.call('POST', `/sessions/${session_id}/interrupt`)).status).toBe(200);
  expect((await server.status(session_id)).state).toBe('idle');
});
