import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionCreated } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bodyFor, paramsOf, SESSION_ROUTES } from './support/all-routes.ts';
import { at, type Calls, callsOver, expectProblem, UNKNOWN, write } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// Requests that are well formed and ask for what cannot be.

let server: TestServer;
let api: Transport;
let calls: Calls;
let session: SessionCreated;
beforeAll(async () => {
  server = await startTestServer();
  api = direct(server);
  calls = callsOver(api);
  session = await calls.create();
});
afterAll(() => cleanUp(server));

test('an invocation of a template without all of its parameters is a 400 that names the missing ones', async () => {
  const path = '/sessions/{session_id}/turns/{turn_id}';
  for (const path_params of [undefined, null, {}, { turn_id: UNKNOWN }, { session_id: '' }]) {
    const answer = await server.call('POST', '/invocations', { path, method: 'GET', path_params });
    const { detail } = expectProblem(answer, 400, 'path_params_missing');
    expect(detail).toContain('"session_id"');
    expect(detail.includes('"turn_id"')).toBe(path_params?.turn_id === undefined);
  }
});

test.each([
  ['betas', ['a\0b'], 'body.betas.0'],
  ['betas', ['a,b'], 'body.betas.0'],
  ['agent', 'a\0b', 'body.agent'],
  ['skills', ['a(b)'], 'body.skills'],
  ['skills', [' padded'], 'body.skills'],
])('an option %s that the agent could not start with (%j) is a 422', async (option, value, path) => {
  const answer = await api.call('POST', '/sessions', { body: { [option]: value } });
  const { errors } = expectProblem(answer, 422, 'validation_failed');
  expect(errors?.[0]?.path).toContain(path);
});

test('a cursor that no page gave, and a turn to begin after that there is not, are errors', async () => {
  const listing = await api.call('GET', '/sessions', { query: { cursor: 'x' } });
  expectProblem(listing, 422, 'cursor_invalid');
  const turns = await api.call('GET', '/sessions/{session_id}/turns', {
    ...at(session.session_id),
    query: { after: UNKNOWN },
  });
  expectProblem(turns, 404, 'turn_not_found');
});

test('a session goes on in its own folder: another one is a 409, the same one is none', async () => {
  mkdirSync(join(server.root, 'own'), { recursive: true });
  mkdirSync(join(server.root, 'other'), { recursive: true });
  const { session_id, cwd } = await calls.create({ cwd: 'own' });
  await calls.send(session_id, 'say remember');
  const resume = (body: object) =>
    api.call('POST', '/sessions', { body: { resume_session_id: session_id, ...body } });
  const checkAll = async () => {
    for (const fork of [false, true]) {
      const problem = expectProblem(await resume({ cwd: 'other', fork }), 409, 'cwd_differs');
      expect(problem.detail).toContain(cwd);
    }
  };
  await checkAll();
  expect((await resume({ cwd: 'own' })).status).toBe(200);
  await calls.close(session_id);
  await checkAll();
  expect((await resume({ cwd })).status).toBe(200);
  await calls.close(session_id);
});

test('sessions are found by folder, text and metadata', async () => {
  mkdirSync(join(server.root, 'found'), { recursive: true });
  const one = await calls.create({ cwd: 'found', title: 'The Needle', metadata: { project: 'x', n: 1 } });
  const two = await calls.create({ metadata: { project: 'x' } });
  await calls.send(two.session_id, 'say a needle in this');
  const find = async (query: Record<string, string>) => {
    const answer = await api.call<{ sessions: { session_id: string }[] }>('GET', '/sessions', { query });
    return answer.body.sessions.map(({ session_id }) => session_id);
  };
  expect(await find({ cwd: 'found' })).toEqual([one.session_id]);
  expect(await find({ q: 'needle' })).toEqual([two.session_id, one.session_id]);
  expect(await find({ metadata: '{"project":"x","n":1}' })).toEqual([one.session_id]);
  expect(await find({ metadata: '{"project":"x"}', q: 'needle in' })).toEqual([two.session_id]);
  const invoked = { path: '/sessions', method: 'GET', payload: { metadata: { n: 1 }, cwd: 'found' } };
  const answer = await server.call('POST', '/invocations', invoked);
  expect(answer.body).toMatchObject({ sessions: [{ session_id: one.session_id }] });
  for (const metadata of ['x', '[]', '{"a": {}}']) {
    const refused = await api.call('GET', '/sessions', { query: { metadata } });
    expect(expectProblem(refused, 422, 'validation_failed').errors?.[0]?.path).toContain('query.metadata');
  }
  for (const { session_id } of [one, two]) await calls.close(session_id);
});

test('the OpenAPI document describes numbers of a query as numbers, with their defaults', async () => {
  const { body } = await server.call<{ paths: Record<string, { get: { parameters: unknown[] } }> }>(
    'GET',
    '/openapi.json',
  );
  expect(body.paths['/sessions']?.get.parameters).toContainEqual({
    name: 'limit',
    in: 'query',
    required: false,
    description: 'Items per page',
    schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
  });
});

