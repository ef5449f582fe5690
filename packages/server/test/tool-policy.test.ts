import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { type Answer, firstFrame, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// What a tenant's agents may do, as data in the configuration; tried by the real agent.

const BOX = {
  command: process.execPath,
  args: [fileURLToPath(new URL('fixtures/shout-server.ts', import.meta.url))],
};

let server: TestServer;
const acmeRoot = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-acme-')));
beforeAll(async () => {
  server = await startTestServer({
    args: ['--demo', '--root', acmeRoot],
    config: {
      allow_bypass_permissions: true,
      api_keys: [
        { id: 'acme', key: 'key-of-acme-1234', tenant: 'acme', role: 'user' },
        {
          id: 'strict',
          key: 'key-of-strict-1234',
          tenant: 'acme',
          role: 'user',
          policy: { deny: ['Write'] },
        },
        { id: 'root', key: 'key-of-the-operator-1', role: 'operator' },
        { id: 'free', key: 'key-of-free-12345', tenant: 'free', role: 'user' },
      ],
      policies: { careful: { deny: ['Write'], models: ['demo'], max_permission_mode: 'default' } },
      tenants: {
        acme: {
          policy: {
            allow: ['Bash(touch allowed*)'],
            ask: ['Bash(touch asked*)'],
            deny: ['Bash(touch denied*)'],
            max_permission_mode: 'acceptEdits',
            models: ['demo'],
            mcp_servers: [BOX],
            roots: [acmeRoot],
            trust_project: false,
          },
        },
      },
    },
  });
});
afterAll(async () => {
  await cleanUp(server);
  rmSync(acmeRoot, { recursive: true });
});

const as = (tenant: 'acme' | 'strict' | 'free') => {
  const key = { acme: 'key-of-acme-1234', strict: 'key-of-strict-1234', free: 'key-of-free-12345' }[tenant];
  const headers = { authorization: `Bearer ${key}` };
  return {
    headers,
    call: <T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<T>> =>
      server.call<T>(method, path, body, { headers }),
    async create(options: object = {}): Promise<string> {
      const { body } = await this.call<{ session_id: string }>('POST', '/sessions', options);
      expect(body).toMatchObject({ session_id: expect.any(String) });
      return body.session_id;
    },
    send: (id: string, message: string) =>
      server.call('POST', `/sessions/${id}/messages`, { message }, { headers }),
  };
};

const touch = (file: string): Record<string, unknown> => ({
  tools: [{ name: 'Bash', input: { command: `touch ${file}`, description: 'test' } }],
});
const made = (file: string): boolean => existsSync(join(acmeRoot, file));

describe('the rules of a tenant reach the agent', () => {
  test('what they allow runs without a question, what they deny does not run', async () => {
    const acme = as('acme');
    const id = await acme.create();
    const { body } = await acme.send(
      id,
      script(touch('allowed.txt'), touch('denied.txt'), { say: '{{results}}' }),
    );
    expect(made('allowed.txt')).toBe(true);
    expect(made('denied.txt')).toBe(false);
    expect(JSON.stringify(body)).toMatch(/denied/);
  });

  test('they stand above what the session allows itself', async () => {
    const acme = as('acme');
    const id = await acme.create({
      permission_mode: 'acceptEdits',
      allowed_tools: ['Bash'],
      settings: { permissions: { allow: ['Bash(touch denied*)', 'Bash(touch asked*)'] } },
    });
    const stream = await server.openStream(`/sessions/${id}/events`, { headers: acme.headers });
    const answer = acme.send(id, script(touch('denied.txt'), touch('asked.txt'), { say: 'done' }));
    const { data } = await firstFrame(stream, ({ event }) => event === 'permission.requested');
    const request = data.data;
    expect(request).toMatchObject({ tool_input: { command: 'touch asked.txt' } });
    await acme.call('POST', `/sessions/${id}/permissions/respond`, {
      request_id: request.request_id,
      allowed: false,
    });
    expect((await answer).status).toBe(200);
    expect([made('denied.txt'), made('asked.txt')]).toEqual([false, false]);
  });

  test("those of a key come on top of its tenant's", async () => {
    const strict = as('strict');
    const id = await strict.create({ permission_mode: 'acceptEdits' });
    const write = { tools: [{ name: 'Write', input: { file_path: join(acmeRoot, 'w.txt'), content: 'x' } }] };
    await strict.send(id, script(write, { say: 'done' }));
    expect(made('w.txt')).toBe(false);
    const other = await as('acme').create({ permission_mode: 'acceptEdits' });
    await as('acme').send(other, script(write, { say: 'done' }));
    expect(made('w.txt')).toBe(true);
  });
});

describe('what a policy does not allow is a 403 that says what it allows', () => {
  test.each([
    ['a mode', { permission_mode: 'bypassPermissions' }, 'default, acceptEdits, plan, dontAsk'],
    ['a mode in settings', { settings: { permissions: { defaultMode: 'auto' } } }, 'acceptEdits'],
    ['a model', { model: 'gpt-5' }, 'It allows: demo'],
    ['a fallback model', { fallback_model: 'gpt-5' }, 'It allows: demo'],
    ["a subagent's model", { agents: { a: { description: 'x', prompt: 'y', model: 'opus' } } }, 'demo'],
    ['an MCP server', { mcp_servers: { x: { type: 'http', url: 'https://elsewhere.example' } } }, '"x"'],
    ['a command', { mcp_servers: { x: { command: 'sh', args: ['-c', 'id'] } } }, '"x"'],
  ])('%s', async (_, options, words) => {
    const { status, body } = await as('acme').call('POST', '/sessions', { ...options, start: 'lazy' });
    expect([status, body.code]).toEqual([403, 'policy_forbids']);
    expect(body.detail).toContain(words);
    const free = await as('free').call('POST', '/sessions', { ...options, start: 'lazy' });
    expect(free.body.code).not.toBe('policy_forbids');
  });

  test('a later change of model or mode', async () => {
    const acme = as('acme');
    const id = await acme.create({ start: 'lazy' });
    for (const [path, body] of [
      ['model', { model: 'gpt-5' }],
      ['permission_mode', { mode: 'bypassPermissions' }],
    ] as const) {
      const answer = await acme.call('POST', `/sessions/${id}/${path}`, body);
      expect([answer.status, answer.body.code], path).toEqual([403, 'policy_forbids']);
    }
  });

  test('a folder outside the roots of the tenant', async () => {
    const acme = as('acme');
    const outside = await acme.call('POST', '/sessions', { cwd: server.root, start: 'lazy' });
    expect([outside.status, outside.body.code]).toEqual([403, 'cwd_not_allowed']);
    expect(outside.body.detail).toContain(acmeRoot);
    const further = await acme.call('POST', '/sessions', {
      additional_directories: [server.root],
      start: 'lazy',
    });
    expect(further.body.code).toBe('cwd_not_allowed');
    const { body } = await acme.call<{ cwd: string }>(
      'GET',
      `/sessions/${await acme.create({ start: 'lazy' })}`,
    );
    expect(body.cwd).toBe(acmeRoot);
  });
});

test('an MCP server on the list is started, and its tools are asked about as ever', async () => {
  const acme = as('acme');
  const id = await acme.create({ mcp_servers: { box: { ...BOX, alwaysLoad: true } } });
  const { body } = await acme.call<{ servers: { name: string; status: string }[] }>(
    'GET',
    `/sessions/${id}/mcp`,
  );
  expect(body.servers).toMatchObject([{ name: 'box', status: 'connected' }]);
});

describe('the models that calls through the gateway ask for', () => {
  const ask = (headers: Record<string, string>, model: string) =>
    server.call(
      'POST',
      '/v1/messages',
      { model, max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] },
      { headers },
    );

  test("are compared with the key's policies", async () => {
    const key = { 'x-api-key': 'key-of-acme-1234' };
    expect((await ask(key, 'demo')).status).toBe(200);
    const { status, body } = await ask(key, 'demo-2');
    expect([status, body]).toMatchObject([
      403,
      {
        type: 'error',
        error: { type: 'permission_error', message: expect.stringContaining('It allows: demo') },
      },
    ]);
    expect((await ask({ 'x-api-key': 'key-of-free-12345' }, 'demo-2')).status).toBe(200);
  });

  test("and those of an agent with its session's", async () => {
    const id = await as('acme').create();
    const [agent] = processesOf(id);
    const token = { 'x-api-key': agent?.env.ANTHROPIC_API_KEY ?? '' };
    expect((await ask(token, 'demo')).status).toBe(200);
    expect((await ask(token, 'demo-2')).status).toBe(403);
  });
});

