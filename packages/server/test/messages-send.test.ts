import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SessionCreated, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { framesUntil } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, UNKNOWN, write } from './support/calls.ts';
import { promptOf, recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { TRANSPORTS, type Transport } from './support/transports.ts';

// The first part of the API's table: messages, permissions, and the server itself.

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

  describe('POST /sessions/{id}/messages', () => {
    test('answers what was said and done, when the turn has ended', async () => {
      const { session_id } = shared;
      const file = join(server.root, `${randomUUID()}.txt`);
      const answering = calls.send(session_id, write(file, 'It is written.'));
      const { pending_permission } = await calls.asked(session_id);
      expect(existsSync(file)).toBe(false);
      await calls.respond(session_id, { request_id: pending_permission?.request_id, allowed: true });
      const { status: code, body } = await answering;
      expect(code).toBe(200);
      expect(readFileSync(file, 'utf8')).toBe('written');
      expect(TurnResult.parse(body)).toMatchObject({
        messages: [
          {
            type: 'tool_use',
            tool_name: 'Write',
            tool_input: { file_path: file, content: 'written' },
            tool_use_id: expect.stringMatching(/./),
          },
          { type: 'text', content: 'It is written.' },
        ],
        session_id,
        num_turns: 2,
        is_error: false,
        error: null,
        stop_reason: 'end_turn',
        usage: { output_tokens: expect.any(Number) },
      });
    });

    test('is answered as a stream of events to who accepts one', async () => {
      const frames = await framesUntil(
        api.stream('POST', '/sessions/{session_id}/messages', {
          ...at(shared.session_id),
          body: { message: 'say one two' },
        }),
        (frame) => frame.event === 'turn.completed',
      );
      expect(frames.map((frame) => frame.event)).toEqual(
        expect.arrayContaining(['turn.queued', 'turn.started', 'agent.delta', 'agent.message']),
      );
      expect(frames.at(-1)?.data.data.result.messages).toEqual([{ type: 'text', content: 'one two' }]);
    });

    test('takes content blocks with text, image and document', async () => {
      const words = randomUUID();
      const png =
        'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
      const answer = await calls.send(shared.session_id, [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'A short document.' } },
        { type: 'text', text: `say ${words}` },
      ]);
      expect(textOf(answer)).toBe(words);
      const call = model.first(words);
      const content = call ? promptOf(call) : '';
      expect(content).toContain('"type":"image"');
      expect(content).toContain('A short document.');
    });

    test('a turn that ran and failed is 200 with the error', async () => {
      const { status: code, body } = await calls.send(shared.session_id, 'fail');
      expect(code).toBe(200);
      expect(body).toMatchObject({
        is_error: true,
        error: { code: expect.stringMatching(/./), message: expect.stringMatching(/./) },
      });
    });

    test('an empty message is a 422, an unknown session a 404; nothing runs', async () => {
      for (const message of ['', ' \n', [], [{ type: 'text', text: '' }]]) {
        expectProblem(await calls.send(shared.session_id, message), 422, 'validation_failed');
      }
      expectProblem(await calls.send(UNKNOWN, 'hello'), 404, 'session_not_found');
    });
  });

  describe('POST /sessions/{id}/permissions/respond', () => {
    test('the first answer wins: a second is a 409', async () => {
      const { session_id } = shared;
      const file = join(server.root, `${randomUUID()}.txt`);
      const answer = calls.send(session_id, write(file));
      const request_id = (await calls.asked(session_id)).pending_permission?.request_id;
      const answers = await Promise.all([
        calls.respond(session_id, { request_id, allowed: true }),
        calls.respond(session_id, { request_id, allowed: false }),
      ]);
      expect(answers.map(({ status: code }) => code).sort()).toEqual([200, 409]);
      const [first] = answers;
      await answer;
      expect(existsSync(file)).toBe(first.status === 200);
      expectProblem(
        await calls.respond(session_id, { request_id, allowed: true }),
        409,
        'permission_already_settled',
      );
    });

    test('apply_suggestions gives the suggestions back to the agent', async () => {
      const { session_id } = shared;
      const answer = calls.send(session_id, write(join(server.root, `${randomUUID()}.txt`)));
      const { pending_permission } = await calls.asked(session_id);
      await calls.respond(session_id, {
        request_id: pending_permission?.request_id,
        allowed: true,
        apply_suggestions: true,
      });
      await answer;
      expect((await calls.status(session_id)).permission_mode).toBe('acceptEdits');
      await api.call('POST', '/sessions/{session_id}/permission_mode', {
        ...at(session_id),
        body: { mode: 'default' },
      });
    });

    test('a denial tells the model why, and the turn goes on', async () => {
      const { session_id } = shared;
      const answer = calls.send(session_id, write(join(server.root, 'never.txt')));
      const { pending_permission } = await calls.asked(session_id);
      await calls.respond(session_id, {
        request_id: pending_permission?.request_id,
        allowed: false,
        message: 'The disk belongs to the cat.',
      });
      expect((await answer).body.is_error).toBe(false);
      expect(textOf(await answer)).toContain('The disk belongs to the cat.');
    });

    test('updated_input is what the tool really gets', async () => {
      const { session_id } = shared;
      const other = join(server.root, `${randomUUID()}.txt`);
      const answer = calls.send(session_id, write(join(server.root, 'never.txt')));
      const { pending_permission } = await calls.asked(session_id);
      await calls.respond(session_id, {
        request_id: pending_permission?.request_id,
        allowed: true,
        updated_input: { file_path: other, content: 'something else' },
      });
      await answer;
      expect(readFileSync(other, 'utf8')).toBe('something else');
      expect(existsSync(join(server.root, 'never.txt'))).toBe(false);
    });

    test('unanswered for the time that is set, it is denied and the turn goes on', async () => {
      const { session_id } = await calls.create({ permission_timeout_seconds: 0.2 });
      const answer = await calls.send(session_id, write(join(server.root, 'never.txt')));
      expect(answer.body.is_error).toBe(false);
      expect(textOf(answer)).toContain('Nobody answered');
      const { body } = await api.call<{ events: { type: string; data: Record<string, unknown> }[] }>(
        'GET',
        '/sessions/{session_id}/events',
        { ...at(session_id), headers: { accept: 'application/json' } },
      );
      const resolved = body.events.find(({ type }) => type === 'permission.resolved');
      expect(resolved?.data).toMatchObject({ state: 'denied', reason: 'timeout' });
      await calls.close(session_id);
    });

    test('an unknown request or session is a 404', async () => {
      const answer = { request_id: UNKNOWN, allowed: true };
      expectProblem(await calls.respond(shared.session_id, answer), 404, 'permission_not_found');
      expectProblem(await calls.respond(UNKNOWN, answer), 404, 'session_not_found');
    });
  });

  describe('GET /health', () => {
    test('says that it is healthy, and how many sessions are open', async () => {
      const { status: code, body } = await api.call('GET', '/health');
      expect(code).toBe(200);
      expect(body).toEqual({
        status: 'healthy',
        active_sessions: expect.any(Number),
        timestamp: expect.stringMatching(/Z$/),
      });
      expect(body.active_sessions).toBeGreaterThan(0);
      expect(Math.abs(Date.parse(String(body.timestamp)) - Date.now())).toBeLessThan(60_000);
    });
  });

  describe('POST /v1/messages', () => {
    const request = { model: 'demo', max_tokens: 100, messages: [{ role: 'user', content: 'say hi there' }] };

    test("answers in Anthropic's shape, as JSON", async () => {
      const { status: code, body } = await api.call('POST', '/v1/messages', { body: request });
      expect(code).toBe(200);
      expect(body).toMatchObject({
        type: 'message',
        role: 'assistant',
        model: 'demo',
        content: [{ type: 'text', text: 'hi there' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
      });
    });

    test("answers in Anthropic's shape, as a stream", async () => {
      const frames = await framesUntil(
        api.stream('POST', '/v1/messages', { body: { ...request, stream: true } }),
        (frame) => frame.event === 'message_stop',
      );
      expect(frames[0]?.event).toBe('message_start');
      const text = frames.map(({ data }) => data.delta?.text ?? '').join('');
      expect(text).toBe('hi there');
    });

    test("a model whose provider is not configured is an error in Anthropic's shape that says what to set", async () => {
      const { status: code, body } = await api.call('POST', '/v1/messages', {
        body: { ...request, model: 'gpt-4o' },
      });
      expect(code).toBe(400);
      expect(body).toMatchObject({
        type: 'error',
        error: { type: 'invalid_request_error', message: expect.stringContaining('OPENAI_API_KEY') },
      });
    });
  });

  describe('GET /docs, /redoc and /openapi.json', () => {
    test.each(['/docs', '/redoc'])('%s is a page', async (path) => {
      const { status: code, headers, body } = await api.call<string>('GET', path);
      expect(code).toBe(200);
      expect(headers.get('content-type')).toContain('text/html');
      expect(body).toContain('/openapi.json');
    });

    test('/openapi.json is an OpenAPI 3.1 document', async () => {
      const { body } = await api.call('GET', '/openapi.json');
      expect(body.openapi).toMatch(/^3\.1\./);
      expect(Object.keys(body.paths as object)).toContain('/sessions/{session_id}/permissions/respond');
    });
  });
});

