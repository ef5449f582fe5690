import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PermissionRequest, ResolvedBy, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
/** Reads outside the working folder are asked for, and all at once. A sandbox shows these files. */
const outside = ['protocol', 'client', 'cli'].map((name) =>
  fileURLToPath(new URL(`../../${name}/package.json`, import.meta.url)),
);
/** For tests that leave a session as they found it, but for its history. */
let shared: { session_id: string };

beforeAll(async () => {
  server = await startTestServer();
  shared = await server.createSession();
});
afterAll(() => cleanUp(server));

const readAll = () =>
  script(
    { tools: outside.map((file_path) => ({ name: 'Read', input: { file_path } })) },
    { say: '{{results}}' },
  );
const bash = (command: string) =>
  script(
    { tools: [{ name: 'Bash', input: { command, description: 'test' } }] },
    { say: 'after: {{results}}' },
  );

const respond = (sessionId: string, body: Record<string, unknown>) =>
  server.call('POST', `/sessions/${sessionId}/permissions/respond`, body);

const saidBy = (result: TurnResult): string =>
  result.messages.map((item) => (item.type === 'text' ? item.content : '')).join('');

/** Sends a message and waits until it has asked as many questions as expected. */
async function ask(
  sessionId: string,
  message: unknown,
  count = 1,
): Promise<{ pending: PermissionRequest[]; answer: Promise<TurnResult> }> {
  const since = (await server.status(sessionId)).last_seq;
  const answer = server.send(sessionId, message);
  answer.catch(() => {});
  const pending: PermissionRequest[] = [];
  for await (const frame of server.stream(`/sessions/${sessionId}/events?after=${since}`)) {
    if (frame.event === 'permission.requested') pending.push(frame.data.data);
    if (pending.length === count) break;
    if (frame.event.startsWith('turn.') && frame.event !== 'turn.queued' && frame.event !== 'turn.started') {
      throw new Error(`the turn ended without asking: ${JSON.stringify(frame.data.data)}`);
    }
  }
  return { pending, answer };
}

async function resolution(
  sessionId: string,
  requestId: string,
): Promise<{ state: string; reason: string; resolved_by: ResolvedBy | null }> {
  for await (const frame of server.stream(`/sessions/${sessionId}/events`)) {
    if (frame.event === 'permission.resolved' && frame.data.data.request_id === requestId)
      return frame.data.data;
  }
  throw new Error('never resolved');
}

/** The answers that the tools of a conversation got, by the input they had. */
async function toolResults(sessionId: string): Promise<Map<string, string>> {
  const { body } = await server.call<{ events: { type: string; data: Record<string, unknown> }[] }>(
    'GET',
    `/sessions/${sessionId}/events?limit=1000`,
    undefined,
    { headers: { accept: 'application/json' } },
  );
  const inputs = new Map<string, string>();
  const results = new Map<string, string>();
  for (const { type, data } of body.events) {
    const content = (data.message as { content?: unknown } | undefined)?.content;
    if (type !== 'agent.message' || !Array.isArray(content)) continue;
    for (const block of content) {
      if (block.type === 'tool_use') inputs.set(block.id, block.input.file_path ?? block.input.command);
      if (block.type === 'tool_result') {
        results.set(inputs.get(block.tool_use_id) ?? '', JSON.stringify(block.content));
      }
    }
  }
  return results;
}

