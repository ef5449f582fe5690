import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RewindResult, type SessionCreated } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, script } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, write } from './support/calls.ts';
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

describe('POST /sessions/{id}/fork', () => {
  const fork = (id: string, body?: unknown): Promise<Answer<SessionCreated>> =>
    api.call<SessionCreated>('POST', '/sessions/{session_id}/fork', { ...at(id), ...(body ? { body } : {}) });

  test('copies the conversation and the options; later messages stay apart', async () => {
    const { session_id } = await calls.create({ system_prompt: 'You are a heron.', model: 'demo-9' });
    await calls.send(session_id, 'say the first');
    const { body: copy } = await fork(session_id, { title: 'a branch', metadata: { branch: true } });
    expect(copy).toMatchObject({ resumed: false, model: 'demo-9', status: 'connected' });
    expect(await calls.status(copy.session_id)).toMatchObject({
      forked_from: session_id,
      title: 'a branch',
      metadata: { branch: true },
    });
    await calls.send(copy.session_id, 'say only in the branch');
    expect(JSON.stringify(model.first('say only in the branch')?.system)).toContain('You are a heron.');
    await calls.send(session_id, 'say only in the trunk');
    const [trunk, branch] = await Promise.all(
      [session_id, copy.session_id].map(async (id) => textOf(await calls.send(id, 'what did I say'))),
    );
    expect(trunk).toMatch(/the first/);
    expect(trunk).toMatch(/only in the trunk/);
    expect(trunk).not.toMatch(/only in the branch/);
    expect(branch).toMatch(/the first/);
    expect(branch).toMatch(/only in the branch/);
    expect(branch).not.toMatch(/only in the trunk/);
    await Promise.all([session_id, copy.session_id].map((id) => calls.close(id)));
  });

  test('keeps the history up to a message', async () => {
    const { session_id } = await calls.create();
    await calls.send(session_id, 'say the early thing');
    await calls.send(session_id, 'say the late thing');
    type History = { messages: { uuid: string; type: string }[] };
    const { messages } = (await api.call<History>('GET', '/sessions/{session_id}/messages', at(session_id)))
      .body;
    const firstAnswer = messages.find(({ type }) => type === 'assistant');
    const { body: copy } = await fork(session_id, { up_to_message_id: firstAnswer?.uuid });
    const known = textOf(await calls.send(copy.session_id, 'what did I say'));
    expect(known).toMatch(/the early thing/);
    expect(known).not.toMatch(/the late thing/);
    expectProblem(await fork(session_id, { up_to_message_id: session_id }), 409, 'cannot_fork');
    await Promise.all([session_id, copy.session_id].map((id) => calls.close(id)));
  });

  test('a session without messages cannot be forked yet: a 409', async () => {
    expectProblem(await fork(shared), 409, 'nothing_to_fork');
  });
});

describe('POST /sessions/{id}/rewind', () => {
  const rewind = (id: string, body: unknown): Promise<Answer<RewindResult>> =>
    api.call<RewindResult>('POST', '/sessions/{session_id}/rewind', { ...at(id), body });

  test('shows on a dry run what it would undo, and then undoes it', async () => {
    const { session_id } = await calls.create({ permission_mode: 'acceptEdits' });
    const old = join(server.root, 'old.txt');
    const fresh = join(server.root, 'fresh.txt');
    writeFileSync(old, 'before\n');
    await calls.send(session_id, 'say nothing changed yet');
    const { turn_id } = (
      await calls.send(
        session_id,
        script(
          { tools: [{ name: 'Read', input: { file_path: old } }] },
          {
            tools: [
              { name: 'Edit', input: { file_path: old, old_string: 'before', new_string: 'after' } },
              { name: 'Write', input: { file_path: fresh, content: 'new\n' } },
            ],
          },
          { say: 'changed' },
        ),
      )
    ).body;
    expect(readFileSync(old, 'utf8')).toBe('after\n');

    const dry = await rewind(session_id, { message_id: turn_id, dry_run: true });
    expect(RewindResult.parse(dry.body)).toMatchObject({ can_rewind: true, error: null });
    expect(dry.body.files_changed.toSorted()).toEqual([fresh, old].toSorted());
    expect(readFileSync(old, 'utf8')).toBe('after\n');

    // What was done is told in the same words as what would be.
    const done = await rewind(session_id, { message_id: turn_id });
    expect(done.body).toEqual(dry.body);
    expect(readFileSync(old, 'utf8')).toBe('before\n');
    expect(existsSync(fresh)).toBe(false);
    await calls.close(session_id);
  });

  test('a message that the agent does not know cannot be rewound to, and it says why', async () => {
    const { status, body } = await rewind(shared, { message_id: shared });
    expect(status).toBe(200);
    expect(body).toMatchObject({ can_rewind: false, error: expect.stringMatching(/\w+/), files_changed: [] });
  });

  test('while a turn runs it is a 409', async () => {
    const running = calls.send(shared, write(join(server.root, 'never.txt')));
    const { pending_permission } = await calls.asked(shared);
    expectProblem(await rewind(shared, { message_id: shared }), 409, 'session_busy');
    await calls.respond(shared, { request_id: pending_permission?.request_id, allowed: false });
    await running;
  });
});