describe('a folder to work in', () => {
  const create = (body: unknown) => api.call('POST', '/sessions', { body });

  test('that does not exist is a 422', async () => {
    const problem = expectProblem(await create({ cwd: join(server.root, 'nowhere') }), 422, 'cwd_not_found');
    expect(problem.detail).toContain('nowhere');
  });

  test('outside the roots is a 403, whether it exists or not, and the roots are named', async () => {
    for (const cwd of [
      '/',
      '/etc',
      '/nowhere/at/all',
      join(server.root, '..'),
      '../home',
      `${server.root}2`,
    ]) {
      const problem = expectProblem(await create({ cwd }), 403, 'cwd_not_allowed');
      expect(problem.detail).toContain(server.root);
    }
  });

  test('reached by a link out of a root is a 403', async () => {
    symlinkSync('/etc', join(server.root, 'shortcut'));
    expectProblem(await create({ cwd: 'shortcut' }), 403, 'cwd_not_allowed');
    expectProblem(await create({ cwd: join(server.root, 'shortcut', 'ssl') }), 403, 'cwd_not_allowed');
    expectProblem(await create({ additional_directories: ['shortcut'] }), 403, 'cwd_not_allowed');
    const listing = await api.call('GET', '/sessions/available', { query: { cwd: 'shortcut' } });
    expectProblem(listing, 403, 'cwd_not_allowed');
  });

  test('that is a file is a 422', async () => {
    mkdirSync(join(server.root, 'box'), { recursive: true });
    symlinkSync('nowhere', join(server.root, 'dangling'));
    expectProblem(await create({ cwd: 'dangling' }), 422, 'cwd_not_found');
  });
});

describe('texts that no program can be given', () => {
  test.each([
    { model: 'a\0b' },
    { fallback_model: '\0' },
    { background_model: 'x\0' },
    { allowed_tools: ['Ba\0sh'] },
    { disallowed_tools: ['\0'] },
    { additional_directories: ['\0'] },
    { cwd: '\0' },
  ])('%j is a 422, not an agent that cannot start', async (body) => {
    expectProblem(await api.call('POST', '/sessions', { body }), 422, 'validation_failed');
  });
});

test('a resume_session_id that is no UUID is a 422', async () => {
  for (const resume_session_id of ['latest', '', 7, `${session.session_id}x`]) {
    const answer = await api.call('POST', '/sessions', { body: { resume_session_id } });
    const problem = expectProblem(answer, 422, 'validation_failed');
    expect(problem.errors?.[0]?.path).toBe('body.resume_session_id');
  }
});

test('two answers to one permission: the second is a 409 that says how it was settled', async () => {
  const answer = calls.send(session.session_id, write(join(server.root, 'never.txt')));
  const request_id = (await calls.asked(session.session_id)).pending_permission?.request_id;
  await calls.respond(session.session_id, { request_id, allowed: false });
  const second = await calls.respond(session.session_id, { request_id, allowed: true });
  expect(expectProblem(second, 409, 'permission_already_settled').detail).toContain('denied');
  await answer;
});

test('calls that need an open session are a 409 on a closed one, and it says how to reopen it', async () => {
  const { session_id } = await calls.create();
  await calls.close(session_id);
  const needOpen = SESSION_ROUTES.filter(({ problems }) => problems?.includes('session_closed'));
  expect(needOpen.map(({ name }) => name)).toEqual(expect.arrayContaining(['sendMessage', 'setModel']));
  for (const spec of needOpen) {
    // A closed session can be forked.
    if (spec.name === 'forkSession') continue;
    const answer = await api.call(spec.method, spec.path, { ...paramsOf(session_id), body: bodyFor(spec) });
    const problem = expectProblem(answer, 409, 'session_closed');
    expect(problem.detail).toContain(`{"resume_session_id": "${session_id}"}`);
  }
});

test('an idempotency key that is too long or empty is a 422', async () => {
  for (const key of ['', 'k'.repeat(256)]) {
    const answer = await api.call('POST', '/sessions/{session_id}/messages', {
      ...at(session.session_id),
      body: { message: 'say hello' },
      headers: { 'idempotency-key': key },
    });
    expectProblem(answer, 422, 'validation_failed');
  }
});

test('a payload for a query that is no plain value is a 422, through /invocations', async () => {
  for (const limit of [{ toString: 1 }, [], {}, [1, 2], 'x']) {
    const answer = await server.call('POST', '/invocations', {
      method: 'GET',
      path: '/sessions',
      payload: { limit },
    });
    expectProblem(answer, 422, 'validation_failed');
  }
});

test('what looks like an id but is broken text is a 404, through /invocations', async () => {
  const answer = await server.call('POST', '/invocations', {
    method: 'GET',
    path: '/sessions/{session_id}',
    path_params: { session_id: '\ud800' },
  });
  expectProblem(answer, 404, 'not_found');
});

test('after all of that, the server is healthy and has logged no error', async () => {
  expect((await server.call('GET', '/health')).status).toBe(200);
  expect(server.stderr()).not.toMatch(/"level":[56]0/);
});
