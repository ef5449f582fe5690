import { afterAll, beforeAll, expect, test } from 'vitest';
import { script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const texts = (result: { messages: { type: string; content?: string }[] }) =>
  result.messages.filter((item) => item.type === 'text').map((item) => item.content);

test('two sessions with two concurrent messages each: every answer belongs to its message', async () => {
  const sessions = await Promise.all([server.createSession(), server.createSession()]);
  const results = await Promise.all(
    sessions.flatMap(({ session_id }, s) =>
      [0, 1].map(async (m) => {
        const words = `answer ${s}-${m}`;
        const result = await server.send(session_id, script({ delay_ms: m === 0 ? 60 : 0, say: words }));
        return { words, session_id, result };
      }),
    ),
  );
  for (const { words, session_id, result } of results) {
    expect(texts(result)).toEqual([words]);
    expect(result.session_id).toBe(session_id);
  }
});

test('20 concurrent sessions are all answered', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const { session_id } = await server.createSession();
      const result = await server.send(session_id, script({ say: `number ${n}` }));
      await server.call('DELETE', `/sessions/${session_id}`);
      return texts(result)[0];
    }),
  );
  expect(answers).toEqual(Array.from({ length: 20 }, (_, n) => `number ${n}`));
}, 120_000);
