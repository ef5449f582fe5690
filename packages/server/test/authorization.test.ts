import type { Action, Role } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALL_ROUTES } from './support/all-routes.ts';
import type { SseFrame } from './support/api.ts';
import { UNKNOWN } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** What each role may do, in the words of README.md: the code has it once more, and this test compares. */
const MAY: Record<Role, readonly Action[]> = {
  viewer: ['read'],
  approver: ['read', 'answer'],
  user: ['read', 'answer', 'use'],
  admin: ['read', 'answer', 'use', 'manage'],
  operator: ['read', 'answer', 'use', 'manage', 'operate'],
};

interface Key {
  id: string;
  key: string;
  tenant: string;
  role: Role;
}
const key = (tenant: string, role: Role, n = ''): Key => ({
  id: `${tenant}-${role}${n}`,
  key: `key-of-${tenant}-${role}${n}`,
  tenant,
  role,
});
const ROLES = ['viewer', 'approver', 'user', 'admin'] as const;
const KEYS = [
  ...ROLES.map((role) => key('a', role)),
  key('a', 'user', '-2'),
  ...ROLES.map((role) => key('b', role)),
  key('default', 'operator'),
];
const [MAKER, OTHER, FOREIGN] = [key('a', 'user'), key('a', 'user', '-2'), key('b', 'user')];
const ROOT = key('default', 'operator');

/** Whose session is asked for, and who may see it. */
const TARGETS = {
  own: ({ tenant, role, id }: Key) =>
    role === 'operator' || (tenant === 'a' && (role !== 'user' || id === MAKER.id)),
  foreign: ({ tenant, role }: Key) => role === 'operator' || tenant === 'b',
  absent: () => false,
};

let server: TestServer;
const session: Record<keyof typeof TARGETS, string> = { own: '', foreign: '', absent: UNKNOWN };
const as = ({ key: secret }: Key) => ({ headers: { authorization: `Bearer ${secret}` } });

const create = async (maker: Key): Promise<string> => {
  const made = await server.call<{ session_id: string }>('POST', '/sessions', { start: 'lazy' }, as(maker));
  expect(made.status).toBe(200);
  return made.body.session_id;
};

beforeAll(async () => {
  server = await startTestServer({
    args: ['--demo'],
    config: { api_keys: KEYS, allow_trust_project: true, trust_project_roles: ['admin', 'operator'] },
  });
  // Closed: what is admitted answers that the session is closed, and no agent starts.
  for (const [name, maker] of [
    ['own', MAKER],
    ['foreign', FOREIGN],
  ] as const) {
    session[name] = await create(maker);
    await server.call('DELETE', `/sessions/${session[name]}`, undefined, as(maker));
  }
});
afterAll(() => cleanUp(server));

/** What a route answers, without the id that was asked for. */
async function ask(route: (typeof ALL_ROUTES)[number], caller: Key | undefined, sessionId: string) {
  const path = route.path
    .replace('{session_id}', sessionId)
    .replace('{name}', 'box')
    .replaceAll(/\{\w+\}/g, '00000000-0000-4000-8000-000000000001');
  const { status, body } = await server.call<{ code?: string }>(
    route.method,
    path,
    // Refused where a body is read: nobody who may not is told what is wrong with it.
    route.body || route.name === 'importSession' ? { 'no such field': 1 } : undefined,
    { headers: { accept: 'application/json', ...(caller && as(caller).headers) } },
  );
  return { status, code: body.code, text: JSON.stringify(body).replaceAll(sessionId, 'ID') };
}

describe.each(ALL_ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const))(
  '%s',
  (_, route) => {
    const { access } = route;

    test('answers each role, and each tenant, as the contract says', async () => {
      if (access === 'open') {
        const { status, code } = await ask(route, undefined, UNKNOWN);
        // There is nothing to renew; that it is over is no secret.
        if (route.name === 'renewSignIn') expect([status, code]).toEqual([401, 'sign_in_over']);
        // What is wrong with a body is told to everybody.
        else expect(status).toBe(route.body ? 422 : 200);
        return;
      }
      expect((await ask(route, undefined, session.own)).status).toBe(401);
      const targets =
        access.of === 'session' ? (['own', 'foreign', 'absent'] as const) : (['absent'] as const);
      const wrong: string[] = [];
      for (const caller of KEYS) {
        const absent = await ask(route, caller, session.absent);
        for (const target of targets) {
          const got = await ask(route, caller, session[target]);
          const told = `${caller.id} of ${target}: ${got.status} ${got.text.slice(0, 200)}`;
          if (!MAY[caller.role].includes(access.may)) {
            if (got.status !== 403) wrong.push(told);
          } else if (access.of !== 'session' || TARGETS[target](caller)) {
            if ([401, 403].includes(got.status) || got.code === 'session_not_found') wrong.push(told);
          } else if (caller.role !== 'operator') {
            // Exactly as if there was none.
            if (got.code !== 'session_not_found' || got.text !== absent.text) wrong.push(told);
          }
        }
      }
      expect(wrong).toEqual([]);
    });
  },
);

/** The session of a stream's next event that tells of a new one. */
async function sessionOfNext(stream: AsyncGenerator<SseFrame> | undefined): Promise<string> {
  for (;;) {
    const { value, done } = (await stream?.next()) ?? { done: true };
    if (done) throw new Error('the stream has ended');
    if (value.event === 'session.created') return value.data.session_id;
  }
}

