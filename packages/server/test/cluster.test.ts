/** Several nodes on one database: one dies, freezes, is cut off or restarted, and its sessions go on. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionEvent, Turn } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { LEASE_SECONDS, startProxy, startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';

const until = (check: () => Promise<boolean> | boolean): Promise<void> =>
  vi.waitFor(
    async () => {
      if (!(await check())) throw new Error(`It did not become true in time: ${check}`);
    },
    { timeout: 60_000, interval: 50 },
  );

const turnsOf = async (on: TestServer, id: string): Promise<Turn[]> =>
  (await on.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`)).body.turns ?? [];

const eventsOf = async (on: TestServer, id: string): Promise<SessionEvent[]> => {
  const headers = { accept: 'application/json' };
  const path = `/sessions/${id}/events?limit=10000`;
  return (await on.call<{ events: SessionEvent[] }>('GET', path, undefined, { headers })).body.events;
};

const post = async (on: TestServer, id: string, message: string): Promise<string> => {
  const headers = { prefer: 'respond-async' };
  const { status, body } = await on.call('POST', `/sessions/${id}/messages`, { message }, { headers });
  expect(status, JSON.stringify(body)).toBe(202);
  return String(body.turn_id);
};

/** Leaves a line in a file each second, for a minute. */
const ticking = (file: string): string =>
  script(
    {
      tools: [
        { name: 'Bash', input: { command: `for i in $(seq 60); do echo $i >> ${file}; sleep 1; done` } },
      ],
    },
    { say: 'done' },
  );

const stateOf = async (on: TestServer, id: string, turnId: string): Promise<string | undefined> =>
  (await turnsOf(on, id)).find((turn) => turn.turn_id === turnId)?.state;

/** Settles when a turn is completed; says what became of it otherwise. */
const completed = async (on: TestServer, id: string, turnId: string): Promise<void> => {
  try {
    await until(async () => (await stateOf(on, id, turnId)) === 'completed');
  } catch {
    const events = (await eventsOf(on, id)).map((event) => JSON.stringify(event).slice(0, 200));
    const turns = JSON.stringify(await turnsOf(on, id));
    throw new Error(
      `The turn ${turnId} was not completed. ${turns}\n${events.join('\n')}\n${on.stderr().slice(-5_000)}`,
    );
  }
};

