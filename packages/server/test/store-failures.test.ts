import { setTimeout as sleep, setImmediate as soon } from 'node:timers/promises';
import type { SessionCreated, TurnResult } from 'claude-agent-protocol';
import { describe, expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import type { Session } from '../src/sessions/session.ts';
import type { Store } from '../src/store/store.ts';
import { createInProcess, type InProcess } from './support/in-process.ts';
import { createRandom, type Random } from './support/random.ts';
import { chaos } from './support/rounds.ts';

const HISTORIES = 30;
const STEPS = 30;

/** The fake agent asks for a permission when it gets this. */
const ASKS = 'can';

/** A store that takes nothing while `full` is set: as of a full disk, what was committed stays. */
function failing(real: Store): { store: Store; disk: { full: boolean } } {
  const disk = { full: false };
  const refuse = async (): Promise<never> => {
    await soon();
    throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR' });
  };
  const store: Store = {
    ...real,
    write: (changes) => (disk.full ? refuse() : real.write(changes)),
    probe: () => (disk.full ? refuse() : real.probe()),
  };
  return { store, disk };
}

/** Notes what an agent is told before the store has it. */
function watched(agent: Agent, store: () => Store, problems: string[]): Agent {
  return {
    ...agent,
    async start(options, events, signal) {
      const process = await agent.start(
        options,
        {
          ...events,
          async onQuestion(question) {
            const decision = await events.onQuestion(question);
            const { permissions } = await store().pendingPermissions();
            if (permissions.some(({ toolUseId }) => toolUseId === question.toolUseId)) {
              problems.push('the agent was told of a decision that is not in the store');
            }
            return decision;
          },
        },
        signal,
      );
      return {
        ...process,
        send(turnId, input) {
          void store()
            .getTurn(options.sessionId, turnId)
            .then((turn) => {
              if (turn?.state !== 'running') problems.push(`a turn runs that is ${turn?.state} in the store`);
            });
          process.send(turnId, input);
        },
      };
    },
  };
}

interface World {
  server: InProcess;
  disk: { full: boolean };
  problems: string[];
  call(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
}

function newWorld(between: (agent: Agent) => Agent = (agent) => agent): World {
  const problems: string[] = [];
  let disk = { full: false };
  const server: InProcess = createInProcess({
    store(real) {
      const made = failing(real);
      disk = made.disk;
      return made.store;
    },
    // As often as possible between the messages.
    sleepAfterSeconds: 0.005,
    agent: (fake) => watched(between(fake), () => server.store, problems),
  });
  return {
    server,
    disk,
    problems,
    async call(method, path, body) {
      const response = await server.fetch(
        new Request(`http://127.0.0.1:8000${path}`, {
          method,
          headers: { host: '127.0.0.1:8000', 'content-type': 'application/json' },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      );
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
  };
}

/** Memory and store at the same moment: everything is read before anything else can happen. */
async function compare({ server, problems }: World, session: Session, at: string): Promise<void> {
  const { store } = server;
  const memory = {
    record: session.record(),
    state: session.state(),
    turn: session.currentTurnId(),
    queued: session.queuedTurns(),
    pending: session.pendingPermissions().map((request) => request.request_id),
    tasks: session.tasks().length,
  };
  const [record, turns, { permissions }, events] = await Promise.all([
    store.getSession(session.id),
    store.listTurns({ sessionId: session.id, limit: 10_000 }),
    store.pendingPermissions(),
    store.readEvents(session.id, 0, 100_000),
  ]);
  const last = (type: string) => JSON.parse(events.findLast((event) => event.type === type)?.json ?? '{}');
  const running = turns.filter((turn) => turn.state === 'running').map(({ id }) => id);
  const stored = {
    record: { ...record, lastSeq: 0 },
    state: last('session.state').state ?? 'asleep',
    running: running.includes(memory.turn ?? '') || running.length === 0,
    queued: turns.filter((turn) => turn.state === 'queued').length,
    pending: permissions.filter(({ sessionId }) => sessionId === session.id).map(({ id }) => id),
    tasks: last('session.tasks').tasks?.length ?? 0,
  };
  const same = {
    record: { ...memory.record, lastSeq: 0 },
    state: memory.state,
    running: memory.turn === null ? running.length === 0 : running.includes(memory.turn),
    queued: memory.queued,
    pending: memory.pending,
    tasks: memory.tasks,
  };
  try {
    expect(same).toEqual({ ...stored, running: true });
  } catch (error) {
    problems.push(`${at}: ${(error as Error).message}`);
  }
}

async function history(random: Random): Promise<void> {
  const world = newWorld();
  const { server, disk, problems, call } = world;
  const created = (await call('POST', '/sessions', {})).body as unknown as SessionCreated;
  const path = `/sessions/${created.session_id}`;
  const session = await server.sessions.get(created.session_id);
  const accepted: string[] = [];
  const waiting: Promise<unknown>[] = [];
  const send = async (): Promise<void> => {
    const message = String.fromCharCode(97 + random.below(26)).repeat(1 + random.below(12));
    const when_busy = ['queue', 'queue', 'interrupt', 'reject'][random.below(4)];
    const wait_for = random.below(4) === 0 ? 'background' : 'turn';
    const { status, body } = await call('POST', `${path}/messages`, { message, when_busy, wait_for });
    if (status === 200) accepted.push((body as unknown as TurnResult).turn_id);
    else if (![409, 502, 503].includes(status)) problems.push(`a message was answered ${status}`);
  };
  const steps: (() => Promise<unknown>)[] = [
    send,
    send,
    send,
    async () => {
      disk.full = !disk.full;
    },
    () => call('POST', `${path}/interrupt`, { scope: random.below(3) === 0 ? 'all' : 'turn' }),
    () => call('PATCH', path, { title: `title ${random.below(1000)}` }),
    () => call('POST', `${path}/model`, { model: `model-${random.below(1000)}` }),
    async () => {
      const [request] = session.pendingPermissions();
      if (!request) return;
      const interrupt = random.below(2) === 0;
      const answer = { request_id: request.request_id, allowed: random.below(2) === 0, interrupt };
      await call('POST', `${path}/permissions/respond`, answer);
    },
    async () => {
      const [queued] = await server.store.listTurns({ sessionId: session.id, state: 'queued', limit: 1 });
      if (queued) await call('DELETE', `${path}/turns/${queued.id}`);
    },
  ];
  for (let n = 0; n < STEPS; n++) {
    const step = steps[random.below(steps.length)] as () => Promise<unknown>;
    waiting.push(step());
    for (let ticks = random.below(6); ticks > 0; ticks--) await soon();
    if (random.below(4) === 0) await sleep(random.below(25));
    await compare(world, session, `after step ${n}`);
  }
  // The store works again: the session goes on by itself, and everybody who waits is answered.
  disk.full = false;
  await Promise.all(waiting);
  await expect.poll(() => session.state(), { timeout: 10_000 }).toMatch(/idle|asleep/);
  await expect.poll(() => session.isStuck(), { timeout: 10_000 }).toBe(false);
  await compare(world, session, 'at the end');
  const turns = await server.store.listTurns({ sessionId: session.id, limit: 10_000 });
  for (const turn of turns) {
    if (turn.endedAt === null) problems.push(`a turn is still ${turn.state}`);
    if (turn.waitFor === 'background' && turn.settledAt === null) problems.push('a turn is never settled');
  }
  for (const id of accepted)
    if (!turns.some((turn) => turn.id === id)) problems.push('an answered turn is lost');
  const closed = await call('DELETE', path);
  expect(closed).toMatchObject({ status: 200 });
  expect(session.state()).toBe('closed');
  await server.close();
  expect(problems).toEqual([]);
}

describe('a store that fails at random', () => {
  test(
    `is never behind memory, in ${HISTORIES} random histories; afterwards everything goes on by itself`,
    chaos(120),
    async () => {
      const random = createRandom();
      console.log(`store failures: seed ${random.seed}`);
      // Each waits for back-off more than it works, and has a store of its own.
      await Promise.all(Array.from({ length: HISTORIES }, (_, n) => history(createRandom(random.seed + n))));
    },
  );

  test('keeps a session open if its close cannot be stored, and says so; later the close succeeds', async () => {
    const { server, disk, call } = newWorld();
    const { session_id: id } = (await call('POST', '/sessions', {})).body as unknown as SessionCreated;
    const session = await server.sessions.get(id);
    disk.full = true;
    expect(await call('DELETE', `/sessions/${id}`)).toMatchObject({
      status: 503,
      body: { code: 'storage_failed' },
    });
    expect(session.record().status).toBe('connected');
    expect((await server.store.getSession(id))?.status).toBe('connected');
    expect(await call('GET', '/ready')).toMatchObject({ status: 503, body: { code: 'not_ready' } });
    const refused = await call('POST', `/sessions/${id}/messages`, { message: 'hello' });
    expect(refused).toMatchObject({ status: 503, body: { code: 'storage_failed' } });
    disk.full = false;
    expect((await call('GET', '/ready')).status).toBe(200);
    // No turn was begun by the message that was refused.
    expect((await call('GET', `/sessions/${id}/turns`)).body.turns).toEqual([]);
    expect((await call('POST', `/sessions/${id}/messages`, { message: 'hello' })).status).toBe(200);
    expect((await call('DELETE', `/sessions/${id}`)).status).toBe(200);
    await server.close();
  });

  test('does not run the next turn before the end of the one before, and its own start, are written', async () => {
    const sent: string[] = [];
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const world = newWorld((agent) => ({
      ...agent,
      async start(...given) {
        const process = await agent.start(...given);
        return {
          ...process,
          send(turnId, input) {
            sent.push(String(input));
            void begun.then(() => process.send(turnId, input));
          },
        };
      },
    }));
    const { server, disk, call } = world;
    const { session_id: id } = (await call('POST', '/sessions', {})).body as unknown as SessionCreated;
    const first = call('POST', `/sessions/${id}/messages`, { message: 'hello' });
    await expect.poll(() => sent).toEqual(['hello']);
    const second = call('POST', `/sessions/${id}/messages`, { message: 'please' });
    const session = await server.sessions.get(id);
    await expect.poll(() => session.queuedTurns()).toBe(1);
    disk.full = true;
    begin();
    await expect.poll(() => session.isStuck()).toBe(true);
    // The agent is done with the first; neither its end nor the start of the second could be written.
    await sleep(50);
    expect(sent).toEqual(['hello']);
    expect(session.queuedTurns()).toBe(1);
    await compare(world, session, 'while the store fails');
    disk.full = false;
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    expect(sent).toEqual(['hello', 'please']);
    await server.close();
    expect(world.problems).toEqual([]);
  });

  test('keeps a permission pending that times out meanwhile, and tells the agent when its end is written', async () => {
    let decision: unknown;
    const world = newWorld((agent) => ({
      ...agent,
      start: (options, events, ...more) =>
        agent.start(
          options,
          {
            ...events,
            // It waits as long as it takes.
            async onQuestion(question) {
              decision = undefined;
              decision = await events.onQuestion({ ...question, signal: new AbortController().signal });
              return decision as Awaited<ReturnType<typeof events.onQuestion>>;
            },
          },
          ...more,
        ),
    }));
    const { server, disk, call } = world;
    const created = await call('POST', '/sessions', { permission_timeout_seconds: 0.2 });
    const { session_id: id } = created.body as unknown as SessionCreated;
    const session = await server.sessions.get(id);
    const turn = call('POST', `/sessions/${id}/messages`, { message: ASKS });
    await expect.poll(() => session.pendingPermissions().length).toBe(1);
    const [request] = session.pendingPermissions();
    disk.full = true;
    await expect.poll(() => session.isStuck()).toBe(true);
    expect(decision).toBeUndefined();
    await compare(world, session, 'while the store fails');
    expect(session.pendingPermissions()).toEqual([request]);
    disk.full = false;
    expect((await turn).status).toBe(200);
    expect(decision).toMatchObject({ allowed: false, message: expect.stringContaining('in time') });
    const settled = await server.store.getPermission(id, request?.request_id ?? '');
    expect(settled).toMatchObject({ state: 'denied', reason: 'timeout' });
    await server.close();
    expect(world.problems).toEqual([]);
  });
});