describe('what goes over sessions', () => {
  const list = async (path: string, caller: Key): Promise<string[]> => {
    const accept = { headers: { accept: 'application/json', ...as(caller).headers } };
    const { body } = await server.call<Record<string, { session_id: string }[]>>(
      'GET',
      path,
      undefined,
      accept,
    );
    return [...new Set((body.sessions ?? body.events ?? []).map((each) => each.session_id))].toSorted();
  };

  test.each(['/sessions?status=all', '/events'])('%s has what the caller may see', async (path) => {
    const { own, foreign } = session;
    expect(await list(path, ROOT)).toEqual([own, foreign].toSorted());
    expect(await list(path, MAKER)).toEqual([own]);
    expect(await list(path, key('a', 'viewer'))).toEqual([own]);
    expect(await list(path, OTHER)).toEqual([]);
    expect(await list(path, FOREIGN)).toEqual([foreign]);
  });

  test('the stream of all sessions has what the caller may see, live and replayed', async () => {
    const streams = await Promise.all(
      [MAKER, OTHER, key('a', 'admin'), FOREIGN, ROOT].map((caller) =>
        server.openStream('/events', as(caller)),
      ),
    );
    const foreign = await create(FOREIGN);
    const own = await create(MAKER);
    const other = await create(OTHER);
    const last = await create(FOREIGN);
    expect(await Promise.all(streams.map(sessionOfNext))).toEqual([own, other, own, foreign, foreign]);
    // Each has what follows, and nothing else in between.
    const follows = async (n: number, ids: string[]): Promise<void> => {
      for (const id of ids) expect(await sessionOfNext(streams[n])).toBe(id);
    };
    await Promise.all([follows(2, [other]), follows(3, [last]), follows(4, [own, other, last])]);
    const replayed = await server.openStream('/events?after=0', as(OTHER));
    expect(await sessionOfNext(replayed)).toBe(other);
    await Promise.all([...streams, replayed].map((stream) => stream.return(undefined)));
    for (const id of [foreign, own, other, last])
      await server.call('DELETE', `/sessions/${id}`, undefined, as(ROOT));
  });

  test('a session of others can be neither resumed nor branched', async () => {
    for (const fork of [false, true]) {
      const asked = (id: string, caller: Key) =>
        server.call('POST', '/sessions', { resume_session_id: id, fork, start: 'lazy' }, as(caller));
      const absent = await asked(UNKNOWN, FOREIGN);
      const foreign = await asked(session.own, FOREIGN);
      expect(foreign.status).toBe(404);
      expect(JSON.stringify(foreign.body).replaceAll(session.own, UNKNOWN)).toBe(JSON.stringify(absent.body));
      expect((await asked(session.own, OTHER)).status).toBe(404);
    }
    const resumed = await server.call(
      'POST',
      '/sessions',
      { resume_session_id: session.own, start: 'lazy' },
      as(key('a', 'admin')),
    );
    expect(resumed.status).toBe(200);
  });

  test('a snapshot of others can be neither used nor removed', async () => {
    const id = await create(MAKER);
    const taken = await server.call<{ snapshot_id: string }>(
      'POST',
      `/sessions/${id}/snapshot`,
      {},
      as(MAKER),
    );
    expect(taken.status).toBe(200);
    const { snapshot_id: snapshot } = taken.body;
    const use = (caller: Key, of = snapshot) =>
      server.call<{ session_id: string }>(
        'POST',
        '/sessions',
        { workspace: { snapshot: of }, start: 'lazy' },
        as(caller),
      );
    const remove = (caller: Key) => server.call('DELETE', `/snapshots/${snapshot}`, undefined, as(caller));
    for (const caller of [OTHER, FOREIGN, key('b', 'admin')]) {
      const [foreign, absent] = [await use(caller), await use(caller, UNKNOWN)];
      expect([foreign.status, JSON.stringify(foreign.body).replaceAll(snapshot, UNKNOWN)]).toEqual([
        404,
        JSON.stringify(absent.body),
      ]);
      expect(await remove(caller)).toMatchObject({ status: 404, body: { code: 'snapshot_not_found' } });
    }
    const made: string[] = [];
    for (const caller of [MAKER, key('a', 'admin'), ROOT]) {
      const { status, body } = await use(caller);
      expect(status).toBe(200);
      made.push(body.session_id);
    }
    expect((await remove(key('a', 'admin'))).status).toBe(200);
    for (const each of [...made, id]) await server.call('DELETE', `/sessions/${each}`, undefined, as(ROOT));
  });

  test('only the roles of the configuration may trust a folder, also by an import', async () => {
    const ask = (caller: Key) =>
      server.call<{ session_id: string }>(
        'POST',
        '/sessions',
        { trust_project: true, start: 'lazy' },
        as(caller),
      );
    const refused = { status: 403, body: { code: 'role_insufficient' } };
    expect(await ask(MAKER)).toMatchObject(refused);
    const { status, body } = await ask(key('a', 'admin'));
    expect(status).toBe(200);
    const path = `/sessions/${body.session_id}`;
    const lines = (await server.call<string>('GET', `${path}/export`, undefined, as(ROOT))).body;
    await server.call('DELETE', path, undefined, as(ROOT));
    await server.call('DELETE', `${path}?erase=true`, undefined, as(ROOT));
    const take = (caller: Key) => server.call('POST', '/sessions/import', lines, as(caller));
    expect(await take(MAKER)).toMatchObject(refused);
    expect((await take(key('a', 'admin'))).status).toBe(200);
    await server.call('DELETE', `${path}?erase=true`, undefined, as(ROOT));
  });

  test('GET /usage shows the keys of the own tenant', async () => {
    const { body } = await server.call('GET', '/usage', undefined, as(MAKER));
    expect(body).toMatchObject({ turns: 0, cost_usd: 0 });
  });
});
