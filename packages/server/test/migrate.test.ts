/** A home that is moved to PostgreSQL, with the real program and agents: what callers see stays the same, and goes on. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PermissionRequest } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { conversationsOn } from './support/conversations.ts';
import { ask, eventsOf, respond, sendAgain } from './support/parking.ts';
import { hasPostgres, newDatabase } from './support/postgres.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

const migrate = (home: string, database: string): { code: number | null; out: string; error: string } => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=claude-agent-source', MAIN, 'migrate', '--from', home],
    {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: join(home, '..', 'user'),
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
        AGENT_SERVER_DATABASE_URL: database,
      },
      encoding: 'utf8',
    },
  );
  return { code: status, out: stdout, error: stderr };
};

/** What a server answers to every question about what it has stored, by path. */
async function answersOf(server: TestServer): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  const get = async <T = unknown>(path: string): Promise<T> => {
    const { status, body } = await server.call<T>('GET', path, undefined, {
      headers: { accept: 'application/json' },
    });
    expect({ path, status }).toEqual({ path, status: 200 });
    answers[path] = body;
    return body;
  };
  const { sessions } = await get<{ sessions: { session_id: string }[] }>('/sessions?status=all&limit=100');
  await get('/sessions?limit=1');
  await get('/sessions?status=closed');
  await get('/sessions?q=banana&status=all');
  await get(`/sessions?metadata=${encodeURIComponent('{"team":"a"}')}&status=all`);
  await get('/sessions/available');
  await get('/usage');
  await get('/permissions');
  await get('/events?after=0&limit=1000');
  for (const { session_id: id } of sessions) {
    await get(`/sessions/${id}`);
    await get(`/sessions/${id}/status`);
    await get(`/sessions/${id}/events?after=0&limit=1000`);
    const { conversations } = await get<{ conversations: string[] }>(`/sessions/${id}/messages`);
    for (const each of conversations) await get(`/sessions/${id}/messages?conversation_id=${each}`);
    await get(`/sessions/${id}/usage`);
    await get(`/sessions/${id}/tasks`);
    const { turns } = await get<{ turns: { turn_id: string }[] }>(`/sessions/${id}/turns`);
    for (const { turn_id: turn } of turns) await get(`/sessions/${id}/turns/${turn}`);
  }
  return answers;
}

/**
 * Two things are not the same: the position of the newest event (an agent's message is no part of the stream of all
 * sessions), and resumable conversations have the time of their session instead of their file.
 */
function comparable(answers: Record<string, unknown>): unknown {
  const { sessions } = answers['/sessions/available'] as { sessions: { session_id: string }[] };
  const available = sessions
    .map((each) => ({ ...each, modified: 'some time' }))
    .sort((a, b) => (a.session_id < b.session_id ? -1 : 1));
  const all = JSON.stringify({ ...answers, '/sessions/available': available });
  return JSON.parse(all.replaceAll(/"cursor":\d+/g, '"cursor":0'));
}

describe.skipIf(!hasPostgres())('a server on a database that a home was moved to', () => {
  let server: TestServer;
  let cleared: string;
  let asked: { id: string; request: PermissionRequest; key: string };
  let before: Record<string, unknown>;
  let newest: number;
  beforeAll(async () => {
    server = await startTestServer();
    ({ id: cleared } = await conversationsOn(() => server).cleared());
    await server.call('PATCH', `/sessions/${cleared}`, { title: 'fruit "salad"\n', metadata: { team: 'a' } });
    asked = await ask(server);
    await server.call(
      'POST',
      `/sessions/${asked.id}/messages`,
      { message: 'say queued' },
      { headers: { prefer: 'respond-async', 'idempotency-key': 'behind' } },
    );
    const { session_id: gone } = await server.createSession({ title: 'gone' });
    await server.call('DELETE', `/sessions/${gone}?erase=true`);
    const { session_id: closed } = await server.createSession({ start: 'lazy' });
    await server.call('DELETE', `/sessions/${closed}`);
    await server.stop();

    // As it is after a start: what that settles is settled.
    server = await startTestServer({ on: server });
    before = await answersOf(server);
    const { body } = await server.call<{ cursor: number }>('GET', '/permissions');
    newest = body.cursor;
    await server.kill();
    const database = await newDatabase();
    expect(migrate(server.home, database)).toMatchObject({ code: 0, out: expect.stringMatching(/^Moved /) });
    const alone = await startTestServer({ on: server }).then(
      () => 'it started',
      (reason: unknown) => String(reason),
    );
    expect(alone).toMatch(/were moved to .*Start with --database-url/);
    // A machine that never had the agent's files.
    const userHome = join(server.home, '..', 'elsewhere');
    mkdirSync(userHome);
    server = await startTestServer({
      on: { ...server, userHome },
      env: { AGENT_SERVER_DATABASE_URL: database },
    });
  }, 120_000);
  afterAll(() => cleanUp(server));

  test('answers every read as the one on the home did', async () => {
    expect(Object.keys(before).length).toBeGreaterThan(25);
    expect(comparable(await answersOf(server))).toEqual(comparable(before));
  });

  test('goes on: the parked approval runs its call once, and the queued message runs after it', async () => {
    const { id, request, key } = asked;
    const ended = sendAgain(server, id, key);
    expect((await respond(server, id, { request_id: request.request_id, allowed: true })).status).toBe(200);
    expect(await ended).toMatchObject({ turn_id: request.turn_id, is_error: false });
    const file = join(server.root, 'ran.txt');
    expect(existsSync(file) && readFileSync(file, 'utf8')).toBe('asked\n');
    expect(JSON.stringify(await sendAgain(server, id, 'behind', 'say queued'))).toContain('queued');
    const numbers = (await eventsOf(server, id)).map(({ seq }) => seq);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(await conversationsOn(() => server).recall(cleared)).toMatch(/banana/);
  });

  test('sends a reader of all events what is new since its last cursor on the home', async () => {
    const path = `/events?after=${newest}&limit=1000`;
    const read = async () => {
      const { body } = await server.call<{ events: { type: string }[] }>('GET', path, undefined, {
        headers: { accept: 'application/json' },
      });
      return body.events.map(({ type }) => type);
    };
    await expect.poll(read).toContain('permission.resolved');
    expect(await read()).not.toContain('permission.requested');
  });
});