describe('three permissions at once', () => {
  test('are all pending, and can be answered in any order', async () => {
    const { session_id } = shared;
    const { pending, answer } = await ask(session_id, readAll(), 3);
    const status = await server.status(session_id);
    expect(status.state).toBe('waiting');
    expect(status.pending_permissions.map((each) => each.request_id)).toEqual(
      pending.map((each) => each.request_id),
    );
    expect(status.pending_permission?.request_id).toBe(pending[0]?.request_id);
    const byFile = new Map(pending.map((each) => [each.tool_input.file_path, each.request_id]));
    const inbox = await server.call<{ permissions: PermissionRequest[] }>('GET', '/permissions');
    for (const id of byFile.values())
      expect(inbox.body.permissions.map((each) => each.request_id)).toContain(id);

    // the last first, the first denied, the middle one last
    await respond(session_id, { request_id: byFile.get(outside[2]), allowed: true });
    await respond(session_id, {
      request_id: byFile.get(outside[0]),
      allowed: false,
      message: 'not this one',
    });
    await respond(session_id, { request_id: byFile.get(outside[1]), allowed: true });
    await answer;

    const results = await toolResults(session_id);
    expect(results.get(outside[0] ?? '')).toContain('not this one');
    expect(results.get(outside[1] ?? '')).toContain('claude-agent-client');
    expect(results.get(outside[2] ?? '')).toContain('claude-agent-cli');
  });

  test('a second answer is a 409; after the time-out it is denied and the turn continues', async () => {
    const { session_id } = await server.createSession({ permission_timeout_seconds: 2 });
    const { pending, answer } = await ask(session_id, readAll(), 3);
    const [twice, ...late] = pending.map((each) => each.request_id);
    expect((await respond(session_id, { request_id: twice, allowed: true })).status).toBe(200);
    expect(await respond(session_id, { request_id: twice, allowed: false })).toMatchObject({
      status: 409,
      body: { code: 'permission_already_settled' },
    });
    for (const id of late) {
      expect(await resolution(session_id, id)).toMatchObject({ state: 'denied', reason: 'timeout' });
      expect((await respond(session_id, { request_id: id, allowed: true })).status).toBe(409);
    }
    expect(await answer).toMatchObject({ is_error: false });
  });

  test('an interrupt settles them and ends the turn', async () => {
    const { session_id } = shared;
    const { pending, answer } = await ask(session_id, readAll(), 3);
    expect((await server.call('POST', `/sessions/${session_id}/interrupt`)).status).toBe(200);
    expect(await answer).toMatchObject({ is_error: true, error: { code: 'interrupted' } });
    for (const { request_id } of pending) {
      expect(await resolution(session_id, request_id)).toMatchObject({
        state: 'cancelled',
        reason: 'interrupted',
      });
      expect((await respond(session_id, { request_id, allowed: true })).status).toBe(409);
    }
    expect((await server.status(session_id)).pending_permission).toBeNull();
  });

  test('a killed agent settles them and fails the turn; the next message has the context', async () => {
    const { session_id } = await server.createSession();
    await server.send(session_id, 'say remember the number 42');
    const { pending, answer } = await ask(session_id, readAll(), 3);
    const agents = processesOf(session_id);
    expect(agents).not.toEqual([]);
    for (const { pid } of agents) process.kill(pid, 'SIGKILL');
    expect(await answer).toMatchObject({ is_error: true, error: { code: 'agent_died' } });
    for (const { request_id } of pending) {
      expect(await resolution(session_id, request_id)).toMatchObject({
        state: 'cancelled',
        reason: 'agent_died',
      });
    }
    expect(saidBy(await server.send(session_id, 'what did I say'))).toContain('remember the number 42');
  });
});

test('an unknown request is a 404, and so is one of another session', async () => {
  const [a, b] = [shared, await server.createSession()];
  const { pending, answer } = await ask(a.session_id, bash('touch mine'));
  const request_id = pending[0]?.request_id;
  expect((await respond(b.session_id, { request_id, allowed: true })).status).toBe(404);
  expect((await respond(a.session_id, { request_id: 'nonsense', allowed: true })).status).toBe(404);
  await respond(a.session_id, { request_id, allowed: true });
  await answer;
});

test('suggestions pass through verbatim in both directions: the same call is not asked again', async () => {
  const { session_id } = await server.createSession();
  const { pending, answer } = await ask(session_id, bash('touch suggested'));
  expect(pending[0]?.suggestions).toContainEqual(
    expect.objectContaining({ type: 'addRules', behavior: 'allow' }),
  );
  await respond(session_id, { request_id: pending[0]?.request_id, allowed: true, apply_suggestions: true });
  await answer;
  // Would wait for an answer if the rule had been lost.
  expect(await server.send(session_id, bash('touch suggested'))).toMatchObject({ is_error: false });
  expect(existsSync(join(server.root, 'suggested'))).toBe(true);
});

test('an answer can change the input of the tool', async () => {
  const { session_id } = shared;
  const { pending, answer } = await ask(session_id, bash('touch wrong-name'));
  const updated_input = { command: 'touch right-name', description: 'test' };
  await respond(session_id, { request_id: pending[0]?.request_id, allowed: true, updated_input });
  await answer;
  expect(existsSync(join(server.root, 'right-name'))).toBe(true);
  expect(existsSync(join(server.root, 'wrong-name'))).toBe(false);
});

