import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HOOK_EVENTS } from '@anthropic-ai/claude-agent-sdk';
import { HookEvent, type SessionDetail, type SessionEvent } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { firstFrame, type SseFrame, script } from './support/api.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// Hooks and tools of the caller's own: asked by events, or at an address; and the agent's MCP servers.

let server: TestServer;
let callback: Server;
const model = recordModelCalls();
/** What the address was asked, and what it answers next. */
const asked: Record<string, unknown>[] = [];
let reply: { status?: number; body: string } = { body: '{}' };

beforeAll(async () => {
  callback = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    asked.push(JSON.parse(text));
    response.writeHead(reply.status ?? 200, { location: '/elsewhere' }).end(reply.body);
  });
  await new Promise<void>((resolve) => callback.listen(0, '127.0.0.1', resolve));
  server = await startTestServer({ model: model.options, config: { allow_callback_urls: 'loopback' } });
});
afterAll(async () => {
  await cleanUp(server);
  callback.close();
});

const url = (): string => `http://127.0.0.1:${(callback.address() as AddressInfo).port}/hook`;
const touch = (file: string): Record<string, unknown> => ({
  tools: [{ name: 'Bash', input: { command: `touch ${join(server.root, file)}`, description: 'test' } }],
});
const made = (file: string): boolean => existsSync(join(server.root, file));
const said = async (id: string, message: string): Promise<string> =>
  JSON.stringify((await server.send(id, message)).messages);

/** Sends a message and answers what is asked meanwhile; gives what was said and the frames. */
async function attend(
  id: string,
  message: string,
  answer: (frame: SseFrame) => Promise<unknown> | undefined,
): Promise<{ said: string; frames: SseFrame[] }> {
  const { last_seq } = await server.status(id);
  const stream = await server.openStream(`/sessions/${id}/events?after=${last_seq}`);
  const frames: SseFrame[] = [];
  const answering = firstFrame(stream, (frame) => {
    frames.push(frame);
    void answer(frame);
    return /^turn\.(completed|failed|interrupted)$/.test(frame.event);
  });
  const done = await server.send(id, message);
  await answering;
  return { said: JSON.stringify(done.messages), frames };
}

const WEATHER = {
  name: 'weather',
  description: 'Tells the weather of a town',
  input_schema: { type: 'object', properties: { town: { type: 'string' } }, required: ['town'] },
};
const weather = (then: string): string =>
  script(
    { tools: [{ name: 'mcp__custom__weather', input: { town: 'Bern' } }] },
    { say: `${then} {{results}}` },
  );

test('hook events are those of the agent SDK', () => {
  expect([...HookEvent.options].sort()).toEqual([...HOOK_EVENTS].sort());
});

