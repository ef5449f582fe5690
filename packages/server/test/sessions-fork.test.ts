import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RewindResult, type SessionCreated, SessionDetail, Usage } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, firstFrame, script } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, write } from './support/calls.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// What one can do with a session besides talking to it, and what the server says about itself.

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

  test('takes the conversation and the options along; what comes later stays apart', async () => {
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

  test('a session in which nothing was said cannot be forked yet: a 409', async () => {
    const { session_id } = await calls.create();
    expectProblem(await fork(session_id), 409, 'nothing_to_fork');
    await calls.close(session_id);
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
    const { session_id } = await calls.create();
    const running = calls.send(session_id, write(join(server.root, 'never.txt')));
    await calls.asked(session_id);
    expectProblem(await rewind(session_id, { message_id: shared }), 409, 'session_busy');
    await calls.close(session_id);
    await running;
  });
});

describe('PATCH /sessions/{id}', () => {
  const patch = (body: unknown, id = shared): Promise<Answer<SessionDetail>> =>
    api.call<SessionDetail>('PATCH', '/sessions/{session_id}', { ...at(id), body });

  test('changes title and metadata, each alone, and shows it at once', async () => {
    const titled = await patch({ title: 'first', metadata: { a: 1 } });
    expect(SessionDetail.parse(titled.body)).toMatchObject({ title: 'first', metadata: { a: 1 } });
    expect((await patch({ metadata: { b: 2 } })).body).toMatchObject({ title: 'first', metadata: { b: 2 } });
    expect((await patch({ title: null })).body).toMatchObject({ title: null, metadata: { b: 2 } });
    expect((await patch({})).body).toMatchObject({ title: null, metadata: { b: 2 } });
    expect(await calls.status(shared)).toMatchObject({ title: null, metadata: { b: 2 } });
  });

  test('a new title is an event', async () => {
    const stream = await server.openStream('/events');
    const told = firstFrame(stream, (frame) => frame.data.data.title === 'told to all');
    await patch({ title: 'told to all' });
    expect((await told).event).toBe('session.state');
    await patch({ title: null });
  });

  test('works on a closed session, too', async () => {
    const { session_id } = await calls.create();
    await calls.close(session_id);
    expect((await patch({ title: 'archived' }, session_id)).body).toMatchObject({
      title: 'archived',
      status: 'closed',
    });
  });
});

test("GET /sessions/{id}/context is the agent's own account of its window", async () => {
  const { status, body } = await api.call('GET', '/sessions/{session_id}/context', at(shared));
  expect(status).toBe(200);
  expect(body).toMatchObject({ categories: expect.any(Array), totalTokens: expect.any(Number) });
});

test('GET /sessions/{id}/usage sums up one session, GET /usage all of them', async () => {
  const usageOf = async (id: string): Promise<Usage> =>
    Usage.parse((await api.call('GET', '/sessions/{session_id}/usage', at(id))).body);
  const total = async (): Promise<Usage> => Usage.parse((await api.call('GET', '/usage')).body);
  const before = await total();
  const [a, b] = await Promise.all([calls.create({ model: 'model-a' }), calls.create({ model: 'model-b' })]);
  expect(await usageOf(a.session_id)).toMatchObject({ turns: 0, input_tokens: 0, cost_usd: 0, by_model: {} });

  const usage = { input_tokens: 100, output_tokens: 7 };
  await calls.send(a.session_id, script({ say: 'one', usage }));
  await calls.send(a.session_id, script({ say: 'two', usage }));
  await calls.send(b.session_id, script({ say: 'three', usage }));
  const [ofA, ofB, after] = [await usageOf(a.session_id), await usageOf(b.session_id), await total()];
  expect(ofA).toMatchObject({ turns: 2, input_tokens: 200, output_tokens: 14 });
  expect(Object.keys(ofA.by_model)).toEqual(['model-a']);
  expect(ofB).toMatchObject({ turns: 1, input_tokens: 100, output_tokens: 7 });
  expect(after.turns - before.turns).toBe(3);
  expect(after.input_tokens - before.input_tokens).toBe(300);

  // What was spent stays known when the session is closed.
  await Promise.all([a, b].map(({ session_id }) => calls.close(session_id)));
  expect(await usageOf(a.session_id)).toEqual(ofA);
  expect(await total()).toEqual(after);
});

test('GET /ping is Healthy, or HealthyBusy while a turn runs', async () => {
  const ping = async () => (await api.call('GET', '/ping')).body;
  expect(await ping()).toEqual({ status: 'Healthy', time_of_last_update: expect.any(Number) });
  const running = calls.send(shared, script({ hold: 'busy', say: 'done' }));
  await server.demo.model.gates.reached('busy');
  expect(await ping()).toMatchObject({ status: 'HealthyBusy' });
  server.demo.model.gates.release('busy');
  await running;
  expect(await ping()).toMatchObject({ status: 'Healthy' });
});

test('GET /ready says that the server takes work', async () => {
  expect(await api.call('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
});
