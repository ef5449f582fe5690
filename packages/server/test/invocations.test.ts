import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));
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

  test('a template without its parameter is a 400 that names it and reaches no session', async () => {
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

  test('it cannot call itself, however the path is spelled', async () => {
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
