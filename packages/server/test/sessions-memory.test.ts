/** Sessions leave memory when they rest: nobody may notice, and there is never a second actor of one. */
import { setImmediate as soon } from 'node:timers/promises';
import type { SessionCreated, TurnResult } from 'claude-agent-protocol';
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import type { Session } from '../src/sessions/session.ts';
import { collectGarbage } from './support/gc.ts';
import { createInProcess, type InProcess } from './support/in-process.ts';
import { createRandom } from './support/random.ts';

const SESSIONS = 12;
const STEPS = 250;

interface World extends InProcess {
  call<T>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }>;
  create(): Promise<string>;
  problems: string[];
}

/** The fake agent; two processes of one session at a time are a problem. */
function oneProcessEach(agent: Agent, problems: string[]): Agent {
  const live = new Set<string>();
  return {
    ...agent,
    async start(options, events, signal) {
      const { sessionId } = options;
      if (live.has(sessionId)) problems.push('a session has two processes');
      live.add(sessionId);
      const onExit: typeof events.onExit = (exit) => {
        live.delete(sessionId);
        events.onExit(exit);
      };
      return agent.start(options, { ...events, onExit }, signal);
    },
  };
}

function createWorld(more: { maxSessions?: number } = {}): World {
  const problems: string[] = [];
  const server = createInProcess({
    keptSessions: 0,
    ...more,
    sleepAfterSeconds: 0.002,
    agent: (fake) => oneProcessEach(fake, problems),
  });
  const call: World['call'] = async (method, path, body) => {
    const response = await server.fetch(
      new Request(`http://127.0.0.1:8000${path}`, {
        method,
        headers: { host: '127.0.0.1:8000', 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
    return { status: response.status, body: await response.json() };
  };
  const create = async (): Promise<string> =>
    (await call<SessionCreated>('POST', '/sessions', { start: 'lazy' })).body.session_id;
  return { ...server, problems, call, create };
}

const textOf = ({ messages }: TurnResult): string =>
  messages.map((item) => (item.type === 'text' ? item.content : '')).join('');

test('in random use nothing is lost and nothing happens twice, while sessions come and go', async () => {
  const random = createRandom();
  console.log(`sessions in memory: seed ${random.seed}`);
  const { call, create, problems, sessions, store, close, errors } = createWorld();
  const ids = await Promise.all(Array.from({ length: SESSIONS }, create));
  const titles = new Map<string, string>();
  const accepted: [string, string][] = [];
  const send = async (id: string): Promise<void> => {
    const message = String.fromCharCode(97 + random.below(26)).repeat(1 + random.below(12));
    const { status, body } = await call<TurnResult>('POST', `/sessions/${id}/messages`, { message });
    if (status !== 200) problems.push(`a message was answered ${status}`);
    else accepted.push([id, body.turn_id]);
    if (body.stop_reason === 'end_turn' && !textOf(body).includes(message)) problems.push('another answer');
  };
  const steps: ((id: string) => Promise<unknown>)[] = [
    send,
    send,
    async (id) => {
      const title = `title ${random.below(1000)}`;
      titles.set(id, title);
      await call('PATCH', `/sessions/${id}`, { title });
    },
    (id) => call('GET', `/sessions/${id}`),
    (id) => call('POST', `/sessions/${id}/model`, { model: `model-${random.below(10)}` }),
    (id) => call('POST', `/sessions/${id}/interrupt`, { scope: 'turn' }),
    () => call('GET', '/sessions'),
    // One that comes looks for others that can go.
    async () => call('DELETE', `/sessions/${await create()}`),
  ];
  const running = new Set<Promise<unknown>>();
  let held: WeakRef<Session>[] = [];
  let left = 0;
  for (let n = 0; n < STEPS; n++) {
    const id = ids[random.below(ids.length)] as string;
    const step = steps[random.below(steps.length)] as (typeof steps)[number];
    const work = step(id).finally(() => running.delete(work));
    running.add(work);
    if (running.size > 8) await Promise.race(running);
    for (let ticks = random.below(4); ticks > 0; ticks--) await soon();
    if (n % 15 > 0) continue;
    await collectGarbage();
    left += held.filter((each) => !each.deref()).length;
    held = await Promise.all(ids.map(async (each) => new WeakRef(await sessions.get(each))));
  }
  await Promise.all(running);
  expect(left).toBeGreaterThan(5);
  for (const [id, title] of titles) expect((await store.getSession(id))?.title).toBe(title);
  for (const [id, turnId] of accepted) expect((await store.getTurn(id, turnId))?.endedAt).not.toBeNull();
  expect([...problems, ...errors]).toEqual([]);
  await close();
}, 60_000);

test('no more sessions can be open than the configuration says; a closed one makes room', async () => {
  const { call, create, close } = createWorld({ maxSessions: 2 });
  const [first = '', second = ''] = [await create(), await create()];
  const refusal = { status: 409, body: { code: 'too_many_sessions' } };
  expect(await call('POST', '/sessions', { start: 'lazy' })).toMatchObject(refusal);
  expect(await call('POST', '/sessions', { resume_session_id: second })).toMatchObject({ status: 200 });
  await call('DELETE', `/sessions/${first}`);
  expect(await call('POST', '/sessions', { start: 'lazy' })).toMatchObject({ status: 200 });
  expect(await call('POST', '/sessions', { resume_session_id: first })).toMatchObject(refusal);
  await close();
});
