import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PermissionRequest, SessionDetail, SessionEvent, Turn, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { processesOf } from './support/agents.ts';
import { framesUntil, script } from './support/api.ts';
import { type Cast, createLedger, type Ledger, load } from './support/load.ts';
import { createRandom } from './support/random.ts';
import { chaos, rounds } from './support/rounds.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const ROUNDS = rounds({ quick: 4, long: 10 });
const RECALL = 'what did I say';
const random = createRandom();
let server: TestServer;
/** Another server, with its own home. */
let neighbour: TestServer;
/** A process that looks like an agent and is nobody's. */
let bystander: ChildProcess;

beforeAll(async () => {
  [server, neighbour] = await Promise.all([startTestServer(), startTestServer()]);
});
afterAll(async () => {
  bystander?.kill('SIGKILL');
  await Promise.all([cleanUp(server), cleanUp(neighbour)]);
});

/** The agent processes of sessions, and what they started. */
const pidsOf = (sessionIds: string[]): number[] =>
  sessionIds.flatMap((id) => processesOf(id).map((each) => each.pid));

async function eventsOf(sessionId: string): Promise<SessionEvent[]> {
  const headers = { accept: 'application/json' };
  const path = `/sessions/${sessionId}/events?limit=1000`;
  const events: SessionEvent[] = [];
  for (let after = 0, more = true; more; ) {
    const { body } = await server.call<{ events: SessionEvent[]; next_after: number; has_more: boolean }>(
      'GET',
      `${path}&after=${after}`,
      undefined,
      { headers },
    );
    events.push(...body.events);
    ({ next_after: after, has_more: more } = body);
  }
  return events;
}
const turnsOf = async (sessionId: string): Promise<Turn[]> =>
  (await server.call<{ turns: Turn[] }>('GET', `/sessions/${sessionId}/turns?limit=1000`)).body.turns;

/** Both as of one moment: a turn may end between two requests. */
const readAtOnce = async (sessionId: string) => {
  for (;;) {
    const before = await eventsOf(sessionId);
    const turns = await turnsOf(sessionId);
    const events = await eventsOf(sessionId);
    if (events.length === before.length) return { events, turns };
  }
};

const isEnd = ({ type }: SessionEvent): boolean => /^turn\.(completed|failed|interrupted)$/.test(type);
const textOf = ({ messages }: TurnResult): string =>
  messages.map((item) => (item.type === 'text' ? item.content : '')).join('');

/** What one restart had to settle, so that the test can tell that there was something. */
interface Settled {
  interrupted: Turn[];
  expired: string[];
  resumed: Turn[];
  /** Permissions that outlived the server; their turns wait on. */
  kept: PermissionRequest[];
}

/** Checks everything that must hold for a session right after a restart. */
async function check(sessionId: string, ledger: Ledger, diedAt: string): Promise<Settled> {
  const { events, turns } = await readAtOnce(sessionId);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  for (const [seq, shown] of ledger.events.get(sessionId) ?? []) expect(events[seq - 1]).toEqual(shown);
  for (const [turnId, turn] of ledger.turns) {
    if (turn.sessionId !== sessionId) continue;
    const kept = turns.find((each) => each.turn_id === turnId);
    expect(kept, `turn ${turnId} of ${turn.key}`).toBeDefined();
    const result = ledger.results.get(turnId);
    if (result) expect(kept?.result).toEqual(result);
  }

  // One turn at a time, in the order of arrival, each started and ended at most once.
  const started = events.filter((event) => event.type === 'turn.started').map((event) => event.turn_id);
  expect(started).toEqual(turns.slice(0, started.length).map((turn) => turn.turn_id));
  let running: string | null = null;
  for (const event of events) {
    if (event.type === 'turn.started') {
      expect(running).toBeNull();
      running = event.turn_id;
    } else if (isEnd(event)) {
      expect(running).toBe(event.turn_id);
      running = null;
    }
  }

  const { body: detail } = await server.call<SessionDetail>('GET', `/sessions/${sessionId}/status`);
  const kept = detail.pending_permissions;
  expect(kept.every(({ durable }) => durable)).toBe(true);
  const settled: Settled = { interrupted: [], expired: [], resumed: [], kept };
  for (const turn of turns) {
    const mine = events.filter((event) => event.turn_id === turn.turn_id);
    const [begin, end] = [mine.find((event) => event.type === 'turn.started'), mine.findLast(isEnd)];
    if (end) expect(end.type).toBe(`turn.${turn.state}`);
    else expect(turn.state).toBe(begin ? 'running' : 'queued');
    if (!begin || begin.at > diedAt) {
      settled.resumed.push(turn);
    } else if (!end && kept.some(({ turn_id }) => turn_id === turn.turn_id)) {
      expect(mine.some(({ type }) => type === 'turn.parked')).toBe(true);
    } else if (!end || end.at > diedAt) {
      expect(end).toMatchObject({ type: 'turn.interrupted', data: { reason: 'server_restarted' } });
      expect(turn.result).toMatchObject({ is_error: true, error: { code: 'server_restarted' } });
      settled.interrupted.push(turn);
    }
  }

  for (const event of events) {
    if (event.type !== 'permission.requested') continue;
    const id = event.data.request_id;
    const ends = events.filter((each) => each.type === 'permission.resolved' && each.data.request_id === id);
    expect(ends).toHaveLength(kept.some(({ request_id }) => request_id === id) ? 0 : 1);
    if (ends.length === 0) continue;
    if (ledger.answered.has(id)) expect(ends[0]?.data).toMatchObject({ state: 'allowed' });
    if ((ends[0]?.at ?? '') <= diedAt) continue;
    expect(ends[0]?.data).toMatchObject({ state: 'expired', reason: 'server_restarted' });
    settled.expired.push(id);
  }
  expect(detail.status).toBe('connected');
  return settled;
}