test('a denial with interrupt ends the turn', async () => {
  const { session_id } = shared;
  const { pending, answer } = await ask(session_id, bash('touch never'));
  await respond(session_id, { request_id: pending[0]?.request_id, allowed: false, interrupt: true });
  const result = await answer;
  expect(saidBy(result)).not.toContain('after:');
  expect(existsSync(join(server.root, 'never'))).toBe(false);
});

test('a subagent asks in the same way, with its own id', async () => {
  const { session_id } = shared;
  const task = {
    description: 'test',
    prompt: bash('touch by-subagent'),
    subagent_type: 'general-purpose',
    run_in_background: false,
  };
  const message = script({ tools: [{ name: 'Agent', input: task }] }, { say: 'the parent goes on' });
  const { pending, answer } = await ask(session_id, message);
  expect(pending[0]).toMatchObject({ kind: 'tool', tool_name: 'Bash', agent_id: expect.any(String) });
  await respond(session_id, { request_id: pending[0]?.request_id, allowed: true });
  expect(saidBy(await answer)).toContain('the parent goes on');
  expect(existsSync(join(server.root, 'by-subagent'))).toBe(true);
});

test('a question to the user waits for its choice, and the choice reaches the model', async () => {
  const { session_id } = shared;
  const { pending, answer } = await ask(session_id, 'ask me a question');
  const [request] = pending;
  expect(request).toMatchObject({ kind: 'question', tool_name: 'AskUserQuestion' });
  const questions = request?.tool_input.questions as { question: string; options: { label: string }[] }[];
  const answers = Object.fromEntries(questions.map(({ question, options }) => [question, options[1]?.label]));
  await respond(session_id, {
    request_id: request?.request_id,
    allowed: true,
    updated_input: { ...request?.tool_input, answers },
  });
  expect(saidBy(await answer)).toContain(questions[0]?.options[1]?.label);
});

test('a question needs its answers and nothing else', async () => {
  const { session_id } = shared;
  const { pending, answer } = await ask(session_id, 'ask me a question');
  const [request] = pending;
  const allow = (updated_input?: object) =>
    respond(session_id, { request_id: request?.request_id, allowed: true, updated_input });
  for (const updated_input of [
    undefined,
    {},
    { answers: {} },
    { answers: { 'Which colour?': 'Red' } },
    { answers: { 'Which colour do you like best?': '' } },
    { answers: { 'Which colour do you like best?': 'Red', colour: 'Red' } },
  ]) {
    const { status, body } = await allow(updated_input);
    expect([status, body.code]).toEqual([422, 'answer_invalid']);
    expect(body.detail).toContain(
      '"Which colour do you like best?" ("Red", "Green", "Blue", or other words)',
    );
  }
  // It waits on, and the model hears the answers: an option, and of several choices a list.
  const answers = {
    'Which colour do you like best?': 'Green',
    'Which meals do you eat?': ['Lunch', 'Dinner'],
  };
  expect((await allow({ answers })).status).toBe(200);
  expect(saidBy(await answer)).toMatch(/Green[\s\S]*Lunch, Dinner/);
});

test('an input that does not fit the tool is refused, and the request keeps waiting', async () => {
  const { session_id } = shared;
  const { pending, answer } = await ask(session_id, bash('touch refused-first'));
  const request_id = pending[0]?.request_id;
  for (const updated_input of [{}, { description: 'no command' }, { command: ['touch', 'x'] }]) {
    const { status, body } = await respond(session_id, { request_id, allowed: true, updated_input });
    expect([status, body.code]).toEqual([422, 'answer_invalid']);
    expect(body.detail).toContain('body.updated_input.command');
  }
  await respond(session_id, { request_id, allowed: true });
  await answer;
  expect(existsSync(join(server.root, 'refused-first'))).toBe(true);
});

test('an empty reason for a denial reaches the model as a sentence', async () => {
  const { session_id } = shared;
  const { pending, answer } = await ask(session_id, bash('touch never'));
  await respond(session_id, { request_id: pending[0]?.request_id, allowed: false, message: '' });
  expect(saidBy(await answer)).toContain('The user denied this.');
});

