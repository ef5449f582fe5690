import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type RouteSpec, routes, type SessionCreated } from 'claude-agent-protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { validFor } from './support/arbitraries.ts';
import { at, type Calls, callsOver, expectProblem, UNKNOWN, write } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// What bad input gets: a problem document with a status from 4xx, a code, and a sentence that helps.

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

const all = (Object.entries(routes) as [string, RouteSpec][]).map(([name, spec]) => ({ name, ...spec }));
/** The Messages API has an error form of its own. */
const ours = all.filter(({ tag }) => tag !== 'gateway');
const ofSessions = ours.filter(({ path }) => path.includes('{session_id}'));
const withBody = ours.filter(({ body }) => body);

/** One body that a route accepts, the same in every run. */
const bodyFor = ({ body }: RouteSpec): unknown =>
  body && fc.sample(validFor(body), { seed: 1, numRuns: 1 })[0];

const toObjectSchema = ({
  body,
}: RouteSpec): Record<string, { safeParse(value: unknown): { success: boolean } }> =>
  (body as unknown as { shape: ReturnType<typeof toObjectSchema> }).shape;

const paramsOf = (session_id: string) => ({
  params: { session_id, turn_id: UNKNOWN, task_id: 'unknown', name: 'box' },
});

describe('every route with a session in its path', () => {
  test.each(ofSessions)('$method $path: an unknown session is a 404', async (spec) => {
    const answer = await api.call(spec.method, spec.path, { ...paramsOf(UNKNOWN), body: bodyFor(spec) });
    expect(expectProblem(answer, 404, 'session_not_found').detail).toContain(UNKNOWN);
  });

  test.each(ofSessions)('$method $path: what cannot be an id is a 404', async (spec) => {
    for (const id of ['1', 'x y', '../health', "' or 1=1", '\0', 'é'.repeat(300)]) {
      const answer = await api.call(spec.method, spec.path, { ...paramsOf(id), body: bodyFor(spec) });
      expectProblem(answer, 404, 'not_found');
    }
  });
});