describe('POST /invocations', () => {
  const invoke = (body: unknown) => server.call('POST', '/invocations', body);

  test('no path is a 400', async () => {
    for (const body of [{}, { path: '' }, { method: 'GET', payload: {} }]) {
      expectProblem(await invoke(body), 400, 'path_missing');
    }
  });

  test('an unknown path is a 404, a known one with another method a 405', async () => {
    for (const body of [{ path: '/nowhere' }, { path: 'sessions//x/y' }]) {
      expectProblem(await invoke(body), 404, 'route_not_found');
    }
    expectProblem(await invoke({ path: '/health', method: 'POST' }), 405, 'method_not_allowed');
  });

  test('a template without its parameter is a 400 that names it and does not reach any session', async () => {
    const problem = expectProblem(
      await invoke({ path: '/sessions/{session_id}/interrupt' }),
      400,
      'path_params_missing',
    );
    expect(problem.detail).toContain('session_id');
  });

  test("the target's 422 is passed on", async () => {
    const answer = await invoke({ path: '/sessions', payload: { model: 7 } });
    const problem = expectProblem(answer, 422, 'validation_failed');
    expect(problem.instance).toBe('/sessions');
    expect(problem.errors?.[0]?.path).toBe('body.model');
  });

  test('wrong types of its own are a 422', async () => {
    for (const body of [
      { path: 7 },
      { path: '/health', method: 7 },
      { path: '/health', path_params: [] },
      [],
    ]) {
      expectProblem(await invoke(body), 422, 'validation_failed');
    }
  });

  test('it is not reachable through itself, however it is spelled', async () => {
    for (const path of ['/invocations', 'invocations', '/invocations/', '//invocations', '/%69nvocations']) {
      const { status: code } = await invoke({ path, payload: { path: '/health', method: 'GET' } });
      expect([path, code]).toEqual([path, 404]);
    }
    expectProblem(
      await invoke({ path: '/{way}', path_params: { way: 'invocations' }, payload: { path: '/health' } }),
      404,
      'not_invocable',
    );
  });
});
