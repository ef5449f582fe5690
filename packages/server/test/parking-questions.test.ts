/** Questions and plans that outlive every process, on the real agent. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PermissionRequest, SessionEvent } from 'claude-agent-protocol';
import { describe, expect, test, vi } from 'vitest';
import { processesOf } from './support/agents.ts';
import { ask, eventsOf, respond, type Start, sendAgain, servers, until } from './support/parking.ts';
import type { TestServer } from './support/server.ts';

// A test starts up to two servers and four agents.
vi.setConfig({ testTimeout: 60_000 });

/** Reads a session's stream over any number of connections, as a client that comes back does. */
function follow(id: string): { on(server: TestServer): void; seen: SessionEvent[]; cut: () => number } {
  const seen: SessionEvent[] = [];
  let connections = 0;
  const read = async (on: TestServer): Promise<void> => {
    connections += 1;
    const headers = { 'last-event-id': `${seen.at(-1)?.seq ?? 0}` };
    for await (const { id: seq, data } of on.stream(`/sessions/${id}/events`, { headers }))
      if (seq !== undefined) seen.push(data);
  };
  return { seen, cut: () => connections - 1, on: (server) => void read(server).catch(() => {}) };
}

describe('a question and a plan are asked again, and their answers reach the agent, when', () => {
  const ways: Record<string, (on: TestServer, start: Start, ids: string[]) => Promise<TestServer>> = {
    async 'the server was killed'(on, start) {
      await on.kill();
      return start();
    },
    async 'the server was shut down'(on, start) {
      expect(await on.stop()).toBe(0);
      return start();
    },
    async 'their agents were killed'(on, _, ids) {
      for (const id of ids) {
        process.kill(processesOf(id)[0]?.pid ?? 0, 'SIGKILL');
        await until(async () => (await eventsOf(on, id)).at(-1)?.type === 'turn.parked');
      }
      return on;
    },
  };

  test.concurrent.for(Object.entries(ways))(
    '%s: the waiting request, its key and the stream see one turn each',
    async ([way, happen], context) => {
      const start = servers(context);
      let on = await start();
      const texts = ['ask me a question', 'plan write plan.txt with planned'] as const;
      const question = await ask(on, {}, texts[0]);
      const plan = await ask(on, { permission_mode: 'plan' }, texts[1]);
      expect([question, plan].map(({ request }) => [request.kind, request.durable])).toEqual([
        ['question', true],
        ['plan', true],
      ]);
      const streams = [question, plan].map(({ id }) => follow(id));
      for (const stream of streams) stream.on(on);
      const before = [question, plan].map(({ id, key }, n) =>
        sendAgain(on, id, key, texts[n]).catch(() => null),
      );
      on = await happen(on, start, [question.id, plan.id]);
      if (way !== 'their agents were killed') {
        // A server that shuts down says so; one that was killed says nothing.
        for (const answer of await Promise.all(before))
          expect([undefined, 'server_stopping']).toContain((answer as { code?: string } | null)?.code);
        for (const stream of streams) stream.on(on);
      }
      for (const { id, request } of [question, plan])
        expect((await on.status(id)).pending_permissions).toEqual([request]);
      const waiting = [question, plan].map(({ id, key }, n) => sendAgain(on, id, key, texts[n]));

      const { questions } = question.request.tool_input as {
        questions: { question: string; options: { label: string }[] }[];
      };
      const answers = Object.fromEntries(questions.map((each) => [each.question, each.options[0]?.label]));
      await respond(on, question.id, {
        request_id: question.request.request_id,
        allowed: true,
        updated_input: { answers },
      });
      await respond(on, plan.id, { request_id: plan.request.request_id, allowed: true });
      // The approved plan is carried out; what it does is asked for as always.
      const { request_id } = await next(on, plan.id, plan.request.request_id);
      await respond(on, plan.id, { request_id, allowed: true });
      const [asked, planned] = await Promise.all(waiting);
      expect(asked).toMatchObject({ turn_id: question.request.turn_id, is_error: false });
      expect(JSON.stringify(asked)).toContain(questions[0]?.options[0]?.label);
      expect(planned).toMatchObject({ turn_id: plan.request.turn_id, is_error: false });
      expect(readFileSync(join(on.root, 'plan.txt'), 'utf8')).toBe('planned');
      if (way === 'their agents were killed') expect(await Promise.all(before)).toEqual([asked, planned]);

      for (const [n, { id }] of [question, plan].entries()) {
        const log = await eventsOf(on, id);
        const types = log.map(({ type }) => type);
        for (const once of ['turn.queued', 'turn.started', 'turn.parked', 'turn.resumed', 'turn.completed'])
          expect([once, types.filter((type) => type === once).length]).toEqual([once, 1]);
        await until(() => streams[n]?.seen.length === log.length);
        expect(streams[n]?.seen).toEqual(log);
        expect(streams[n]?.cut()).toBe(way === 'their agents were killed' ? 0 : 1);
      }
    },
  );
});

/** The request after this one. */
async function next(on: TestServer, id: string, before: string): Promise<PermissionRequest> {
  let found: PermissionRequest | undefined;
  await until(async () => {
    found = (await on.status(id)).pending_permissions.find(({ request_id }) => request_id !== before);
    return found !== undefined;
  });
  return found as PermissionRequest;
}
