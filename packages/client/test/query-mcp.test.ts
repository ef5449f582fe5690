import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AgentMessage, type OnElicitation, query } from '../src/index.ts';
import { cleanUp, script, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const forms = {
  command: process.execPath,
  args: [fileURLToPath(new URL('../../server/test/fixtures/form-server.ts', import.meta.url))],
};
const order = script({ tools: [{ name: 'mcp__forms__order', input: {} }] }, { say: '{{results}}' });

/** The result of an order whose form is answered by the callback. */
async function ordered(onElicitation?: OnElicitation): Promise<string | undefined> {
  const messages = query({
    prompt: order,
    options: {
      server: server.url,
      mcpServers: { forms },
      allowedTools: ['mcp__forms__order'],
      ...(onElicitation && { onElicitation }),
    },
  });
  let last: AgentMessage | undefined;
  for await (const message of messages) last = message;
  return last?.type === 'result' && last.subtype === 'success' ? last.result : undefined;
}

test('a form of an MCP server goes to onElicitation, and what it enters arrives', async () => {
  const asked: Parameters<OnElicitation>[] = [];
  const result = await ordered(async (...question) => {
    asked.push(question);
    return { action: 'accept', content: { count: 3 } };
  });
  expect(result).toContain('accept: {"count":3}');
  expect(asked).toMatchObject([
    [
      { serverName: 'forms', message: 'How many?', requestedSchema: { required: ['count'] } },
      { requestId: expect.any(String) },
    ],
  ]);
});

test.each([
  ['declined', 'decline', { action: 'decline' } as const],
  ['cancelled', 'cancel', { action: 'cancel' } as const],
])('a form can be %s', async (_, word, answer) => {
  expect(await ordered(async () => answer)).toContain(`${word}: null`);
});

test('without onElicitation a form is declined', async () => {
  expect(await ordered()).toContain('decline: null');
});

test('MCP servers are listed, switched off and on, and connected again', async () => {
  const { promise: gone, resolve: leave } = Promise.withResolvers<void>();
  async function* prompts() {
    yield {
      type: 'user' as const,
      message: { role: 'user' as const, content: 'say hello' },
      parent_tool_use_id: null,
    };
    await gone;
  }
  const running = query({ prompt: prompts(), options: { server: server.url, mcpServers: { forms } } });
  const states: unknown[] = [];
  for await (const message of running) {
    if (message.type !== 'result') continue;
    const state = async () => (await running.mcpServerStatus()).find(({ name }) => name === 'forms')?.status;
    states.push(await state());
    await running.toggleMcpServer('forms', false);
    states.push(await state());
    await running.toggleMcpServer('forms', true);
    await running.reconnectMcpServer('forms');
    states.push(await state());
    leave();
  }
  expect(states).toEqual(['connected', 'disabled', 'connected']);
});