describe('every route with a body', () => {
  const call = (spec: RouteSpec, text: string) =>
    api.call(spec.method, spec.path, { ...paramsOf(session.session_id), body: text });

  test.each(withBody)('$method $path: broken JSON is a 400 that says where', async (spec) => {
    for (const text of ['{', '{"a": 1,}', "{'a': 1}", 'undefined', '{"a": "\u0001"}', '\ufeff{', '[1] 2']) {
      expect(expectProblem(await call(spec, text), 400, 'malformed_json').detail).toMatch(/JSON/);
    }
  });

  test.each(withBody)('$method $path: JSON that is no object is a 422', async (spec) => {
    for (const text of ['null', '7', '"text"', '[]', 'true', '[{}]']) {
      expect(expectProblem(await call(spec, text), 422, 'validation_failed').errors).toHaveLength(1);
    }
  });

  test.each(withBody)('$method $path: a wrong type is a 422 that names the field', async (spec) => {
    const fields = Object.keys(toObjectSchema(spec));
    const wrong = fields.filter((field) => !accepts(spec, field));
    expect(wrong.length).toBeGreaterThan(0);
    for (const field of wrong) {
      const body = { ...(bodyFor(spec) as object), [field]: { 7: [null] } };
      const problem = expectProblem(await call(spec, JSON.stringify(body)), 422, 'validation_failed');
      expect(problem.errors?.map(({ path }) => path.split('.').slice(0, 2).join('.'))).toContain(
        `body.${field}`,
      );
      expect(problem.detail).toContain(field);
    }
  });

  test.each(withBody.filter(({ bodyRequired }) => bodyRequired !== false))(
    '$method $path: no body at all is a 422',
    async (spec) => {
      expectProblem(await call(spec, ''), 422, 'body_missing');
      expectProblem(await call(spec, ' \n'), 422, 'body_missing');
    },
  );

  test.each(withBody)('$method $path: JSON nested without end is a 422', async (spec) => {
    const deep = `{"metadata": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expectProblem(await call(spec, deep), 422, 'too_deep');
  });

  test('a body over the limit of 10 MB is a 413, with and without a length', async () => {
    const body = JSON.stringify({ message: 'x'.repeat(11 * 1024 * 1024) });
    const path = `/sessions/${session.session_id}/messages`;
    expect(expectProblem(await server.call('POST', path, body), 413, 'body_too_large').detail).toContain(
      'body_limit_bytes',
    );
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect([response.status, await response.json()]).toMatchObject([413, { code: 'body_too_large' }]);
    expect((await calls.status(session.session_id)).message_count).toBe(0);
  });

  test('a large body that nobody reads does not spoil the connection for the next request', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const large = 'x'.repeat(1024 * 1024);
    for (const [method, path] of [
      ['POST', '/nowhere'],
      ['POST', '/sessions/1/model'],
      ['DELETE', `/sessions/${UNKNOWN}`],
    ]) {
      expect(await over(agent, method, path, large)).toBe(404);
      expect(await over(agent, 'GET', '/health')).toBe(200);
    }
    agent.destroy();
  });

  async function over(agent: Agent, method = 'GET', path = '/', body?: string): Promise<number | undefined> {
    const sent = httpRequest(server.url + path, {
      agent,
      method,
      ...(body !== undefined && { headers: { 'content-length': body.length } }),
    });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.resume();
    await once(answer, 'end');
    return answer.statusCode;
  }

  function accepts(spec: RouteSpec, field: string): boolean {
    return toObjectSchema(spec)[field]?.safeParse({ 7: [null] }).success ?? true;
  }
});

describe('every route with a query', () => {
  test.each(ours.filter(({ query }) => query))('$method $path: a wrong value is a 422', async (spec) => {
    for (const name of Object.keys(spec.query?.shape ?? {})) {
      if (['cursor', 'cwd', 'conversation_id', 'q'].includes(name)) continue;
      for (const value of ['-1', '1.5', 'x', '', '99999999999999999999']) {
        const answer = await api.call(spec.method, spec.path, {
          ...paramsOf(session.session_id),
          query: { [name]: value },
          headers: { accept: 'application/json' },
        });
        const problem = expectProblem(answer, 422, 'validation_failed');
        expect(problem.errors?.[0]?.path).toBe(`query.${name}`);
      }
    }
  });
});

describe('a path that exists', () => {
  const allowOf = (path: string): string[] =>
    all.filter((other) => other.path === path).map(({ method }) => method);

  test.each(all)('$method $path: another method is a 405 that names the right ones', async (spec) => {
    for (const method of ['PUT', 'PROPFIND']) {
      const answer = await api.call(method, spec.path, paramsOf(session.session_id));
      expect([method, answer.status]).toEqual([method, 405]);
      expect(answer.body).toHaveProperty(spec.path.startsWith('/v1/') ? 'error' : 'detail');
      const allow = answer.headers.get('allow')?.split(', ');
      expect(allow).toEqual(expect.arrayContaining([...allowOf(spec.path), 'OPTIONS']));
      expect(allow).not.toContain(method);
    }
    const options = await api.call('OPTIONS', spec.path, paramsOf(session.session_id));
    expect([options.status, options.headers.get('allow')?.includes(spec.method)]).toEqual([204, true]);
  });

  test('that does not exist stays a 404 for every method', async () => {
    for (const method of ['GET', 'PUT', 'OPTIONS', 'HEAD']) {
      expect((await server.call(method, '/nowhere')).status).toBe(404);
    }
  });

  test.each(all.filter(({ method }) => method === 'GET'))('HEAD $path: is as GET', async (spec) => {
    const answer = await api.call('HEAD', spec.path, {
      ...paramsOf(session.session_id),
      // Not held to its end: of a stream too there are the headers only.
      ...(spec.path.includes('/events') && { headers: { accept: 'text/event-stream' } }),
    });
    // A turn of this id there is not.
    expect(answer.status).toBe(spec.path.includes('{turn_id}') ? 404 : 200);
    expect(answer.body).toBe('');
  });

  test('may end in a slash', async () => {
    for (const path of [
      '/sessions/',
      '/health/',
      '/docs/',
      '/v1/models/',
      `/sessions/${session.session_id}/`,
    ]) {
      expect([path, (await server.call('GET', path)).status]).toEqual([path, 200]);
    }
    const body = { model: 'demo', max_tokens: 5, messages: [{ role: 'user', content: 'say hi' }] };
    expect((await server.call('POST', '/v1/messages/', body)).status).toBe(200);
    expect((await server.call('POST', '/invocations/', { path: '/health/', method: 'GET' })).status).toBe(
      200,
    );
  });
});

describe('a compressed body', () => {
  const send = async (path: string, encoding: string, body: Uint8Array) => {
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': encoding },
      body: body as Uint8Array<ArrayBuffer>,
    });
    const answer = (await response.json()) as { code?: string; detail?: string; error?: { message: string } };
    return { ...answer, status: response.status, headers: response.headers };
  };
  const model = '{"model": "demo", "max_tokens": 5, "messages": [{"role": "user", "content": "say hi"}]}';
  const places = () => [
    [`/sessions/${session.session_id}/model`, '{"model": "demo"}'],
    ['/invocations', '{"path": "/health", "method": "GET"}'],
    ['/v1/messages', model],
  ];

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('in %s is understood', async (encoding, compress) => {
    for (const [path = '', text = ''] of places()) {
      expect([path, (await send(path, encoding, compress(text))).status]).toEqual([path, 200]);
    }
  });

  test('is held to the same limit once it is unpacked: a small body that becomes a large one is a 413', async () => {
    const bomb = (megabytes: number) => gzipSync(Buffer.alloc(megabytes * 1024 * 1024, ' '));
    expect(await send('/sessions', 'gzip', bomb(11))).toMatchObject({ status: 413, code: 'body_too_large' });
    const models = await send('/v1/messages', 'gzip', bomb(65));
    expect([models.status, models.error?.message]).toEqual([413, expect.stringContaining('decompressed')]);
  });

  test('in an encoding that nobody knows is a 415 that names those that are known', async () => {
    for (const encoding of ['compress', 'gzip, gzip', 'x']) {
      const answer = await send('/sessions', encoding, gzipSync('{}'));
      expect(answer).toMatchObject({ status: 415, code: 'encoding_unknown' });
      expect(answer.headers.get('accept-encoding')).toContain('gzip');
      expect((await send('/v1/messages', encoding, gzipSync(model))).status).toBe(415);
    }
  });

  test('that is damaged is a 400', async () => {
    for (const bytes of [Buffer.from('{}'), gzipSync('{"title": "x"}').subarray(0, 15)]) {
      expect(await send('/sessions', 'gzip', bytes)).toMatchObject({ status: 400, code: 'malformed_body' });
      expect((await send('/v1/messages', 'gzip', bytes)).status).toBe(400);
    }
  });
});

test('an invocation of a template without all of its parameters is a 400 that names the missing ones', async () => {
  const path = '/sessions/{session_id}/turns/{turn_id}';
  for (const path_params of [undefined, null, {}, { turn_id: UNKNOWN }, { session_id: '' }]) {
    const answer = await server.call('POST', '/invocations', { path, method: 'GET', path_params });
    const { detail } = expectProblem(answer, 400, 'path_params_missing');
    expect(detail).toContain('"session_id"');
    expect(detail.includes('"turn_id"')).toBe(path_params?.turn_id === undefined);
  }
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
    description: 'How many a page has',
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
  const needOpen = ofSessions.filter(({ problems }) => problems?.includes('session_closed'));
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

describe('a field that nobody knows', () => {
  test.each(withBody)('$method $path: is a 422 that names it and the one that was meant', async (spec) => {
    const shape = (spec.body as unknown as { shape: object }).shape;
    const known = Object.keys(shape)[0] as string;
    const slip = `${known.replaceAll('_', '').toUpperCase()}x`;
    const body = { ...(bodyFor(spec) as object), [slip]: 1, zzzzzzzzzz: 1 };
    const answer = await api.call(spec.method, spec.path, { ...paramsOf(session.session_id), body });
    const problem = expectProblem(answer, 422, 'validation_failed');
    expect(problem.errors).toEqual([
      { path: `body.${slip}`, message: `there is no such field. Did you mean "${known}"?` },
      {
        path: 'body.zzzzzzzzzz',
        message: `there is no such field. The fields here are ${Object.keys(shape).join(', ')}`,
      },
    ]);
    expect(problem.detail).toContain(known);
  });

  test.each([
    [{ disallowedTools: ['Bash'] }, 'body.disallowedTools', 'disallowed_tools'],
    [{ agents: { a: { description: 'd', prompt: 'p', tols: [] } } }, 'body.agents.a.tols', 'tools'],
    [{ mcp_servers: { m: { command: 'c', argz: [] } } }, 'body.mcp_servers.m.argz', 'args'],
    [{ __proto__x: { admin: true } }, 'body.__proto__x', 'The fields here are'],
  ])('in a new session %j is found at every depth', async (body, path, meant) => {
    const problem = expectProblem(await api.call('POST', '/sessions', { body }), 422, 'validation_failed');
    expect(problem.errors).toEqual([{ path, message: expect.stringContaining(meant) }]);
  });

  test('called __proto__ is one as well', async () => {
    const answer = await api.call('POST', '/sessions', { body: '{"__proto__": {"fork": true}}' });
    expect(expectProblem(answer, 422, 'validation_failed').errors?.[0]?.path).toBe('body.__proto__');
  });

  test('of a query is a 422 too', async () => {
    const answer = await api.call('GET', '/sessions', { query: { limits: '1' } });
    const problem = expectProblem(answer, 422, 'validation_failed');
    expect(problem.errors).toEqual([
      { path: 'query.limits', message: 'there is no such field. Did you mean "limit"?' },
    ]);
  });

  test("in a content block is passed over: those have Anthropic's form, and its clients send more", async () => {
    const block = { type: 'text', text: 'say hello', cache_control: { type: 'ephemeral' } };
    expect(await calls.send(session.session_id, [block] as never)).toMatchObject({
      body: { is_error: false },
    });
  });
});

describe('an explicit null for a field that may be absent', () => {
  test.each(withBody)('$method $path: counts as absent', async (spec) => {
    const shape = toObjectSchema(spec);
    const optional = Object.keys(shape).filter((field) => shape[field]?.safeParse(undefined).success);
    const required = Object.fromEntries(
      Object.entries(bodyFor(spec) as object).filter(([field]) => !optional.includes(field)),
    );
    const nulls = Object.fromEntries(optional.map((field) => [field, null]));
    // Of a session that does not exist: what is asked is only whether the form is right.
    const call = (body: object) =>
      api.call(spec.method, spec.path, { ...paramsOf(UNKNOWN), body: JSON.stringify(body) });
    const [with_, without] = [await call({ ...required, ...nulls }), await call(required)];
    expect([with_.status, without.status]).not.toContain(422);
    expect(with_.status).toBe(without.status);
  });

  test('inside nested forms and in metadata: only what may be absent is left out', async () => {
    const created = await calls.create({
      model: null,
      agents: { a: { description: 'd', prompt: 'p', tools: null } },
      metadata: { kept: null },
    } as never);
    expect((await calls.status(created.session_id)).metadata).toEqual({ kept: null });
  });

  test('and an empty object for the model, and null members of an invocation', async () => {
    const { session_id } = session;
    const path = `/sessions/${session_id}/model`;
    expect(await server.call('POST', path, {})).toMatchObject({ status: 200, body: { model: null } });
    const invocation = { path: '/health', method: 'GET', payload: null, path_params: null };
    expect((await server.call('POST', '/invocations', invocation)).status).toBe(200);
    const post = { path: `/sessions/${session_id}/interrupt`, method: null, payload: null };
    expect((await server.call('POST', '/invocations', post)).status).toBe(200);
  });

  test('is shown by the OpenAPI document', async () => {
    const { body } = await server.call<{ components: { schemas: Record<string, { properties: object }> } }>(
      'GET',
      '/openapi.json',
    );
    expect(body.components.schemas.RespondPermission).toMatchObject({
      additionalProperties: false,
      properties: { apply_suggestions: { type: ['boolean', 'null'] }, request_id: { type: 'string' } },
    });
  });
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

test('a file of the documentation that does not exist is a 404', async () => {
  for (const name of ['x.js', '__proto__', 'constructor', '..%2f..%2fpackage.json']) {
    expectProblem(await server.call('GET', `/docs/assets/${name}`), 404, 'route_not_found');
  }
});

test('a client that hangs up in the middle of its body is no error of the server', async () => {
  const { hostname, port } = new URL(server.url);
  const lengths = ['content-length: 1000', 'transfer-encoding: chunked'];
  for (const [path, length] of ['/sessions', '/v1/messages'].flatMap((to) => lengths.map((by) => [to, by]))) {
    const socket = connect(Number(port), hostname);
    socket.write(`POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\n${length}\r\n\r\n5\r\n{"a":`);
    await once(socket, 'connect');
    // What was sent is with the server once it has answered somebody else.
    await server.call('GET', '/health');
    socket.destroy();
    await once(socket, 'close');
  }
});

/** The answer to a request that no ordinary client can send. */
async function rawAnswer(text: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), body };
}

describe('what stands around a request', () => {
  const raw = (target: string, host: string | undefined, version = '1.1') =>
    rawAnswer(
      `GET ${target} HTTP/${version}\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`,
    );

  test.each([
    'http://user:secret@127.0.0.1/health',
    'ftp://127.0.0.1/health',
    'http://[::/health',
    '*',
    '/sessions\\x',
  ])('the target "%s" is a 400', async (target) => {
    const { status, body } = await raw(target, '127.0.0.1');
    expect([status, JSON.parse(body)]).toMatchObject([400, { code: 'bad_target', status: 400 }]);
    expect(body).not.toContain('made a mistake');
  });

  test.each([
    '127.999.999.999',
    '127.0.0.1:99999',
    'user:secret@127.0.0.1',
    '127.0.0.1/x',
    '127.0.0.1 x',
    '[::1',
    '',
    undefined,
  ])('the Host "%s" is a 400', async (host) => {
    const { status, body } = await raw('/health', host);
    expect([status, JSON.parse(body)]).toMatchObject([400, { code: 'bad_host' }]);
    const messages = await raw('/v1/models', host);
    expect([messages.status, JSON.parse(messages.body)]).toMatchObject([
      400,
      { type: 'error', error: { type: 'invalid_request_error' } },
    ]);
  });

  test('the absolute form is a path and a host; the host in it counts', async () => {
    const { host } = new URL(server.url);
    expect((await raw(`http://${host}/sessions?limit=1`, 'evil.example')).status).toBe(200);
    expect((await raw('http://evil.example/health', host)).status).toBe(403);
    expect((await raw(`http://${host}/v1/models`, host)).status).toBe(200);
  });

  test('HTTP/1.0 needs no Host', async () => {
    expect((await raw('/health', undefined, '1.0')).status).toBe(200);
    expect((await raw('/sessions', undefined, '1.0')).status).toBe(200);
    expect((await raw('/v1/models', undefined, '1.0')).status).toBe(200);
    expect((await raw('/sessions', 'evil.example', '1.0')).status).toBe(403);
  });
});

test('the Messages API answers bad input in its own form', async () => {
  for (const body of ['{', '[]', '{}', '{"model": "demo"}', '{"model": 7}']) {
    const answer = await api.call('POST', '/v1/messages', { body });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.body).toMatchObject({
      type: 'error',
      error: { type: expect.any(String), message: expect.stringMatching(/./) },
    });
  }
});

test('after all of that, the server is healthy and has logged no error', async () => {
  expect((await server.call('GET', '/health')).status).toBe(200);
  expect(server.stderr()).not.toMatch(/"level":[56]0/);
});
