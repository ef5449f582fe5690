/** The audit log: who changed what, from where, and what became of it. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { type AuditEntry, isAudited } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALL_ROUTES, bodyFor } from './support/all-routes.ts';
import { type Answer, script } from './support/api.ts';
import { UNKNOWN } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const AUDITED = ALL_ROUTES.filter(isAudited);
const ROOT = 'key-of-the-operator';
const ADMIN = 'key-of-the-admin';
const OTHER = 'key-of-another-tenant';
/** Failures of one caller are bounded: each route has a caller of its own. */
const keyOf = (name: string): string => `key-for-the-route-${name}`;

const as = (secret: string, more: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${secret}`, ...more },
});

interface AuditPage {
  entries: AuditEntry[];
  next_cursor: string | null;
}

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    config: {
      api_keys: [
        { id: 'admin', key: ADMIN, tenant: 'a' },
        { id: 'other', key: OTHER, tenant: 'b' },
        { id: 'viewer', key: 'key-of-the-viewer', tenant: 'a', role: 'viewer' },
        ...AUDITED.map(({ name }) => ({ id: name, key: keyOf(name), tenant: 'routes' })),
      ],
      allow_unasked_tools: [],
      trusted_proxies: ['127.0.0.1', '10.0.0.0/8'],
    },
    env: { AGENT_SERVER_API_KEY: ROOT },
  });
});
afterAll(() => cleanUp(server));

async function entries(query = '', secret = ROOT): Promise<AuditEntry[]> {
  const answer = await server.call<AuditPage>('GET', `/audit?${query}`, undefined, as(secret));
  expect(answer.status).toBe(200);
  return answer.body.entries;
}
/** The entries of one request. */
const of = async (requestId: string): Promise<AuditEntry[]> =>
  (await entries('limit=1000')).filter(({ request_id: id }) => id === requestId);

test('every request of a route that changes something has one entry, also through /invocations', async () => {
  const wrong: string[] = [];
  // The answer of a route that sends a browser on says nothing of its failure: packages/console/test/oidc.test.ts reads that entry.
  for (const route of AUDITED.filter(({ name, responses }) => name !== 'invoke' && !responses[302])) {
    const path = route.path
      .replace('{session_id}', UNKNOWN)
      .replace('{name}', 'box')
      .replaceAll(/\{\w+\}/g, UNKNOWN);
    const body = bodyFor(route);
    const [direct, inner] = [randomUUID(), randomUUID()];
    const headers = as(keyOf(route.name), { 'x-request-id': direct });
    const { status, body: said } = await server.call<{ code?: string }>(route.method, path, body, headers);
    await server.call(
      'POST',
      '/invocations',
      { method: route.method, path, ...(body !== undefined && { payload: body }) },
      as(keyOf(route.name), { 'x-request-id': inner }),
    );
    for (const id of [direct, inner]) {
      const found = await of(id);
      const [entry] = found;
      const fits =
        entry?.action === route.name &&
        entry.method === route.method &&
        entry.status === status &&
        entry.problem === (said.code ?? null) &&
        entry.session_id === (route.path.includes('{session_id}') ? UNKNOWN : entry.session_id) &&
        entry.tenant === 'routes' &&
        entry.actor.id === route.name &&
        entry.address === '127.0.0.1' &&
        entry.count === 1;
      if (!fits || found.length !== 1) wrong.push(`${route.name} ${status}: ${JSON.stringify(found)}`);
    }
  }
  expect(wrong).toEqual([]);
  const outer = randomUUID();
  await server.call('POST', '/invocations', {}, as(ADMIN, { 'x-request-id': outer }));
  expect(await of(outer)).toMatchObject([{ action: 'invoke', status: 400, problem: 'path_missing' }]);
});

test('reads have none, and model calls are in the accounts instead', async () => {
  const id = randomUUID();
  const headers = as(ADMIN, { 'x-request-id': id });
  for (const { path } of ALL_ROUTES.filter(({ method, raw }) => method === 'GET' && !raw))
    await server.call('GET', path.replaceAll(/\{\w+\}/g, UNKNOWN), undefined, headers);
  await server.call('POST', '/v1/messages', {}, headers);
  expect(await of(id)).toEqual([]);
});

describe('an entry', () => {
  test('of an approval says who allowed what, and is there before the answer; texts and secrets are nowhere', async () => {
    const made = await server.call<{ key: string; key_id: string }>(
      'POST',
      '/keys',
      { name: 'an approver', role: 'approver', tenant: 'a' },
      as(ROOT),
    );
    const { session_id: id } = (await server.call<{ session_id: string }>('POST', '/sessions', {}, as(ADMIN)))
      .body;
    const secret = 'a-text-that-is-nowhere';
    const message = script(
      { tools: [{ name: 'Bash', input: { command: `echo ${secret} > a` } }] },
      { say: 'x' },
    );
    const path = `/sessions/${id}/messages`;
    const { turn_id: turn } = (
      await server.call<{ turn_id: string }>(
        'POST',
        path,
        { message },
        as(ADMIN, { prefer: 'respond-async' }),
      )
    ).body;
    let request: string | undefined;
    await expect
      .poll(
        async () => {
          const { body } = await server.call<{ pending_permission: { request_id: string } | null }>(
            'GET',
            `/sessions/${id}`,
            undefined,
            as(ADMIN),
          );
          request = body.pending_permission?.request_id;
          return request;
        },
        { timeout: 30_000 },
      )
      .toBeTruthy();
    const requestId = randomUUID();
    const answer = { request_id: request, allowed: false, message: secret };
    const responded = await server.call(
      'POST',
      `/sessions/${id}/permissions/respond`,
      answer,
      as(made.body.key, { 'x-request-id': requestId, 'user-agent': 'phone/1.0' }),
    );
    expect(responded.status).toBe(200);
    const about = await entries(`session_id=${id}`);
    expect(about.map(({ action }) => action)).toEqual(['respondPermission', 'sendMessage', 'createSession']);
    expect(about[0]).toEqual({
      id: expect.any(String),
      at: expect.any(String),
      tenant: 'a',
      actor: { kind: 'key', id: made.body.key_id, role: 'approver', tenant: 'a' },
      address: '127.0.0.1',
      user_agent: 'phone/1.0',
      request_id: requestId,
      action: 'respondPermission',
      method: 'POST',
      session_id: id,
      params: { request_id: request, allowed: 'false' },
      status: 200,
      problem: null,
      count: 1,
    });
    expect(about[1]).toMatchObject({ status: 202, params: { turn_id: turn }, actor: { id: 'admin' } });
    expect(await entries('action=createKey&tenant=a')).toMatchObject([
      {
        actor: { id: 'environment', tenant: 'default' },
        params: { key_id: made.body.key_id, role: 'approver' },
      },
    ]);
    const whole = (await server.call<string>('GET', '/audit/export', undefined, as(ROOT))).body;
    for (const text of [secret, made.body.key, ADMIN, ROOT]) expect(whole).not.toContain(text);
    expect(await entries(`actor=${made.body.key_id}`)).toHaveLength(1);
  });

  test("of what an operator does stands in the session's tenant, and outlives the session", async () => {
    const { session_id: id } = (
      await server.call<{ session_id: string }>('POST', '/sessions', { start: 'lazy' }, as(OTHER))
    ).body;
    await server.call('PATCH', `/sessions/${id}`, { title: 'x' }, as(ROOT));
    await server.call('DELETE', `/sessions/${id}`, undefined, as(OTHER));
    const erased = await server.call('DELETE', `/sessions/${id}?erase=true`, undefined, as(ROOT));
    expect(erased.status).toBe(200);
    const about = await entries(`session_id=${id}&tenant=b`, OTHER);
    expect(about.map(({ action, actor, params }) => [action, actor.id, params])).toEqual([
      ['closeSession', 'environment', { erase: 'true' }],
      ['closeSession', 'other', {}],
      ['patchSession', 'environment', {}],
      ['createSession', 'other', {}],
    ]);
  });

  test('says where a request came from; X-Forwarded-For of strangers does not count', async () => {
    const send = async (forwarded: string): Promise<string | null | undefined> => {
      const id = randomUUID();
      const headers = as(ADMIN, { 'x-request-id': id, 'x-forwarded-for': forwarded });
      await server.call('PATCH', `/sessions/${UNKNOWN}`, {}, headers);
      return (await of(id))[0]?.address;
    };
    expect(await send('198.51.100.7')).toBe('198.51.100.7');
    expect(await send('203.0.113.9, 198.51.100.7, 10.1.2.3')).toBe('198.51.100.7');
    expect(await send('not an address, 10.1.2.3')).toBe('10.1.2.3');
  });
});

describe('the log', () => {
  test('shows an admin what is of the own tenant, and operators all; others may not read it', async () => {
    expect(new Set((await entries('limit=1000', OTHER)).map(({ tenant }) => tenant))).toEqual(new Set(['b']));
    expect(await entries('tenant=a', OTHER)).toEqual([]);
    expect((await entries('limit=1000')).length).toBeGreaterThan(AUDITED.length);
    const refused = await server.call('GET', '/audit', undefined, as('key-of-the-viewer'));
    expect(refused).toMatchObject({ status: 403, body: { code: 'role_insufficient' } });
  });

  test('is read page by page, by time, and as lines', async () => {
    const all = await entries('limit=1000&tenant=routes');
    const paged: AuditEntry[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const path: string = `/audit?tenant=routes&limit=30${cursor && `&cursor=${cursor}`}`;
      const { body }: Answer<AuditPage> = await server.call<AuditPage>('GET', path, undefined, as(ROOT));
      paged.push(...body.entries);
      cursor = body.next_cursor;
    }
    expect(paged).toEqual(all);
    const { headers, body } = await server.call<string>(
      'GET',
      '/audit/export?tenant=routes',
      undefined,
      as(ROOT),
    );
    expect(headers.get('content-type')).toBe('application/x-ndjson');
    expect(
      body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(all.toReversed());
    const [from, to] = [all[20]?.at ?? '', all[5]?.at ?? ''];
    expect(await entries(`limit=1000&tenant=routes&from=${from}&to=${to}`)).toEqual(
      all.filter(({ at }) => at >= from && at < to),
    );
    expect((await server.call('GET', '/audit?cursor=x', undefined, as(ROOT))).status).toBe(422);
  });
});

describe('an entry is kept', () => {
  const started: TestServer[] = [];
  /** Another server, on a home of its own. */
  const start = async (name: string, args: string[] = []): Promise<TestServer> => {
    const home = join(server.home, name);
    mkdirSync(home, { recursive: true });
    const config = { trusted_proxies: ['127.0.0.1'] };
    const options = { on: { ...server, home }, args: ['--demo', ...args], config };
    const other = await startTestServer({ ...options, env: { AGENT_SERVER_API_KEY: ROOT } });
    started.push(other);
    return other;
  };
  afterAll(() => Promise.all(started.map((other) => other.stop())));
  const export_ = async (on: TestServer): Promise<AuditEntry[]> => {
    const { body } = await on.call<string>('GET', '/audit/export', undefined, as(ROOT));
    return body.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditEntry]));
  };

  test('of everything that was answered before kill -9, once', async () => {
    const victim = await start('killed');
    const answered: string[] = [];
    const ask = async (): Promise<void> => {
      for (;;) {
        const id = randomUUID();
        const headers = as(ROOT, { 'x-request-id': id });
        const { status } = await victim.call('POST', '/keys', { name: 'x' }, headers);
        if (status === 200) answered.push(id);
      }
    };
    const asking = [1, 2, 3, 4].map(() => ask().catch(() => {}));
    await expect.poll(() => answered.length, { interval: 5 }).toBeGreaterThan(100);
    await victim.kill();
    await Promise.all(asking);
    const found = (await export_(await start('killed'))).map(({ request_id: id }) => id);
    expect(answered.filter((id) => !found.includes(id))).toEqual([]);
    expect(new Set(found).size).toBe(found.length);
  });

  test('of refusals, of which many become one; a shutdown loses none', async () => {
    const flooded = await start('flooded');
    const send = (from: string) =>
      flooded.call('DELETE', `/sessions/${UNKNOWN}`, undefined, { headers: { 'x-forwarded-for': from } });
    for (let n = 0; n < 100; n++) expect((await send('203.0.113.1')).status).toBe(401);
    await send('203.0.113.2');
    await flooded.stop();
    const found = await export_(await start('flooded'));
    expect(found.every(({ actor, problem }) => actor.kind === 'unknown' && problem === 'unauthorized')).toBe(
      true,
    );
    const counts = (address: string) =>
      found.filter((entry) => entry.address === address).map(({ count }) => count);
    expect(counts('203.0.113.1')).toEqual([...Array<number>(20).fill(1), 80].toSorted());
    expect(counts('203.0.113.2')).toEqual([1]);
  });

  test('of keys that a command makes on the database, in a backup, and against changes', async () => {
    const home = join(server.home, 'command');
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, ['--conditions=claude-agent-source', MAIN, ...args, '--home', home], {
        env: { PATH: process.env.PATH ?? '', HOME: server.userHome },
        encoding: 'utf8',
      });
    const id = /key_\w+/.exec(run('keys', 'create', '--name', 'first', '--role', 'operator'))?.[0];
    run('keys', 'revoke', id ?? '');
    const saved = join(server.home, 'saved');
    run('backup', saved);
    for (const file of [join(home, 'server.db'), saved]) {
      const db = new DatabaseSync(file);
      const rows = db.prepare('select action, actor_kind, params from audit order by id').all();
      expect(rows).toMatchObject([
        {
          action: 'createKey',
          actor_kind: 'command',
          params: JSON.stringify({ key_id: id, role: 'operator' }),
        },
        { action: 'revokeKey', actor_kind: 'command' },
      ]);
      for (const change of ["update audit set actor = 'other'", 'delete from audit'])
        expect(() => db.exec(change)).toThrow('append-only');
      db.close();
    }
  });
});
