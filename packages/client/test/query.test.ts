import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSdkMcpServer, tool } from '@anthropic-ai/claude-agent-sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { AgentClient, type AgentMessage, type CanUseTool, query, type UserPrompt } from '../src/index.ts';
import { cleanUp, script, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
/** An open session for queries to which it does not matter whose agent answers. */
let open: string;
beforeAll(async () => {
  server = await startTestServer();
  open = (await server.createSession()).session_id;
});
afterAll(() => cleanUp(server));

async function collect(messages: AsyncIterable<AgentMessage>): Promise<AgentMessage[]> {
  const all: AgentMessage[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

const shape = (messages: AgentMessage[]): string[] =>
  messages.map((message) => ('subtype' in message ? `${message.type}/${message.subtype}` : message.type));

const user = (content: string): UserPrompt => ({
  type: 'user',
  message: { role: 'user', content },
  parent_tool_use_id: null,
});

const write = (file: string): string =>
  script(
    { tools: [{ name: 'Write', input: { file_path: join(server.root, file), content: 'x' } }] },
    { say: 'Done.' },
  );

test('yields what the SDK yields: init, the answer, the result', async () => {
  const messages = await collect(query({ prompt: 'say hello', options: { server: server.url } }));
  expect(shape(messages)).toEqual(['system/init', 'assistant', 'result/success']);
  expect(messages.at(-1)).toMatchObject({ result: 'hello', is_error: false });
});

test('a permission callback is asked as in the SDK, and its answer counts', async () => {
  const asked: Parameters<CanUseTool>[] = [];
  const canUseTool: CanUseTool = async (...question) => {
    asked.push(question);
    return question[1].file_path === join(server.root, 'yes.txt')
      ? { behavior: 'allow', updatedInput: { ...question[1], content: 'changed on the way' } }
      : { behavior: 'deny', message: 'Only yes.txt.' };
  };
  const options = { server: server.url, canUseTool, resume: open };
  await collect(query({ prompt: write('yes.txt'), options }));
  const messages = await collect(query({ prompt: write('no.txt'), options }));
  expect(readFileSync(join(server.root, 'yes.txt'), 'utf8')).toBe('changed on the way');
  expect(existsSync(join(server.root, 'no.txt'))).toBe(false);
  expect(JSON.stringify(messages)).toContain('Only yes.txt.');
  expect(asked[0]).toMatchObject([
    'Write',
    { content: 'x' },
    { toolUseID: expect.any(String), suggestions: [{}] },
  ]);
});

test('suggestions given back are applied: the next edit is not asked for', async () => {
  let asked = 0;
  const file = (name: string) => ({ file_path: join(server.root, name), content: 'x' });
  const prompt = script(
    { tools: [{ name: 'Write', input: file('a.txt') }] },
    { tools: [{ name: 'Write', input: file('b.txt') }] },
    { say: 'Done.' },
  );
  const canUseTool: CanUseTool = async (_, input, { suggestions = [] }) => {
    asked += 1;
    return { behavior: 'allow', updatedInput: input, updatedPermissions: suggestions };
  };
  await collect(query({ prompt, options: { server: server.url, canUseTool } }));
  expect(existsSync(join(server.root, 'b.txt'))).toBe(true);
  expect(asked).toBe(1);
});

test('without a callback, permissions are denied', async () => {
  const messages = await collect(
    query({ prompt: write('never.txt'), options: { server: server.url, resume: open } }),
  );
  expect(messages.at(-1)).toMatchObject({ type: 'result', permission_denials: [{ tool_name: 'Write' }] });
});

test('token deltas come when asked for', async () => {
  const options = { server: server.url, includePartialMessages: true, resume: open };
  const messages = await collect(query({ prompt: 'say in pieces', options }));
  const text = messages
    .flatMap((message) => (message.type === 'stream_event' ? [message.event.delta?.text ?? ''] : []))
    .join('');
  expect(text).toBe('in pieces');
});

test('a stream of prompts is one conversation', async () => {
  async function* prompts(): AsyncGenerator<UserPrompt> {
    yield user('say one');
    yield user('what did I say');
  }
  const messages = await collect(query({ prompt: prompts(), options: { server: server.url, resume: open } }));
  const results = messages.filter((message) => message.type === 'result');
  expect(results).toHaveLength(2);
  expect(JSON.stringify(results[1])).toContain('say one');
});

test('goes on with an earlier conversation', async () => {
  const first = await collect(query({ prompt: 'say remember', options: { server: server.url } }));
  const resume = first.at(-1)?.session_id ?? '';
  const second = await collect(query({ prompt: 'what did I say', options: { server: server.url, resume } }));
  expect(JSON.stringify(second)).toContain('say remember');
  const forked = await collect(
    query({ prompt: 'what did I say', options: { server: server.url, resume, forkSession: true } }),
  );
  expect(forked.at(-1)?.session_id).not.toBe(resume);
});

test('can be interrupted, and asked about commands and models', async () => {
  const running = query({
    prompt: script({ hold: 'interrupted', say: 'never' }),
    options: { server: server.url, resume: open },
  });
  const reading = collect(running);
  await server.demo.model.gates.reached('interrupted');
  expect(await running.supportedCommands()).toContainEqual(expect.objectContaining({ name: 'compact' }));
  await running.interrupt();
  expect(shape(await reading).at(-1)).not.toBe('result/success');
});

test('an abort ends it with the reason, and the turn on the server', async () => {
  const abortController = new AbortController();
  const running = query({
    prompt: script({ hold: 'aborted', say: 'never' }),
    options: { server: server.url, abortController, keepSession: true, resume: open },
  });
  const reading = collect(running);
  await server.demo.model.gates.reached('aborted');
  abortController.abort(new Error('enough'));
  await expect(reading).rejects.toThrow('enough');
  const session = await running.session();
  expect((await session.turns()).at(-1)?.state).toBe('interrupted');
});

test('leaving the loop ends the turn and the session', async () => {
  const running = query({ prompt: 'count to 2000 slowly', options: { server: server.url } });
  for await (const message of running) if (message.type === 'system') break;
  const session = await running.session();
  expect((await session.info()).status).toBe('closed');
  expect((await session.turns())[0]?.state).toBe('interrupted');
});

test('a session that was open already stays open when the query that resumed it ends', async () => {
  const client = new AgentClient({ baseUrl: server.url });
  const first = await client.sessions.create();
  const second = query({ prompt: 'say second', options: { server: server.url, resume: first.id } });
  await collect(second);
  expect((await second.session()).created).toMatchObject({ resumed: true, was_live: true });
  expect((await first.info()).status).toBe('connected');
  await first.close();
  // One that was closed is the query's own: what opened it closes it.
  await collect(query({ prompt: 'say third', options: { server: server.url, resume: first.id } }));
  expect((await first.info()).status).toBe('closed');
});

test('in a session that was open before, what others do goes on: their permissions, turns, and the session', async () => {
  const client = new AgentClient({ baseUrl: server.url });
  const theirs = await client.sessions.create();
  const turn = theirs.send(write('theirs.txt'));
  await expect.poll(async () => (await theirs.info()).pending_permissions.length).toBe(1);
  const abortController = new AbortController();
  const running = query({
    prompt: 'say mine',
    options: { server: server.url, resume: theirs.id, abortController },
  });
  const reading = collect(running);
  await expect.poll(async () => (await theirs.info()).queued_turns).toBe(1);
  abortController.abort(new Error('enough'));
  await expect(reading).rejects.toThrow('enough');
  const { status, queued_turns, pending_permissions } = await theirs.info();
  expect({ status, queued_turns }).toEqual({ status: 'connected', queued_turns: 0 });
  await theirs.respond({ request_id: pending_permissions[0]?.request_id ?? '', allowed: true });
  expect(await turn).toMatchObject({ is_error: false });
  expect(existsSync(join(server.root, 'theirs.txt'))).toBe(true);
});

test('an option that cannot work over HTTP is refused, not ignored', async () => {
  const options = { server: server.url, sessionStore: {} };
  await expect(collect(query({ prompt: 'say no', options }))).rejects.toMatchObject({
    name: 'UnsupportedOption',
    message: expect.stringContaining('sessionStore'),
  });
});

test('a prompt that the server refuses throws', async () => {
  await expect(collect(query({ prompt: ' ', options: { server: server.url } }))).rejects.toMatchObject({
    status: 422,
  });
});

test('a resume obeys the options that come with it', async () => {
  const file = join(server.root, 'resumed.txt');
  const ran = script(
    { tools: [{ name: 'Bash', input: { command: `touch ${file}`, description: 'x' } }] },
    { say: '{{results}}' },
  );
  const [init] = await collect(
    query({ prompt: 'say hello', options: { server: server.url, allowedTools: ['Bash'] } }),
  );
  const resume = (init as { session_id: string }).session_id;
  const canUseTool: CanUseTool = async () => ({ behavior: 'deny', message: 'never' });
  await collect(
    query({ prompt: ran, options: { server: server.url, resume, canUseTool, allowedTools: [] } }),
  );
  expect(existsSync(file)).toBe(false);
  const messages = await collect(
    query({ prompt: ran, options: { server: server.url, resume, canUseTool, disallowedTools: ['Bash'] } }),
  );
  expect(existsSync(file)).toBe(false);
  expect((messages[0] as unknown as { tools: string[] }).tools).not.toContain('Bash');
});

test('hooks and in-process tools are called in the program, as with the SDK; a resume without them has none', async () => {
  const file = join(server.root, 'hooked.txt');
  const inputs: unknown[] = [];
  const towns: string[] = [];
  const box = createSdkMcpServer({
    name: 'box',
    tools: [
      tool('weather', 'Tells the weather', { town: z.string() }, async ({ town }) => {
        towns.push(town);
        return { content: [{ type: 'text', text: `snow in ${town}` }] };
      }),
    ],
  });
  const touch = { tools: [{ name: 'Bash', input: { command: `touch ${file}`, description: 'x' } }] };
  const weather = { tools: [{ name: 'mcp__box__weather', input: { town: 'Bern' } }] };
  const prompt = script(touch, weather, { say: '{{results}}' });
  const allowedTools = ['Bash', 'mcp__box__weather'];
  const messages = await collect(
    query({
      prompt,
      options: {
        server: server.url,
        allowedTools,
        mcpServers: { box },
        hooks: {
          PreToolUse: [
            { matcher: 'Read', hooks: [async () => ({})] },
            {
              matcher: 'Bash',
              hooks: [
                async (input, toolUseID) => {
                  inputs.push([input, toolUseID]);
                  return { decision: 'block', reason: 'the hook says no' };
                },
              ],
            },
          ],
        },
      },
    }),
  );
  expect(existsSync(file)).toBe(false);
  expect(JSON.stringify(messages)).toContain('the hook says no');
  expect(messages.at(-1)).toMatchObject({ result: 'snow in Bern' });
  expect(towns).toEqual(['Bern']);
  expect(inputs).toMatchObject([[{ hook_event_name: 'PreToolUse', tool_name: 'Bash' }, expect.any(String)]]);
  const { session_id: resume } = messages[0] as { session_id: string };
  await collect(query({ prompt: script(touch, { say: 'x' }), options: { server: server.url, resume } }));
  expect(existsSync(file)).toBe(true);
});

test('a hook that is asked when nobody can follow the session is refused by name', async () => {
  const hooks = { SessionStart: [{ hooks: [async () => ({})] }] };
  await expect(collect(query({ prompt: 'x', options: { server: server.url, hooks } }))).rejects.toThrow(
    'Not possible over HTTP: hooks.SessionStart',
  );
});