test('a key that was made over HTTP has the policy that it names, on its sessions and its model calls', async () => {
  const root = { authorization: 'Bearer key-of-the-operator-1' };
  const make = (policy: string) =>
    server.call<{ key: string; key_id: string; policy: string }>(
      'POST',
      '/keys',
      { name: 'x', tenant: 'free', policy },
      { headers: root },
    );
  expect(await make('unknown')).toMatchObject({ status: 422, body: { code: 'policy_unknown' } });
  const { body: made } = await make('careful');
  expect(made).toMatchObject({ policy: 'careful', key_id: expect.stringMatching(/^key_\w+@careful$/) });
  const headers = { authorization: `Bearer ${made.key}` };
  const forbidden = { status: 403, body: { code: 'policy_forbids' } };
  for (const body of [{ permission_mode: 'acceptEdits' }, { model: 'claude-haiku' }])
    expect(await server.call('POST', '/sessions', body, { headers })).toMatchObject(forbidden);
  const call = (model: string) => ({ model, max_tokens: 9, messages: [{ role: 'user', content: 'say hi' }] });
  expect((await server.call('POST', '/v1/messages', call('claude-haiku'), { headers })).status).toBe(403);
  expect((await server.call('POST', '/v1/messages', call('demo'), { headers })).status).toBe(200);
  const session = await server.call<{ session_id: string }>(
    'POST',
    '/sessions',
    { start: 'lazy' },
    { headers },
  );
  expect(session.status).toBe(200);
  const path = `/sessions/${session.body.session_id}`;
  expect(await server.call('POST', `${path}/model`, { model: 'other' }, { headers: root })).toMatchObject(
    forbidden,
  );
  const key = `/keys/${encodeURIComponent(made.key_id)}`;
  expect(await server.call('DELETE', key, undefined, { headers: root })).toMatchObject({ status: 200 });
});
