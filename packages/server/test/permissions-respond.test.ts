import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionCreated } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { framesUntil } from './support/api.ts';
import { at, type Calls, callsOver, expectProblem, textOf, UNKNOWN, write } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, TRANSPORTS, type Transport } from './support/transports.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
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

    test('apply_suggestions returns the suggestions to the agent', async () => {
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

    test('a denial tells the model why, and the turn continues', async () => {
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

    test('the tool gets updated_input', async () => {
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

    test('unanswered within the time-out, it is denied and the turn continues', async () => {
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
});

test('GET /permissions lists the pending permissions of all sessions, oldest first; its cursor misses nothing', async () => {
  const api = direct(server);
  const calls = callsOver(api);
  const shared = (await calls.create()).session_id;
  type Inbox = {
    permissions: { request_id: string; session_id: string; tool_input: unknown }[];
    cursor: number;
  };
  const inbox = async (): Promise<Inbox> => (await api.call<Inbox>('GET', '/permissions')).body;
  expect((await inbox()).permissions).toEqual([]);

  const other = (await calls.create()).session_id;
  const answers = [];
  for (const id of [shared, other]) {
    answers.push(calls.send(id, write(join(server.root, `${id}.txt`))));
    await calls.asked(id);
  }
  const { permissions, cursor } = await inbox();
  expect(permissions.map(({ session_id }) => session_id)).toEqual([shared, other]);

  const resolved = framesUntil(
    api.stream('GET', '/events', { query: { after: cursor } }),
    (frame) => frame.event === 'permission.resolved' && frame.data.session_id === other,
  );
  for (const { session_id, request_id } of permissions) {
    await calls.respond(session_id, { request_id, allowed: true });
  }
  const ids = (await resolved).filter((frame) => frame.event === 'permission.resolved');
  expect(ids.map((frame) => frame.data.data.request_id)).toEqual(permissions.map((each) => each.request_id));
  await Promise.all(answers);
  expect((await inbox()).permissions).toEqual([]);
  await calls.close(other);
});
