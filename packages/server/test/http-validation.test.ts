import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { RouteSpec, SessionCreated } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  BODY_ROUTES,
  bodyFor,
  fieldsOf,
  OWN_ROUTES,
  paramsOf,
  SESSION_ROUTES,
} from './support/all-routes.ts';
import { type Calls, callsOver, expectProblem, UNKNOWN } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, type Transport } from './support/transports.ts';

// What a request with wrong fields gets: a problem document with a status from 4xx, a code, and a sentence that helps.

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

describe('every route with a session in its path', () => {
  test.each(SESSION_ROUTES)('$method $path: an unknown session is a 404', async (spec) => {
    const answer = await api.call(spec.method, spec.path, { ...paramsOf(UNKNOWN), body: bodyFor(spec) });
    expect(expectProblem(answer, 404, 'session_not_found').detail).toContain(UNKNOWN);
  });

  test.each(SESSION_ROUTES)('$method $path: what cannot be an id is a 404', async (spec) => {
    for (const id of ['1', 'x y', '../health', "' or 1=1", '\0', 'é'.repeat(300)]) {
      const answer = await api.call(spec.method, spec.path, { ...paramsOf(id), body: bodyFor(spec) });
      expectProblem(answer, 404, 'not_found');
    }
  });
});

describe('every route with a body', () => {
  const call = (spec: RouteSpec, text: string) =>
    api.call(spec.method, spec.path, { ...paramsOf(session.session_id), body: text });

  test.each(BODY_ROUTES)('$method $path: broken JSON is a 400 that says where', async (spec) => {
    for (const text of ['{', '{"a": 1,}', "{'a': 1}", 'undefined', '{"a": "\u0001"}', '\ufeff{', '[1] 2']) {
      expect(expectProblem(await call(spec, text), 400, 'malformed_json').detail).toMatch(/JSON/);
    }
  });

  test.each(BODY_ROUTES)('$method $path: JSON that is no object is a 422', async (spec) => {
    for (const text of ['null', '7', '"text"', '[]', 'true', '[{}]']) {
      expect(expectProblem(await call(spec, text), 422, 'validation_failed').errors).toHaveLength(1);
    }
  });

  test.each(BODY_ROUTES)('$method $path: a wrong type is a 422 that names the field', async (spec) => {
    const fields = Object.keys(fieldsOf(spec));
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

  test.each(BODY_ROUTES.filter(({ bodyRequired }) => bodyRequired !== false))(
    '$method $path: no body at all is a 422',
    async (spec) => {
      expectProblem(await call(spec, ''), 422, 'body_missing');
      expectProblem(await call(spec, ' \n'), 422, 'body_missing');
    },
  );

  test.each(BODY_ROUTES)('$method $path: JSON nested without end is a 422', async (spec) => {
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
    return fieldsOf(spec)[field]?.safeParse({ 7: [null] }).success ?? true;
  }
});

describe('every route with a query', () => {
  test.each(OWN_ROUTES.filter(({ query }) => query))(
    '$method $path: a wrong value is a 422',
    async (spec) => {
      for (const name of Object.keys(spec.query?.shape ?? {})) {
        if (
          [
            'cursor',
            'cwd',
            'path',
            'actor',
            'action',
            'conversation_id',
            'q',
            'access_token',
            'tenant',
          ].includes(name)
        )
          continue;
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
    },
  );
});

describe('a field that nobody knows', () => {
  test.each(BODY_ROUTES)('$method $path: is a 422 that names it and the one that was meant', async (spec) => {
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
  test.each(BODY_ROUTES)('$method $path: counts as absent', async (spec) => {
    const shape = fieldsOf(spec);
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