/** Answers what a turn asks until it ends. */
async function allow(request: PermissionRequest): Promise<Turn> {
  const path = `/sessions/${request.session_id}`;
  for (;;) {
    const { body: turn } = await server.call<Turn>('GET', `${path}/turns/${request.turn_id}`);
    if (turn.ended_at !== null) return turn;
    const { body } = await server.call<SessionDetail>('GET', `${path}/status`);
    for (const { request_id } of body.pending_permissions)
      await server.call('POST', `${path}/permissions/respond`, { request_id, allowed: true });
    await sleep(50);
  }
}

test(
  `a loaded server killed at ${ROUNDS} random moments loses nothing, repeats nothing, and continues`,
  chaos(180),
  async () => {
    console.log(`recovery: seed ${random.seed}`);
    const create = async (title: string, more = {}): Promise<string> =>
      (await server.createSession({ title, ...more })).session_id;
    const cast: Cast = {
      command: await create('command', { allowed_tools: ['Bash'] }),
      queue: await create('queue'),
      permission: await create('permission'),
      busy: await create('busy'),
    };
    const sessions = Object.values(cast);
    const { gates } = server.demo.model;

    const other = await neighbour.createSession();
    await neighbour.send(other.session_id, 'say I was here');
    const foreign = pidsOf([other.session_id]);
    bystander = spawn(
      process.execPath,
      ['-e', 'setTimeout(() => {}, 1e9)', 'claude', '--resume', cast.busy],
      {
        env: { ...process.env, CLAUDE_AGENT_SERVER: server.home },
        stdio: 'ignore',
      },
    );

    const ledger = createLedger();
    const total = { interrupted: 0, expired: 0, kept: 0, resumed: 0, processes: 0, again: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of ['command', 'queue']) {
        gates.reached(`${name} ${round}`, 2).then(() => {
          total.again++;
        });
        gates.release(`${name} ${round}`);
      }
      const loaded = load(server, ledger, cast, round);
      // Half of the kills meet a server on which everything is under way, the others come at any time before.
      if (round % 2 === 0) {
        const permissions = server.stream(`/sessions/${cast.permission}/events`);
        await Promise.all([
          // The agent, the shell, and the command in it.
          vi.waitFor(() => expect(pidsOf([cast.command]).length).toBeGreaterThan(2), 20_000),
          gates.reached(`queue ${round}`),
          framesUntil(permissions, ({ event, data }) => {
            return event === 'permission.requested' && JSON.stringify(data).includes(`${round}-1.txt`);
          }),
        ]);
      }
      await sleep(random.below(round % 2 === 0 ? 200 : 1_500));
      const processes = pidsOf(sessions);
      await server.kill();
      const diedAt = new Date().toISOString();
      await loaded;
      expect(ledger.problems).toEqual([]);

      server = await startTestServer({ on: server });
      const label = `round ${round}, seed ${random.seed}`;
      expect(
        pidsOf(sessions).filter((pid) => processes.includes(pid)),
        label,
      ).toEqual([]);
      const settled = await Promise.all(sessions.map((id) => check(id, ledger, diedAt)));
      total.processes += processes.length;
      total.interrupted += settled.flatMap((each) => each.interrupted).length;
      total.expired += settled.flatMap((each) => each.expired).length;

      // What waited for a permission goes on with the answer.
      for (const request of settled.flatMap((each) => each.kept)) {
        expect(await allow(request), label).toMatchObject({
          state: 'completed',
          result: { is_error: false },
        });
        total.kept++;
      }

      // What was queued goes on by itself.
      for (const [n, { resumed }] of settled.entries()) {
        for (const turn of resumed) {
          const stream = server.stream(`/sessions/${sessions[n]}/events`);
          await framesUntil(stream, ({ data }) => isEnd(data) && data.turn_id === turn.turn_id);
          const { body } = await server.call<Turn>('GET', `/sessions/${sessions[n]}/turns/${turn.turn_id}`);
          expect(body.state, label).toBe('completed');
          if (typeof turn.message === 'string')
            expect(turn.message).toContain(textOf(body.result as TurnResult));
          total.resumed++;
        }
      }

      // The idempotency key holds: of what was accepted, and of what nobody knows about.
      const keys = await retryAll(
        ledger,
        settled.flatMap((each) => each.interrupted),
      );
      for (const id of sessions) {
        const messages = (await turnsOf(id)).map((turn) => turn.message).filter((each) => each !== RECALL);
        expect(messages, label).toEqual([...new Set(messages)]);
      }
      expect(keys.every(Boolean), label).toBe(true);

      // And so does the conversation.
      const remembered = await server.send(cast.busy, RECALL);
      const prompts = [...ledger.results.values()]
        .filter((each) => each.session_id === cast.busy)
        .map(textOf);
      for (const prompt of prompts) expect(textOf(remembered), label).toContain(prompt);
    }

    for (const id of sessions) {
      const remembered = await server.send(id, RECALL);
      expect(textOf(remembered)).toContain('1. ');
    }
    expect(total.again).toBe(0);
    expect(total.interrupted).toBeGreaterThanOrEqual(ROUNDS);
    // On a machine that is too busy a call is not known to be alone in time, and its request is not durable.
    expect(total.kept + total.expired).toBeGreaterThanOrEqual(ROUNDS / 2);
    expect(total.kept).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 3));
    expect(total.resumed).toBeGreaterThanOrEqual(ROUNDS);
    expect(total.processes).toBeGreaterThanOrEqual(3 * ROUNDS);
    console.log(
      'recovery:',
      JSON.stringify({ ...total, results: ledger.results.size, turns: ledger.turns.size }),
    );

    // Nobody else's processes were touched.
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    expect(foreign).not.toEqual([]);
    expect(pidsOf([other.session_id])).toEqual(foreign);
    expect(textOf(await neighbour.send(other.session_id, RECALL))).toContain('I was here');
  },
);