describe.skipIf(!hasPostgres())('a cluster', { timeout: 120_000 }, () => {
  let cluster: TestCluster;
  let ran: (file: string) => string;
  beforeAll(async () => {
    cluster = await startTestCluster(2, { config: { sleep_after_seconds: 1 } });
    const { root } = cluster.nodes[0] as TestServer;
    ran = (file) => {
      const path = join(root, file);
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    };
  }, 120_000);
  afterAll(() => cluster?.stop(), 60_000);

  /** Two nodes that are alive: the one that the test harms, and the one that goes on. */
  const pair = async (): Promise<[TestServer, TestServer]> => {
    const alive = [];
    for (const node of cluster.nodes) {
      const answer = await node.call('GET', '/health').catch(() => undefined);
      if (answer?.status === 200) alive.push(node);
    }
    while (alive.length < 2) alive.push(await cluster.start());
    const [other, victim] = alive as [TestServer, TestServer];
    return [victim, other];
  };

  /** A session that runs a command on a node, with a message in its queue. */
  const busy = async (on: TestServer, options: Record<string, unknown> = {}) => {
    const { session_id: id } = await on.createSession({ allowed_tools: ['Bash'], ...options });
    const file = `${crypto.randomUUID()}.txt`;
    const running = await post(on, id, ticking(file));
    const queued = await post(on, id, 'say after the other');
    await until(() => ran(file) !== '');
    return { id, file, running, queued };
  };

  /** Numbers without a gap, and each turn that began has one end at most. */
  const checkLog = async (on: TestServer, id: string): Promise<void> => {
    const events = await eventsOf(on, id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
    for (const turn of await turnsOf(on, id)) {
      const mine = events.filter(({ turn_id }) => turn_id === turn.turn_id).map(({ type }) => type);
      expect(mine.filter((type) => type === 'turn.started').length).toBeLessThanOrEqual(1);
      const ends = mine.filter((type) =>
        ['turn.completed', 'turn.failed', 'turn.interrupted'].includes(type),
      );
      expect(ends.length).toBeLessThanOrEqual(1);
    }
  };

  /** A turn whose approval waits without a process. */
  const parked = async (on: TestServer, other: TestServer) => {
    const file = `${crypto.randomUUID()}.txt`;
    const { session_id: id } = await on.createSession({ park_after_seconds: 0 });
    const message = script(
      { tools: [{ name: 'Bash', input: { command: `touch x; echo once >> ${file}` } }] },
      { say: 'done' },
    );
    const turn = await post(on, id, message);
    let request = '';
    await until(async () => {
      request = (await other.status(id)).pending_permissions[0]?.request_id ?? '';
      return request !== '' && (await eventsOf(other, id)).some(({ type }) => type === 'turn.parked');
    });
    return { id, turn, request, file };
  };

  /** It still waits, and its call runs once with the answer. */
  const answer = async (
    on: TestServer,
    { id, turn, request, file }: Awaited<ReturnType<typeof parked>>,
  ): Promise<void> => {
    await until(async () => (await on.status(id)).pending_permissions[0]?.request_id === request);
    const body = { request_id: request, allowed: true };
    expect((await on.call('POST', `/sessions/${id}/permissions/respond`, body)).status).toBe(200);
    await until(async () => (await stateOf(on, id, turn)) === 'completed');
    expect(ran(file)).toBe('once\n');
    await checkLog(on, id);
  };

  test('answers from any node, whichever owns the session', async () => {
    const [one, two] = await pair();
    const { session_id: id } = await one.createSession();
    expect((await two.send(id, 'say hello')).is_error).toBe(false);
    expect((await one.send(id, 'say hello again')).is_error).toBe(false);
    expect((await two.status(id)).session_id).toBe(id);
    await checkLog(two, id);
  });

  test('a node that is killed: what ran is interrupted elsewhere, what was queued runs there', async () => {
    const [victim, other] = await pair();
    const { id, file, running, queued } = await busy(victim);
    await victim.kill();
    const died = performance.now();
    await until(async () => (await stateOf(other, id, running)) === 'interrupted');
    expect(performance.now() - died).toBeLessThan(10_000);
    await completed(other, id, queued);
    const lines = ran(file);
    await sleep(1_500);
    expect(ran(file)).toBe(lines);
    await checkLog(other, id);
    // A session that slept belongs to nobody.
    expect((await other.send(id, 'say and on')).is_error).toBe(false);
  });

  test('a node that is killed: a parked approval stays pending, and runs once with its answer', async () => {
    const [victim, other] = await pair();
    const waiting = await parked(victim, other);
    await victim.kill();
    await sleep(LEASE_SECONDS * 1000);
    await answer(other, waiting);
  });

  test('a node that is killed: a turn goes on elsewhere if its session says so', async () => {
    const [victim, other] = await pair();
    const { id, running } = await busy(victim, { on_crash: 'resume' });
    await victim.kill();
    await until(async () => (await eventsOf(other, id)).some(({ type }) => type === 'turn.continued'));
    await until(async () => (await stateOf(other, id, running)) === 'completed');
    await checkLog(other, id);
  });

  test('a frozen node: its agents are gone, nothing runs twice, and it works again as a node', async () => {
    const [victim, other] = await pair();
    const { id, file, running, queued } = await busy(victim);
    const agents = processesOf(id).map(({ pid }) => pid);
    expect(agents.length).toBeGreaterThan(0);
    process.kill(victim.pid, 'SIGSTOP');
    try {
      await until(() => processesOf(id).every(({ pid }) => !agents.includes(pid)));
      const lines = ran(file);
      await until(async () => (await stateOf(other, id, running)) === 'interrupted');
      await completed(other, id, queued);
      expect(ran(file)).toBe(lines);
      const before = (await eventsOf(other, id)).length;
      process.kill(victim.pid, 'SIGCONT');
      await until(async () => (await victim.call('GET', '/health')).status === 200);
      await sleep(1_500);
      expect(ran(file)).toBe(lines);
      const late = (await eventsOf(other, id)).slice(before);
      expect(late.filter(({ turn_id }) => turn_id === running)).toEqual([]);
    } finally {
      process.kill(victim.pid, 'SIGCONT');
    }
    await checkLog(other, id);
    // Through the node that was frozen, and in it.
    expect((await victim.send(id, 'say again')).is_error).toBe(false);
    const { session_id: fresh } = await victim.createSession();
    expect((await victim.send(fresh, 'say new')).is_error).toBe(false);
    expect(victim.stderr()).toContain('This node');
  });

  test('a node that is cut off from the database loses its sessions, and is a node again afterwards', async () => {
    const [, other] = await pair();
    const proxy = await startProxy(cluster.database);
    const victim = await cluster.start({ env: { AGENT_SERVER_DATABASE_URL: proxy.url } });
    try {
      const { id, file, running, queued } = await busy(victim);
      proxy.cut();
      await until(async () => (await stateOf(other, id, running)) === 'interrupted');
      const lines = ran(file);
      await completed(other, id, queued);
      expect(ran(file)).toBe(lines);
      await checkLog(other, id);
      proxy.mend();
      await until(async () => (await victim.call('POST', '/sessions', {})).status === 200);
      expect((await victim.send(id, 'say back')).is_error).toBe(false);
    } finally {
      await victim.stop();
      await proxy.close();
    }
  });

  test('a rolling restart loses nothing: queued messages go on elsewhere, approvals wait', async () => {
    const [victim, other] = await pair();
    const sessions = await Promise.all([busy(victim), busy(victim)]);
    const waiting = await parked(victim, other);
    const stopped = victim.stop();
    for (const { id, running, queued } of sessions) {
      await until(async () => (await stateOf(other, id, running)) === 'interrupted');
      await completed(other, id, queued);
    }
    expect(await stopped).toBe(0);
    await answer(other, waiting);
    for (const { id } of sessions) await checkLog(other, id);
    const again = await cluster.start({ on: victim });
    for (const { id } of sessions) expect((await again.send(id, 'say on')).is_error).toBe(false);
  });
});