test('hooks and custom tools by events: requested, answered, listed, and withdrawn', async () => {
  const { session_id: id } = await server.createSession({
    allowed_tools: ['Bash', 'mcp__custom__weather'],
    hooks: {
      PreToolUse: [{ matcher: 'Bash', timeout: 30 }],
      UserPromptSubmit: [{ timeout: 30 }],
    },
    custom_tools: [WEATHER],
  });
  const respond = (kind: 'hooks' | 'tools', body: object) =>
    server.call('POST', `/sessions/${id}/${kind}/respond`, body);
  const hook = (frame: SseFrame, output: object) =>
    respond('hooks', { request_id: frame.data.data.request_id, output });

  // A decision denies the tool, and a prompt gets more context.
  const first = await attend(id, script(touch('denied.txt'), { say: 'first {{results}}' }), (frame) => {
    if (frame.event !== 'hook.requested') return undefined;
    return frame.data.data.event === 'UserPromptSubmit'
      ? hook(frame, {
          hookSpecificOutput: { hookEventName: 'UserPromptSubmit', additionalContext: 'It is Tuesday.' },
        })
      : hook(frame, {
          hookSpecificOutput: {
            hookEventName: 'PreToolUse',
            permissionDecision: 'deny',
            permissionDecisionReason: 'not on a Tuesday',
          },
        });
  });
  expect(first.said).toContain('not on a Tuesday');
  expect(made('denied.txt')).toBe(false);
  expect(JSON.stringify(model.all)).toContain('It is Tuesday.');
  const requested = first.frames.filter(({ event }) => event === 'hook.requested');
  expect(requested.map(({ data }) => data.data)).toMatchObject([
    { kind: 'hook', event: 'UserPromptSubmit', index: 0, session_id: id },
    { event: 'PreToolUse', input: { tool_name: 'Bash' }, tool_use_id: expect.any(String) },
  ]);
  expect(first.frames.filter(({ event }) => event === 'hook.resolved').map(({ data }) => data.data)).toEqual(
    requested.map(({ data }) => ({ request_id: data.data.request_id, reason: 'answered' })),
  );

  // A custom tool is offered with its schema, called, and shown while it waits.
  let shown: SessionDetail | undefined;
  const second = await attend(id, weather('second'), async (frame) => {
    if (frame.event === 'hook.requested') await hook(frame, {});
    if (frame.event !== 'tool.requested') return;
    shown = await server.status(id);
    const { request_id } = frame.data.data;
    expect((await respond('hooks', { request_id, output: {} })).status).toBe(404);
    expect((await respond('tools', { request_id, content: 'snow in Bern' })).status).toBe(200);
    expect((await respond('tools', { request_id, content: 'rain' })).status).toBe(404);
  });
  expect(second.said).toContain('snow in Bern');
  expect(shown?.pending_calls).toMatchObject([
    {
      kind: 'tool',
      server: 'custom',
      name: 'weather',
      input: { town: 'Bern' },
      tool_use_id: expect.any(String),
    },
  ]);
  expect(model.all.flatMap(({ tools = [] }) => tools)).toContainEqual(
    expect.objectContaining({
      name: 'mcp__custom__weather',
      input_schema: expect.objectContaining(WEATHER.input_schema),
    }),
  );

  // An interrupt ends the waiting, and the session goes on.
  const third = await attend(id, weather('third'), (frame) => {
    if (frame.event === 'hook.requested') return hook(frame, {});
    return frame.event === 'tool.requested' ? server.call('POST', `/sessions/${id}/interrupt`) : undefined;
  });
  const reasons = (frames: SseFrame[]): string[] =>
    frames.filter(({ event }) => event === 'tool.resolved').map(({ data }) => data.data.reason);
  expect(third.frames.at(-1)?.event).toBe('turn.interrupted');
  const { pending_calls } = await server.status(id);
  expect(pending_calls).toEqual([]);
  expect(reasons(third.frames)).toEqual(['interrupted']);

  // The death of the agent ends it, too.
  if (!CAN_SEE_PROCESSES) return;
  const fourth = await attend(id, weather('fourth'), async (frame) => {
    if (frame.event === 'hook.requested') await hook(frame, {});
    if (frame.event === 'tool.requested') process.kill(processesOf(id)[0]?.pid as number, 'SIGKILL');
  });
  expect(reasons(fourth.frames)).toEqual(['agent_died']);
  await server.call('DELETE', `/sessions/${id}`);
});

test('without an answer, a hook blocks or passes as configured, and a tool returns an error to the model', async () => {
  const { session_id: id } = await server.createSession({
    allowed_tools: ['Bash', 'mcp__custom__weather'],
    hooks: {
      PreToolUse: [
        { matcher: 'Bash', timeout: 0.2 },
        { matcher: 'Read', timeout: 0.2, on_failure: 'continue' },
      ],
    },
    custom_tools: [{ ...WEATHER, timeout: 0.2 }],
  });
  expect(await said(id, script(touch('unanswered.txt'), { say: '{{results}}' }))).toContain(
    'Nobody answered in time',
  );
  expect(made('unanswered.txt')).toBe(false);
  const file = join(server.root, 'letter.txt');
  writeFileSync(file, 'dear reader');
  const read = { tools: [{ name: 'Read', input: { file_path: file } }] };
  expect(await said(id, script(read, { say: '{{results}}' }))).toContain('dear reader');
  expect(await said(id, weather('late'))).toContain('late Nobody answered in time.');
});

test('by address: hooks and tools are a POST, and an invalid answer blocks', async () => {
  const { session_id: id } = await server.createSession({
    allowed_tools: ['Bash', 'mcp__custom__weather'],
    hooks: { PreToolUse: [{ matcher: 'Bash', url: url(), timeout: 20 }] },
    custom_tools: [{ ...WEATHER, url: url(), timeout: 20 }],
  });
  reply = { body: '{}' };
  await said(id, script(touch('by-address.txt'), { say: 'x' }));
  expect(made('by-address.txt')).toBe(true);
  expect(asked.at(-1)).toMatchObject({
    kind: 'hook',
    event: 'PreToolUse',
    session_id: id,
    turn_id: expect.any(String),
    input: { tool_name: 'Bash' },
  });
  for (const [bad, words] of [
    [{ status: 302, body: '{}' }, 'status 302'],
    [{ body: '[]' }, 'expected record'],
    [{ body: 'no json' }, 'not valid JSON'],
    [{ body: JSON.stringify({ pad: 'x'.repeat(1024 * 1024) }) }, 'longer than'],
  ] as const) {
    reply = bad;
    expect(await said(id, script(touch('never.txt'), { say: '{{results}}' }))).toContain(words);
  }
  expect(made('never.txt')).toBe(false);
  reply = { body: JSON.stringify({ content: [{ type: 'text', text: 'hail' }] }) };
  expect(await said(id, weather('now'))).toContain('now hail');
  expect(asked.at(-1)).toMatchObject({ kind: 'tool', name: 'weather', input: { town: 'Bern' } });
  const refused = await server.call('POST', '/sessions', {
    hooks: { PreToolUse: [{ url: 'http://169.254.169.254/' }] },
  });
  expect(refused).toMatchObject({ status: 403, body: { code: 'callback_not_allowed' } });
});

