import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type SessionCreated, SessionDetail } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { type Answer, firstFrame, script } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, UNKNOWN, write } from './support/calls.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { TRANSPORTS, type Transport } from './support/transports.ts';

let server: TestServer;
const model = recordModelCalls();
beforeAll(async () => {
  server = await startTestServer({ model: model.options });
});
afterAll(() => cleanUp(server));
describe.each(TRANSPORTS)('$way', ({ over }) => {
  let api: Transport;
  let calls: Calls;
  /** For tests that leave a session as they found it. */
  let shared: SessionCreated;
  beforeAll(async () => {
    api = over(server);
    calls = callsOver(api);
    shared = await calls.create();
  });

  describe('GET /sessions/{id}/status', () => {
    test('an idle session waits for nothing', async () => {
      const body = await calls.status(shared.session_id);
      expect(SessionDetail.parse(body)).toMatchObject({
        session_id: shared.session_id,
        status: 'connected',
        state: 'idle',
        current_model: 'demo',
        permission_mode: 'default',
        pending_permission: null,
        pending_permissions: [],
      });
    });

    test('a waiting session shows its permissions, oldest first', async () => {
      const { session_id } = shared;
      const file = join(server.root, `${randomUUID()}.txt`);
      const answer = calls.send(session_id, write(file));
      const body = SessionDetail.parse(await calls.asked(session_id));
      expect(body.state).toBe('waiting');
      expect(body.pending_permission).toMatchObject({
        request_id: expect.stringMatching(/./),
        tool_name: 'Write',
        tool_input: { file_path: file, content: 'written' },
        suggestions: [{ type: 'setMode', mode: 'acceptEdits' }],
      });
      expect(body.pending_permissions).toEqual([body.pending_permission]);
      await calls.respond(session_id, { request_id: body.pending_permission?.request_id, allowed: false });
      await answer;
    });

    test('an unknown session is a 404', async () => {
      expectProblem(
        await api.call('GET', '/sessions/{session_id}/status', at(UNKNOWN)),
        404,
        'session_not_found',
      );
    });
  });

  describe('DELETE /sessions/{id}', () => {
    test('settles turns and permissions, and the process is gone when it answers', async () => {
      const { session_id } = await calls.create();
      const running = calls.send(session_id, write(join(server.root, 'never.txt')));
      await calls.asked(session_id);
      const queued = calls.send(session_id, 'say too late');
      await firstFrame(
        api.stream('GET', '/sessions/{session_id}/events', at(session_id)),
        (frame) => frame.event === 'turn.queued' && frame.data.data.message === 'say too late',
      );
      expect(await calls.close(session_id)).toMatchObject({ status: 200, body: { status: 'closed' } });
      if (CAN_SEE_PROCESSES) expect(processesOf(session_id)).toEqual([]);
      for (const answer of await Promise.all([running, queued])) {
        expect(answer).toMatchObject({
          status: 200,
          body: { is_error: true, error: { code: 'session_closed' } },
        });
      }
      expect(await calls.status(session_id)).toMatchObject({ status: 'closed', pending_permissions: [] });
      expectProblem(await calls.send(session_id, 'say anything'), 409, 'session_closed');

      expect(await calls.close(session_id)).toMatchObject({ status: 200, body: { status: 'closed' } });
    });

    test('an unknown session is a 404', async () => {
      expectProblem(await calls.close(UNKNOWN), 404, 'session_not_found');
    });
  });

  describe('POST /sessions/{id}/model', () => {
    const setModel = (id: string, model: unknown) =>
      api.call('POST', '/sessions/{session_id}/model', { ...at(id), body: { model } });

    test('changes the model of the next message; null is the default; the process stays', async () => {
      const { session_id } = shared;
      const before = CAN_SEE_PROCESSES ? processesOf(session_id)[0] : undefined;
      for (const [name, used] of [
        ['demo-3', 'demo-3'],
        [null, 'demo'],
      ] as const) {
        expect(await setModel(session_id, name)).toMatchObject({
          status: 200,
          body: { status: 'ok', model: name },
        });
        expect((await calls.status(session_id)).current_model).toBe(used);
        const words = randomUUID();
        await calls.send(session_id, `say ${words}`);
        expect(model.first(words)?.model).toBe(used);
      }
      if (CAN_SEE_PROCESSES) expect(processesOf(session_id)[0]).toEqual(before);
    });

    test('an unknown session is a 404, a wrong type a 422', async () => {
      expectProblem(await setModel(UNKNOWN, 'demo'), 404, 'session_not_found');
      expectProblem(await setModel(shared.session_id, 7), 422, 'validation_failed');
    });
  });

  describe('POST /sessions/{id}/interrupt', () => {
    const interrupt = (id: string) => api.call('POST', '/sessions/{session_id}/interrupt', at(id));

    test('ends the running turn at once, in mid-sentence', async () => {
      const { session_id } = shared;
      const gate = randomUUID();
      const answer = calls.send(session_id, script({ hold: gate, say: 'never said' }));
      await server.demo.model.gates.reached(gate);
      expect(await interrupt(session_id)).toMatchObject({ status: 200, body: { status: 'interrupted' } });
      expect((await answer).body).toMatchObject({
        messages: [],
        is_error: true,
        error: { code: 'interrupted' },
      });
      expect((await calls.status(session_id)).state).toBe('idle');
      expect(textOf(await calls.send(session_id, 'say after that'))).toBe('after that');
    });

    test('settles the permissions of the turn', async () => {
      const { session_id } = shared;
      const answer = calls.send(session_id, write(join(server.root, 'never.txt')));
      const { pending_permission } = await calls.asked(session_id);
      await interrupt(session_id);
      expect((await answer).body.error?.code).toBe('interrupted');
      expect((await calls.status(session_id)).pending_permissions).toEqual([]);
      expectProblem(
        await calls.respond(session_id, { request_id: pending_permission?.request_id, allowed: true }),
        409,
        'permission_already_settled',
      );
      expect(existsSync(join(server.root, 'never.txt'))).toBe(false);
    });

    test('is fine when nothing runs; an unknown session is a 404', async () => {
      expect(await interrupt(shared.session_id)).toMatchObject({ status: 200 });
      expectProblem(await interrupt(UNKNOWN), 404, 'session_not_found');
    });
  });

  describe('POST /sessions/{id}/permission_mode', () => {
    const setMode = (id: string, mode: unknown) =>
      api.call('POST', '/sessions/{session_id}/permission_mode', { ...at(id), body: { mode } });

    test('acceptEdits writes files without asking, default asks again', async () => {
      const { session_id } = shared;
      for (const mode of ['plan', 'acceptEdits']) {
        expect(await setMode(session_id, mode)).toMatchObject({ status: 200, body: { status: 'ok', mode } });
        expect((await calls.status(session_id)).permission_mode).toBe(mode);
      }
      const file = join(server.root, `${randomUUID()}.txt`);
      await calls.send(session_id, write(file));
      expect(existsSync(file)).toBe(true);

      await setMode(session_id, 'default');
      const answer = calls.send(session_id, write(file));
      const { pending_permission } = await calls.asked(session_id);
      await calls.respond(session_id, { request_id: pending_permission?.request_id, allowed: false });
      await answer;
    });

    test('a forbidden mode is a 403, an unknown one a 422, an unknown session a 404', async () => {
      const forbidden = expectProblem(
        await setMode(shared.session_id, 'bypassPermissions'),
        403,
        'permission_mode_forbidden',
      );
      expect(forbidden.detail).toContain('allow_bypass_permissions');
      expectProblem(await setMode(shared.session_id, 'yolo'), 422, 'validation_failed');
      expectProblem(await setMode(UNKNOWN, 'default'), 404, 'session_not_found');
      expect((await calls.status(shared.session_id)).permission_mode).toBe('default');
    });
  });

  describe('GET /sessions/{id}/server_info', () => {
    test("is the agent's own initialize answer", async () => {
      const { status: code, body } = await api.call(
        'GET',
        '/sessions/{session_id}/server_info',
        at(shared.session_id),
      );
      expect(code).toBe(200);
      expect(body).toMatchObject({ output_style: 'default', capabilities: expect.anything() });
      expect(body.commands).toContainEqual(expect.objectContaining({ name: 'compact' }));
    });

    test('an unknown session is a 404', async () => {
      expectProblem(
        await api.call('GET', '/sessions/{session_id}/server_info', at(UNKNOWN)),
        404,
        'session_not_found',
      );
    });
  });

  describe('PATCH /sessions/{id}', () => {
    const patch = (body: unknown, id = shared.session_id): Promise<Answer<SessionDetail>> =>
      api.call<SessionDetail>('PATCH', '/sessions/{session_id}', { ...at(id), body });

    test('changes title and metadata, each alone, and shows it at once', async () => {
      const titled = await patch({ title: 'first', metadata: { a: 1 } });
      expect(SessionDetail.parse(titled.body)).toMatchObject({ title: 'first', metadata: { a: 1 } });
      expect((await patch({ metadata: { b: 2 } })).body).toMatchObject({
        title: 'first',
        metadata: { b: 2 },
      });
      expect((await patch({ title: null })).body).toMatchObject({ title: null, metadata: { b: 2 } });
      expect((await patch({})).body).toMatchObject({ title: null, metadata: { b: 2 } });
      expect(await calls.status(shared.session_id)).toMatchObject({ title: null, metadata: { b: 2 } });
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

  test("GET /sessions/{id}/context returns the agent's own figures about its context window", async () => {
    const { status, body } = await api.call('GET', '/sessions/{session_id}/context', at(shared.session_id));
    expect(status).toBe(200);
    expect(body).toMatchObject({ categories: expect.any(Array), totalTokens: expect.any(Number) });
  });
});
