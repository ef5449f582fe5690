import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SessionCreated, SessionDetail } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, UNKNOWN, write } from './support/calls.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { TRANSPORTS, type Transport } from './support/transports.ts';

// The first part of the API's table: sessions. The other rows are in api-part1-messages.test.ts.

let server: TestServer;
const model = recordModelCalls();
beforeAll(async () => {
  server = await startTestServer({ model: model.options });
});
afterAll(() => cleanUp(server));

/** Where the agent keeps a conversation. */
function transcriptOf(sessionId: string): string | undefined {
  const projects = join(server.userHome, '.claude', 'projects');
  return readdirSync(projects)
    .map((folder) => join(projects, folder, `${sessionId}.jsonl`))
    .find((file) => existsSync(file));
}

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

  describe('POST /sessions', () => {
    test('answers id, time and "connected"; the id is the one on disk, so a closed session can be resumed', async () => {
      const { status: code, body } = await api.call('POST', '/sessions');
      expect(code).toBe(200);
      expect(SessionCreated.parse(body)).toMatchObject({ status: 'connected', resumed: false });
      const { session_id } = body as SessionCreated;
      await calls.send(session_id, 'say the parrot is green');
      expect(readFileSync(transcriptOf(session_id) ?? '', 'utf8')).toContain('the parrot is green');

      await calls.close(session_id);
      const again = await calls.create({ resume_session_id: session_id });
      expect(again).toMatchObject({ session_id, status: 'connected', resumed: true });
      expect(textOf(await calls.send(session_id, 'what did I say'))).toContain('the parrot is green');
      await calls.close(session_id);
    });

    test('the model is ANTHROPIC_MODEL, unless another is asked for with its system prompt', async () => {
      expect(shared.model).toBe('demo');
      const words = randomUUID();
      await calls.send(shared.session_id, `say ${words}`);
      expect(model.first(words)?.model).toBe('demo');

      const other = await calls.create({ model: 'demo-2', system_prompt: 'You are a lighthouse.' });
      expect(other.model).toBe('demo-2');
      const more = randomUUID();
      await calls.send(other.session_id, `say ${more}`);
      expect(model.first(more)?.model).toBe('demo-2');
      expect(JSON.stringify(model.first(more)?.system)).toContain('You are a lighthouse.');
      await calls.close(other.session_id);
    });

    test('resuming a session that is live here answers that session', async () => {
      const again = await calls.create({ resume_session_id: shared.session_id });
      expect(again).toEqual({ ...shared, resumed: true, was_live: true });
    });

    test('an unknown id to resume is a 404 at once; what is no UUID is a 422', async () => {
      const started = performance.now();
      expectProblem(
        await api.call('POST', '/sessions', { body: { resume_session_id: UNKNOWN } }),
        404,
        'session_not_found',
      );
      expect(performance.now() - started).toBeLessThan(2_000);
      expectProblem(
        await api.call('POST', '/sessions', { body: { resume_session_id: 'yesterday' } }),
        422,
        'validation_failed',
      );
    });

    test('an agent that cannot start is a 502 with its own words, and no session stays', async () => {
      const before = (await api.call('GET', '/health')).body.active_sessions;
      const answer = await api.call('POST', '/sessions', {
        body: { output_format: { type: 'json_schema', schema: { type: 'nonsense' } } },
      });
      expect(expectProblem(answer, 502, 'agent_start_failed').detail).toContain('not a valid JSON Schema');
      expect((await api.call('GET', '/health')).body.active_sessions).toBe(before);
    });
  });

  describe('GET /sessions', () => {
    test('lists the newest activity first, page by page', async () => {
      const older = shared.session_id;
      const { session_id: newer } = await calls.create();
      await calls.send(older, 'say now I am the newest');
      type List = { sessions: Record<string, unknown>[]; next_cursor: string | null };
      const list = (query: Record<string, string | number>) =>
        api.call<List>('GET', '/sessions', { query }).then((answer) => answer.body);

      const first = await list({ limit: 1 });
      expect(first.sessions).toEqual([
        expect.objectContaining({
          session_id: older,
          created_at: shared.created_at,
          last_activity: expect.stringMatching(/Z$/),
          status: 'connected',
          message_count: (await calls.status(older)).message_count,
        }),
      ]);
      const second = await list({ limit: 1, cursor: first.next_cursor ?? '' });
      expect(second.sessions[0]).toMatchObject({ session_id: newer, message_count: 0 });
      await calls.close(newer);
      expect((await list({})).sessions.map((session) => session.session_id)).not.toContain(newer);
    });
  });

  describe('GET /sessions/available', () => {
    type Available = {
      sessions: { session_id: string; modified: string; preview: string; project: string }[];
    };
    const list = async (query?: Record<string, string | number>) =>
      (await api.call<Available>('GET', '/sessions/available', query ? { query } : {})).body.sessions;

    test('lists what can be resumed, also what the terminal program made, and such a session goes on', async () => {
      await calls.send(shared.session_id, 'say the tide comes in');
      const mine = transcriptOf(shared.session_id) ?? '';
      // A conversation that this server has never seen, as the terminal program leaves it.
      const foreign = randomUUID();
      const text = readFileSync(mine, 'utf8').replaceAll(shared.session_id, foreign);
      writeFileSync(join(mine, '..', `${foreign}.jsonl`), text);

      const found = await list();
      for (const session_id of [shared.session_id, foreign]) {
        expect(found).toContainEqual({
          session_id,
          conversation_id: session_id,
          modified: expect.stringMatching(/^\d{4}-.*Z$/),
          preview: expect.stringMatching(/\S/),
          title: null,
          project: server.root,
        });
      }
      expect(await calls.create({ resume_session_id: foreign })).toMatchObject({
        session_id: foreign,
        resumed: true,
      });
      expect(textOf(await calls.send(foreign, 'what did I say'))).toContain('the tide comes in');
      await calls.close(foreign);
    });

    test('leaves out sidechains and empty files, and one bad file hides no other', async () => {
      await calls.send(shared.session_id, 'say something to keep');
      const mine = transcriptOf(shared.session_id) ?? '';
      const folder = join(mine, '..');
      const bad = Array.from({ length: 5 }, (): string => randomUUID());
      const [empty = '', garbage = '', cutOff = '', aFolder = '', sidechain = ''] = bad;
      writeFileSync(join(folder, `${empty}.jsonl`), '');
      writeFileSync(join(folder, `${garbage}.jsonl`), Buffer.from([0, 255, 254, 10, 123, 10]));
      writeFileSync(join(folder, `${cutOff}.jsonl`), '{"type":"user","mess');
      mkdirSync(join(folder, `${aFolder}.jsonl`));
      const side = readFileSync(mine, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"isSidechain":false'))
        .map((line) => line.replace('"isSidechain":false', '"isSidechain":true'))
        .join('\n');
      writeFileSync(join(folder, `${sidechain}.jsonl`), side);
      copyFileSync(mine, join(folder, 'notes.jsonl'));

      const ids = (await list()).map((session) => session.session_id);
      expect(ids).toContain(shared.session_id);
      expect(ids.filter((id) => bad.includes(id) || id === 'notes')).toEqual([]);
    });

    test('takes limit, offset and cwd', async () => {
      await calls.send(shared.session_id, 'say hello');
      const all = await list();
      expect(await list({ limit: 1 })).toEqual(all.slice(0, 1));
      expect(await list({ limit: 1, offset: 1 })).toEqual(all.slice(1, 2));
      const folder = join(server.root, randomUUID());
      mkdirSync(folder);
      expect(await list({ cwd: folder })).toEqual([]);
      expect((await list({ cwd: server.root })).length).toBe(all.length);
    });
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

    test('a session that asks shows what it asks, oldest first', async () => {
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

    test('ends the running turn at once, in the middle of a sentence', async () => {
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

    test('acceptEdits lets files be written unasked, default asks again', async () => {
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
});