test(
  'a server killed during recovery recovers at the next start, and settles everything once',
  chaos(60),
  async () => {
    const { session_id } = await server.createSession();
    const message = script({ tools: [{ name: 'Bash', input: { command: 'echo once >> once.txt' } }] });
    const waiting = server.stream(`/sessions/${session_id}/events`);
    const headers = { prefer: 'respond-async' };
    await server.call('POST', `/sessions/${session_id}/messages`, { message }, { headers });
    await framesUntil(waiting, ({ event }) => event === 'permission.requested');
    await server.kill();
    const diedAt = new Date().toISOString();

    const pid = (): number | undefined => {
      const [, number] = /^(\d+)\n$/.exec(readFileSync(join(server.home, 'server.pid'), 'utf8')) ?? [];
      return number === undefined ? undefined : Number(number);
    };
    for (let n = 0; n < 3; n++) {
      const before = pid();
      const attempt = startTestServer({ on: server }).then(
        (started) => started.kill(),
        () => {},
      );
      // It says who it is as soon as it has the home, before it looks at what was left there.
      await vi.waitFor(() => expect([undefined, before]).not.toContain(pid()), {
        interval: 2,
        timeout: 20_000,
      });
      await sleep(random.below(50));
      const mine = pid();
      try {
        if (mine) process.kill(mine, 'SIGKILL');
      } catch {
        // it was ready, and was killed for that
      }
      await attempt;
    }
    server = await startTestServer({ on: server });
    const settled = await check(session_id, createLedger(), diedAt);
    expect(settled).toMatchObject({ interrupted: [], expired: [], resumed: [], kept: [{ durable: true }] });
    const types = (await eventsOf(session_id)).map(({ type }) => type);
    expect(types.filter((type) => type === 'turn.parked')).toHaveLength(1);
    expect(existsSync(join(server.root, 'once.txt'))).toBe(false);
    for (const request of settled.kept) expect(await allow(request)).toMatchObject({ state: 'completed' });
    expect(readFileSync(join(server.root, 'once.txt'), 'utf8')).toBe('once\n');
    const ends = (await eventsOf(session_id)).filter(isEnd);
    expect(ends).toHaveLength(1);
  },
);

/** Sends again what was interrupted and what nobody knows about; tells for each whether the key held. */
async function retryAll(ledger: Ledger, interrupted: Turn[]): Promise<boolean[]> {
  const unknown = ledger.unknown.splice(0);
  const known = interrupted.flatMap((turn) => {
    const key = ledger.turns.get(turn.turn_id)?.key;
    return key ? [{ turn, key }] : [];
  });
  const retry = (sessionId: string, key: string, message: unknown) =>
    server.call<TurnResult>(
      'POST',
      `/sessions/${sessionId}/messages`,
      { message },
      { headers: { 'idempotency-key': key } },
    );
  const replays = known.map(async ({ turn, key }) => {
    const { headers, body } = await retry(turn.session_id, key, turn.message);
    return (
      headers.get('idempotent-replayed') === 'true' &&
      body.turn_id === turn.turn_id &&
      body.error?.code === 'server_restarted'
    );
  });
  // Those that would wait for ever are only kept from being sent twice.
  const once = unknown
    .filter(({ message }) => !message.startsWith('script'))
    .map(async ({ sessionId, key, message }) => {
      const first = await retry(sessionId, key, message);
      const second = await retry(sessionId, key, message);
      return first.status === 200 && second.body.turn_id === first.body.turn_id;
    });
  return Promise.all([...replays, ...once]);
}