test('commands, models, agents; MCP servers: state, toggle, reconnect', async () => {
  const { session_id: id } = await server.createSession({
    mcp_servers: {
      box: {
        command: process.execPath,
        args: [fileURLToPath(new URL('fixtures/shout-server.ts', import.meta.url))],
        env: { BOX_WORD: 'secret-word' },
        alwaysLoad: true,
      },
    },
    allowed_tools: ['mcp__box__shout'],
    agents: { diver: { description: 'Goes deep', prompt: 'You dive.' } },
  });
  const list = async (what: string) =>
    JSON.stringify((await server.call('GET', `/sessions/${id}/${what}`)).body);
  expect(await list('commands')).toContain('"name":"compact"');
  expect(await list('models')).toContain('"value"');
  expect(await list('agents')).toContain('diver');
  const shown = await list('mcp');
  expect(JSON.parse(shown).servers).toMatchObject([
    { name: 'box', status: 'connected', tools: [{ name: 'shout' }] },
  ]);
  expect(shown).not.toContain('secret-word');
  const act = (what: string, body?: object) => server.call('POST', `/sessions/${id}/mcp/${what}`, body);
  expect((await act('box/toggle', { enabled: false })).body).toMatchObject({
    servers: [{ status: 'disabled' }],
  });
  await said(id, 'say without');
  expect(JSON.stringify(model.first('say without')?.tools)).not.toContain('mcp__box__shout');
  expect((await act('box/toggle', { enabled: true })).body).toMatchObject({
    servers: [{ status: 'connected' }],
  });
  expect((await act('box/reconnect')).body).toMatchObject({ servers: [{ status: 'connected' }] });
  expect(
    await said(
      id,
      script({ tools: [{ name: 'mcp__box__shout', input: { text: 'hi' } }] }, { say: '{{results}}' }),
    ),
  ).toContain('HI secret-word');
  expect(await act('nobody/reconnect')).toMatchObject({
    status: 404,
    body: { code: 'mcp_server_not_found' },
  });
});

test('a hook and a tool call that were open when the server was killed are resolved by the next one', async () => {
  const first = await startTestServer({ model: model.options });
  const { session_id: id } = await first.createSession({
    allowed_tools: ['mcp__custom__weather'],
    hooks: { PreToolUse: [{ matcher: 'Bash', timeout: 60 }] },
    custom_tools: [WEATHER],
  });
  const { session_id: hooked } = await first.createSession({
    allowed_tools: ['Bash'],
    hooks: { PreToolUse: [{ matcher: 'Bash', timeout: 60 }] },
  });
  const asked = (session: string, type: string) =>
    first
      .openStream(`/sessions/${session}/events`)
      .then((frames) => firstFrame(frames, ({ event }) => event === type));
  const waiting = [asked(id, 'tool.requested'), asked(hooked, 'hook.requested')];
  const sent = [first.send(id, weather('x')), first.send(hooked, script(touch('no.txt')))];
  const requests = await Promise.all(waiting);
  const cut = Promise.allSettled(sent);
  await first.kill();
  await cut;

  const second = await startTestServer({ on: first });
  try {
    for (const [n, [session, kind]] of [[id, 'tool'] as const, [hooked, 'hook'] as const].entries()) {
      const { request_id } = requests[n]?.data.data ?? {};
      const { body } = await second.call<{ events: SessionEvent[] }>(
        'GET',
        `/sessions/${session}/events?limit=1000`,
        undefined,
        { headers: { accept: 'application/json' } },
      );
      expect(body.events.filter(({ type }) => type === `${kind}.resolved`)).toMatchObject([
        { turn_id: requests[n]?.data.turn_id, data: { request_id, reason: 'server_restarted' } },
      ]);
      expect((await second.status(session)).pending_calls).toEqual([]);
    }
  } finally {
    await cleanUp(second);
  }
});
