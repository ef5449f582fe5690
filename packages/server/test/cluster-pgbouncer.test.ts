/** Two nodes that reach their database through PgBouncer in transaction mode: nothing of a connection lasts. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { firstFrame, framesUntil, type SseFrame, script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { findPooler, hasPostgres, newDatabase, startPooler } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';

const program = findPooler();

const seqs = (frames: readonly SseFrame[]): number[] =>
  frames.flatMap(({ id }) => (id === undefined ? [] : [Number(id)]));

describe.skipIf(!hasPostgres() || program === undefined)(
  'nodes behind PgBouncer',
  { timeout: 120_000 },
  () => {
    let pooler: Awaited<ReturnType<typeof startPooler>>;
    let cluster: TestCluster;
    let one: TestServer;
    let two: TestServer;
    beforeAll(async () => {
      pooler = await startPooler(program ?? '');
      cluster = await startTestCluster(2, {
        env: { AGENT_SERVER_DATABASE_URL: pooler.through(await newDatabase()) },
        config: { database_pooler: 'transaction' },
      });
      [one, two] = cluster.nodes as [TestServer, TestServer];
    }, 120_000);
    afterAll(async () => {
      await cluster?.stop();
      await pooler?.stop();
    }, 60_000);

    const eventually = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 30_000 });

    test("create, send, ask, answer and stream on whichever node; a dead node's queue runs on the other", async () => {
      const { session_id: id } = await one.createSession();
      const stream = await two.openStream(`/sessions/${id}/events`);
      const all = await two.openStream('/events');
      const seen = framesUntil(stream, ({ event }) => event === 'turn.completed');
      const seenOfAll = framesUntil(all, ({ event }) => event === 'turn.completed');
      const turn = two.send(
        id,
        script(
          { tools: [{ name: 'Bash', input: { command: 'touch a' } }] },
          { say: 'words {{hold:end}}done' },
        ),
      );
      let request: string | undefined;
      await eventually(async () => {
        const { body } = await two.call<{ permissions: { request_id: string; session_id: string }[] }>(
          'GET',
          '/permissions',
        );
        request = body.permissions.find(({ session_id }) => session_id === id)?.request_id;
        expect(request).toBeDefined();
      });
      const late = await two.openStream(`/sessions/${id}/events`);
      const delta = firstFrame(late, ({ event }) => event === 'agent.delta');
      const answer = { request_id: request, allowed: true };
      expect((await two.call('POST', `/sessions/${id}/permissions/respond`, answer)).status).toBe(200);
      await delta;
      one.demo.model.gates.release('end');
      expect((await turn).is_error).toBe(false);
      const numbers = seqs(await seen);
      expect(numbers).toEqual(numbers.map((_, n) => n + 1));
      expect(seqs(await seenOfAll).length).toBeGreaterThan(3);

      const headers = { prefer: 'respond-async' };
      const send = (message: string) =>
        two.call('POST', `/sessions/${id}/messages`, { message }, { headers });
      expect((await send(script({ say: 'never {{hold:dead}}said' }))).status).toBe(202);
      expect((await send('say after it')).status).toBe(202);
      await eventually(async () => expect((await two.status(id)).state).toBe('running'));
      await one.kill();
      await eventually(async () => {
        const { body } = await two.call<{ turns: { state: string }[] }>('GET', `/sessions/${id}/turns`);
        expect(body.turns.map(({ state }) => state).toSorted()).toEqual([
          'completed',
          'completed',
          'interrupted',
        ]);
      });
    });
  },
);
