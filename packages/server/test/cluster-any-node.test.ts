/** Any node answers: what needs the session's owner goes there, and what is said there is heard everywhere. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { firstFrame, framesUntil, type SseFrame, script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';

const seqs = (frames: readonly SseFrame[]): number[] =>
  frames.flatMap(({ id }) => (id === undefined ? [] : [Number(id)]));

/** Until it does not throw, also on a busy machine. */
const eventually = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 30_000 });

describe.skipIf(!hasPostgres())('any node', { timeout: 120_000 }, () => {
  let cluster: TestCluster;
  let one: TestServer;
  let two: TestServer;
  beforeAll(async () => {
    cluster = await startTestCluster(2, {
      // So long a lease is not lost on a busy machine.
      args: ['--lease-seconds', '10', '--max-live-agents', '2'],
      config: { sleep_after_seconds: 1 },
    });
    [one, two] = cluster.nodes as [TestServer, TestServer];
  }, 120_000);
  afterAll(() => cluster?.stop(), 60_000);

  const listed = async (on: TestServer, id: string): Promise<string | undefined> => {
    const { body } = await on.call<{ sessions: { session_id: string; state: string }[] }>('GET', '/sessions');
    return body.sessions.find(({ session_id }) => session_id === id)?.state;
  };

  const inState = async (on: TestServer, state: string): Promise<string[]> => {
    const path = `/sessions?state=${state}`;
    const { body } = await on.call<{ sessions: { session_id: string }[] }>('GET', path);
    return body.sessions.map(({ session_id }) => session_id);
  };

  test('streams the tokens of a turn that another node runs, to early and late readers; lists show its state', async () => {
    const { session_id: id } = await one.createSession();
    const early = await two.openStream(`/sessions/${id}/events`);
    const message = script({ say: 'first words {{hold:words}}last' });
    const turn = two.send(id, message);
    await firstFrame(early, ({ event }) => event === 'agent.delta');
    await eventually(async () => expect(await listed(two, id)).toBe('running'));
    expect(await inState(two, 'running')).toContain(id);
    expect(await inState(two, 'asleep,idle')).not.toContain(id);
    expect((await two.call('GET', '/sessions/states')).body).toMatchObject({ running: 1 });
    const late = await two.openStream(`/sessions/${id}/events`);
    const until = framesUntil(late, ({ event }) => event === 'turn.completed');
    one.demo.model.gates.release('words');
    const numbers = seqs(await until);
    expect(numbers).toEqual(numbers.map((_, n) => n + 1));
    expect((await turn).is_error).toBe(false);
    await eventually(async () => expect(await listed(two, id)).toMatch(/idle|asleep/));
    expect(await inState(two, 'running')).not.toContain(id);
  });

  test('answers permissions, interrupts and messages of a session that another node owns', async () => {
    const { session_id: id } = await one.createSession();
    const message = script({ tools: [{ name: 'Bash', input: { command: 'touch a' } }] }, { say: 'done' });
    const turn = two.send(id, message);
    let request: string | undefined;
    await eventually(async () => {
      request = (await two.status(id)).pending_permission?.request_id;
      expect(request).toBeDefined();
    });
    const inbox = await two.call<{ permissions: { session_id: string }[] }>('GET', '/permissions');
    expect(inbox.body.permissions.map(({ session_id }) => session_id)).toContain(id);
    const answer = { request_id: request, allowed: true };
    expect((await two.call('POST', `/sessions/${id}/permissions/respond`, answer)).status).toBe(200);
    expect((await turn).is_error).toBe(false);
    expect((await two.call('POST', `/sessions/${id}/interrupt`)).status).toBe(200);
    expect(
      (await two.call('POST', `/invocations`, { method: 'GET', path: `/sessions/${id}` })).body,
    ).toMatchObject({
      session_id: id,
    });
    expect((await two.call('GET', '/sessions/00000000-0000-4000-8000-000000000000')).status).toBe(404);
  });

  test('sends a message once under its key, whichever node the retry reaches', async () => {
    const { session_id: id } = await one.createSession();
    const headers = { 'idempotency-key': 'k' };
    const send = (on: TestServer) =>
      on.call<{ turn_id: string }>('POST', `/sessions/${id}/messages`, { message: 'say once' }, { headers });
    const [first, second, third] = await Promise.all([send(one), send(two), send(one)]);
    expect(
      new Set([first, second, third].map(({ body }) => body.turn_id)).size,
      JSON.stringify([first, second, third]),
    ).toBe(1);
    const { body } = await two.call<{ turns: unknown[] }>('GET', `/sessions/${id}/turns`);
    expect(body.turns).toHaveLength(1);
  });

  test('tells the readers of all sessions about every node, each event once', async () => {
    const all = await two.openStream('/events');
    const { session_id: id } = await one.createSession();
    await one.send(id, 'say something');
    const frames = await framesUntil(
      all,
      ({ event, data }) => event === 'turn.completed' && (data as { session_id: string }).session_id === id,
    );
    const mine = frames
      .map(({ data }) => data as { session_id: string; seq: number })
      .filter(({ session_id }) => session_id === id)
      .map(({ seq }) => seq);
    expect(mine).toEqual([...new Set(mine)].toSorted((a, b) => a - b));
    expect(mine[0]).toBe(1);
  });

  test('gives a new session to the node with room', async () => {
    const busy = await Promise.all([one.createSession(), one.createSession()]);
    const turns = busy.map(({ session_id: id }, n) => one.send(id, script({ say: `a {{hold:busy ${n}}}b` })));
    for (const { session_id: id } of busy)
      await eventually(async () => expect((await one.status(id)).state).toBe('running'));
    const { session_id: placed } = await one.createSession();
    expect((await one.send(placed, 'say here')).is_error).toBe(false);
    for (const n of [0, 1]) one.demo.model.gates.release(`busy ${n}`);
    for (const turn of turns) expect((await turn).is_error).toBe(false);
  });
});
