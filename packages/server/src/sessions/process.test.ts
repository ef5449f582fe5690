import { setImmediate as soon } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createFakeAgent } from '../../test/support/fake-agent.ts';
import type { Agent, AgentEvents, StartOptions } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import { createProcessHandle, type ProcessHandleDeps } from './process.ts';

/** What a handle needs besides its agent, where that does not matter. */
const quiet: Omit<ProcessHandleDeps, 'agent'> = {
  checkStart: async () => {},
  options: async () => ({ conversationId: 'one', cwd: '/' }) as StartOptions,
  events: () => ({ onExit: () => {} }) as unknown as AgentEvents,
  checkAllowed: () => {},
  acquire: async () => () => {},
  refusal: () => problem('agents_busy'),
  onPosition: () => {},
  onUnused: () => {},
  onStart: () => {},
};

/** A handle whose processes end only when they are let. */
function setup() {
  const log: string[] = [];
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  const fake = createFakeAgent();
  const agent: Agent = {
    ...fake,
    async start(...given) {
      const process = await fake.start(...given);
      log.push('started');
      return {
        ...process,
        async close() {
          log.push('ending');
          await mayEnd;
          await process.close();
          log.push('ended');
        },
      };
    },
  };
  const handle = createProcessHandle({
    ...quiet,
    agent,
    onStart: (number) => log.push(`process ${number}`),
  });
  return { handle, log, letEnd };
}

test('a session never has two processes: a start waits until the process before is gone', async () => {
  const { handle, log, letEnd } = setup();
  const { number } = await handle.wake({ waits: true });
  const end = handle.end();
  const next = handle.wake({ waits: true });
  for (let ticks = 0; ticks < 5; ticks++) await soon();
  expect(log).toEqual(['started', 'process 1', 'ending']);
  expect(handle.send(number, 'turn', 'hello')).toBe(false);
  letEnd();
  await end;
  expect((await next).number).toBe(2);
  expect(log).toEqual(['started', 'process 1', 'ending', 'ended', 'started', 'process 2']);
});

/** A handle whose process takes messages at once, and is ready when it is let. */
function opening() {
  const sent: string[] = [];
  const { promise: ready, resolve: getReady, reject: fail } = Promise.withResolvers<void>();
  const fake = createFakeAgent();
  const handle = createProcessHandle({
    ...quiet,
    agent: {
      ...fake,
      async start(options, events, signal) {
        events.onOpen({ send: (turnId) => void sent.push(turnId), isSpare: false });
        signal.addEventListener('abort', () => fail(new Error('aborted')));
        await ready;
        return fake.start(options, events, signal);
      },
    },
  });
  return { handle, sent, getReady, fail };
}

test('a process that is starting takes messages before it is ready', async () => {
  const { handle, sent, getReady } = opening();
  const { number, ready } = await handle.reach({ waits: true });
  expect(handle.live()).toBeUndefined();
  expect(handle.send(number, 'first', 'hello')).toBe(true);
  expect(handle.send(number + 1, 'second', 'hello')).toBe(false);
  expect(sent).toEqual(['first']);
  getReady();
  await ready;
  expect(handle.live()).toBeDefined();
  expect(await handle.reach({ waits: true })).toMatchObject({ number });
});

test('a process that does not get ready takes no more messages, and says why', async () => {
  const { handle, fail } = opening();
  const { number, ready } = await handle.reach({ waits: true });
  fail(new Error('no such binary'));
  await expect(ready).rejects.toMatchObject({ code: 'agent_start_failed' });
  expect(handle.send(number, 'turn', 'hello')).toBe(false);
});

test('a process that is ended while it starts takes no more messages at once', async () => {
  const { handle } = opening();
  const { number, ready } = await handle.reach({ waits: true });
  ready.catch(() => {});
  const end = handle.end();
  expect(handle.send(number, 'turn', 'hello')).toBe(false);
  await end;
});

test('an end also ends a process that is still starting', async () => {
  const { handle, log, letEnd } = setup();
  const start = handle.wake({ waits: true });
  const end = handle.end();
  letEnd();
  await Promise.all([start, end]);
  expect(log).toEqual(['started', 'process 1', 'ending', 'ended']);
  expect(handle.live()).toBeUndefined();
  expect(handle.isUp()).toBe(false);
});

test('a process that waits for a permit is not told: it reads the setting when it starts', async () => {
  const { promise: permit, resolve: grant } = Promise.withResolvers<() => void>();
  const told: string[] = [];
  const handle = createProcessHandle({ ...quiet, agent: createFakeAgent(), acquire: () => permit });
  const tell = () => handle.tell(async ({ pid }) => void told.push(`process ${pid}`));
  const started = handle.wake({ waits: true });
  await soon();
  expect(await tell()).toBe(false);
  expect(told).toEqual([]);
  grant(() => {});
  await started;
  expect(await tell()).toBe(true);
  expect(told).toHaveLength(1);
});

test('a question whose process is ended while it starts begins again; a turn does not', async () => {
  const fake = createFakeAgent();
  let starts = 0;
  const handle = createProcessHandle({
    ...quiet,
    agent: {
      ...fake,
      start(options, events, signal) {
        starts += 1;
        if (starts > 1) return fake.start(options, events, signal);
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('aborted'))),
        );
      },
    },
  });
  const turn = handle.wake({ waits: true });
  const question = handle.ask(async () => 'answer');
  await soon();
  void handle.end();
  await expect(turn).rejects.toMatchObject({ code: 'agent_start_failed' });
  expect(await question).toBe('answer');
  expect(starts).toBe(2);
});