test('a plan waits for approval, and approval leaves plan mode', async () => {
  const { session_id } = await server.createSession({ permission_mode: 'plan' });
  const { pending, answer } = await ask(session_id, 'plan write planned.txt with a line');
  const plan = pending.find((each) => each.kind === 'plan');
  expect(plan).toMatchObject({ tool_name: 'ExitPlanMode', tool_input: { plan: expect.any(String) } });
  // A part of the input is enough: the rest stays what the agent wrote.
  const updated_input = { note: 'approved' };
  await respond(session_id, { request_id: plan?.request_id, allowed: true, updated_input });
  // What was planned is then done, and asked for like anything else.
  for await (const frame of server.stream(`/sessions/${session_id}/events`)) {
    if (frame.event === 'turn.completed') break;
    if (frame.event !== 'permission.requested' || frame.data.data.kind === 'plan') continue;
    await respond(session_id, { request_id: frame.data.data.request_id, allowed: true });
  }
  await answer;
  expect(readFileSync(join(server.root, 'planned.txt'), 'utf8')).toContain('a line');
  expect((await server.status(session_id)).permission_mode).not.toBe('plan');
});

test('a form of an MCP server works in the same way, and its content arrives', async () => {
  const { session_id } = await server.createSession({
    mcp_servers: {
      forms: {
        command: process.execPath,
        args: [fileURLToPath(new URL('./fixtures/form-server.ts', import.meta.url))],
      },
    },
    allowed_tools: ['mcp__forms__order'],
  });
  const message = script({ tools: [{ name: 'mcp__forms__order', input: {} }] }, { say: '{{results}}' });
  const { pending, answer } = await ask(session_id, message);
  expect(pending[0]).toMatchObject({ kind: 'elicitation', tool_input: { message: 'How many?' } });
  const request_id = pending[0]?.request_id;
  for (const updated_input of [undefined, {}, { count: 'three' }, { count: 1.5 }, { count: 3, more: 1 }]) {
    const { status, body } = await respond(session_id, { request_id, allowed: true, updated_input });
    expect([status, body.code]).toEqual([422, 'answer_invalid']);
    expect(body.detail).toContain('count (integer)');
  }
  await respond(session_id, { request_id, allowed: true, updated_input: { count: 3 } });
  expect(saidBy(await answer)).toContain('accept: {"count":3}');
});

test('a close of the session settles pending requests', async () => {
  const { session_id } = await server.createSession();
  const { pending, answer } = await ask(session_id, bash('touch closed'));
  expect((await server.call('DELETE', `/sessions/${session_id}`)).status).toBe(200);
  expect(await answer).toMatchObject({ is_error: true, error: { code: 'session_closed' } });
  expect(await resolution(session_id, pending[0]?.request_id ?? '')).toMatchObject({
    state: 'cancelled',
    reason: 'session_closed',
  });
});

test('one request is read whatever became of it, with its session; the settled ones are a list', async () => {
  const { session_id } = shared;
  await server.call('PATCH', `/sessions/${session_id}`, { title: 'Ship it' });
  const { pending, answer } = await ask(session_id, bash('touch one'));
  const request_id = pending[0]?.request_id ?? '';
  const path = `/sessions/${session_id}/permissions/${request_id}`;
  const session = { title: 'Ship it', cwd: server.root };
  expect((await server.call('GET', path)).body).toMatchObject({ ...pending[0], session });
  expect((await server.call('GET', '/permissions')).body.permissions).toMatchObject([
    { request_id, session },
  ]);
  await respond(session_id, { request_id, allowed: true });
  await answer;
  const settled = {
    request_id,
    state: 'allowed',
    reason: 'answered',
    resolved_by: { kind: 'local' },
    session,
  };
  expect((await server.call('GET', path)).body).toMatchObject(settled);
  const list = await server.call<{ permissions: PermissionRequest[] }>(
    'GET',
    '/permissions?state=settled&limit=1',
  );
  expect(list.body).toMatchObject({ permissions: [settled] });
  const unknown = await server.call('GET', `/sessions/${session_id}/permissions/none`);
  expect([unknown.status, unknown.body.code]).toEqual([404, 'permission_not_found']);
});

test('the log says who answered, or that nobody did', async () => {
  const { session_id } = shared;
  const first = await ask(session_id, bash('touch answered'));
  const [asked] = first.pending;
  expect(asked?.resolved_by).toBeNull();
  await respond(session_id, { request_id: asked?.request_id, allowed: true });
  await first.answer;
  expect((await resolution(session_id, asked?.request_id ?? '')).resolved_by).toEqual({ kind: 'local' });
  const second = await ask(session_id, bash('touch answered'));
  const unanswered = second.pending[0]?.request_id ?? '';
  await server.call('POST', `/sessions/${session_id}/interrupt`);
  expect((await resolution(session_id, unanswered)).resolved_by).toBeNull();
});
