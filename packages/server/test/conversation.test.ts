import type { SessionEvent, Turn, TurnResult } from 'claude-agent-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const RECALL = 'what did I say';
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const textOf = ({ messages }: TurnResult): string =>
  messages.map((item) => (item.type === 'text' ? item.content : '')).join('\n');
const recall = async (id: string): Promise<string> => textOf(await server.send(id, RECALL));

async function eventsOf(id: string): Promise<SessionEvent[]> {
  const headers = { accept: 'application/json' };
  const path = `/sessions/${id}/events?after=0&limit=10000`;
  return (await server.call<{ events: SessionEvent[] }>('GET', path, undefined, { headers })).body.events;
}

/** A session that has said apple, cleared, and said banana. */
async function cleared(): Promise<{ id: string; first: TurnResult; conversation: string }> {
  const { session_id: id } = await server.createSession();
  const first = await server.send(id, 'say apple');
  await server.send(id, '/clear');
  await server.send(id, 'say banana');
  return { id, first, conversation: (await server.status(id)).conversation_id };
}

async function restart(how: 'stop' | 'kill'): Promise<void> {
  await server[how]();
  server = await startTestServer({ on: server });
}

describe('after /clear', () => {
  test('the session is the same, its conversation another, and an event says so', async () => {
    const { id, conversation } = await cleared();
    expect(conversation).not.toBe(id);
    const events = await eventsOf(id);
    expect(events.filter((event) => event.type === 'session.conversation').map(({ data }) => data)).toEqual([
      { conversation_id: conversation, previous_id: id, trigger: 'clear' },
    ]);
    expect(await recall(id)).toMatch(/banana/);
  });

  test('a restarted server, in order or killed, goes on with the present conversation', async () => {
    const [one, two, bare] = [await cleared(), await cleared(), await server.createSession()];
    // As the very first message: of the first conversation nothing was ever written.
    await server.send(bare.session_id, '/clear');
    await restart('stop');
    expect(await recall(one.id)).toMatch(/banana/);
    expect(await recall(bare.session_id)).toMatch(/first thing/);
    await server.send(one.id, 'say cherry');
    await restart('kill');
    for (const { id } of [one, two]) {
      const said = await recall(id);
      expect(said).toMatch(/banana/);
      expect(said).not.toMatch(/apple/);
    }
    expect(await recall(one.id)).toMatch(/cherry/);
  });

  test('closing and resuming goes on with it, by the id of the session or of the conversation', async () => {
    const { id, conversation } = await cleared();
    for (const name of [id, conversation]) {
      await server.call('DELETE', `/sessions/${id}`);
      const resumed = await server.createSession({ resume_session_id: name });
      expect(resumed).toMatchObject({ session_id: id, resumed: true });
      expect(await recall(id)).toMatch(/banana/);
    }
    // An open one is not opened twice either.
    expect(await server.createSession({ resume_session_id: conversation })).toMatchObject({ session_id: id });
  });

  test('a fork has the present conversation, or the earlier one that holds its message', async () => {
    const { id, first } = await cleared();
    const fork = async (body: Record<string, unknown> = {}): Promise<string> => {
      const answer = await server.call<{ session_id: string }>('POST', `/sessions/${id}/fork`, body);
      expect(answer.status).toBe(200);
      return recall(answer.body.session_id);
    };
    expect(await fork()).toMatch(/banana/);
    const early = await fork({ up_to_message_id: first.turn_id });
    expect(early).toMatch(/apple/);
    expect(early).not.toMatch(/banana/);
    const nowhere = await server.call('POST', `/sessions/${id}/fork`, { up_to_message_id: id });
    expect(nowhere).toMatchObject({ status: 409, body: { code: 'cannot_fork' } });
  });

  test('rewinding takes files back to a message of the present conversation', async () => {
    const { session_id: id } = await server.createSession({ permission_mode: 'acceptEdits' });
    await server.send(id, '/clear');
    const { turn_id } = await server.send(id, 'write rewound.txt with one');
    const body = { message_id: turn_id, dry_run: true };
    const answer = await server.call('POST', `/sessions/${id}/rewind`, body);
    expect(answer.body).toMatchObject({ can_rewind: true, error: null });
  });

  test('each turn costs what it costs', async () => {
    const { id } = await cleared();
    const { body } = await server.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
    const costs = body.turns.map(({ result }) => result?.cost_usd ?? -1);
    expect(costs[1]).toBe(0);
    expect(costs[2]).toBeGreaterThan(0.01);
    const usage = await server.call<{ cost_usd: number }>('GET', `/sessions/${id}/usage`);
    expect(usage.body.cost_usd).toBeCloseTo(costs.reduce((sum, cost) => sum + cost, 0));
  });
});
