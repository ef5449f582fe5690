import { setImmediate as soon } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { AppError } from '../errors.ts';
import { createPermits, type Holder, type Permits, type Release } from './permits.ts';

/** A session as the permits see it. */
interface Sample extends Holder {
  name: string;
  positions: number[];
  busy: boolean;
  ask(options?: { waits?: boolean; signal?: AbortSignal }): Promise<void>;
  release(): void;
  rest(): void;
}

function setup(limit: number) {
  const log: string[] = [];
  const spares: number[] = [];
  const permits: Permits = createPermits({
    limit,
    limitSpares: async (atMost) => void spares.push(atMost),
    onError: (error) => log.push(String(error)),
  });
  const session = (name: string, maker: string | null = null): Sample => {
    let held: Release = () => {};
    const sample: Sample = {
      name,
      maker,
      positions: [],
      busy: true,
      isIdle: () => !sample.busy,
      async sleep() {
        await soon();
        if (sample.busy) return false;
        log.push(`${name} sleeps`);
        held();
        return true;
      },
      async ask({ waits = true, signal = new AbortController().signal } = {}) {
        const onPosition = (position: number): void => void sample.positions.push(position);
        held = await permits.acquire(sample, { waits: () => waits, onPosition, signal });
        log.push(`${name} starts`);
      },
      release: () => held(),
      rest() {
        sample.busy = false;
        permits.noteIdle(sample);
      },
    };
    return sample;
  };
  return { permits, session, log, spares };
}

const settle = async (): Promise<void> => {
  for (let ticks = 0; ticks < 5; ticks++) await soon();
};

test('at the limit the session that has been idle longest sleeps for the next', async () => {
  const { session, log, permits } = setup(2);
  const [a, b, c] = [session('a'), session('b'), session('c')];
  await a.ask();
  await b.ask();
  expect(permits.free()).toBe(0);
  b.rest();
  a.rest();
  expect(permits.free()).toBe(2);
  await c.ask();
  expect(log).toEqual(['a starts', 'b starts', 'b sleeps', 'c starts']);
  expect(c.positions).toEqual([]);
});

test('a session that was idle and is busy again keeps its process', async () => {
  const { session, log } = setup(2);
  const [a, b, c] = [session('a'), session('b'), session('c')];
  await a.ask();
  await b.ask();
  a.rest();
  a.busy = true;
  const asks = c.ask();
  await settle();
  expect(c.positions).toEqual([1]);
  b.rest();
  await asks;
  expect(log).toEqual(['a starts', 'b starts', 'b sleeps', 'c starts']);
});

test('when all are busy, applications wait in order and are told their position', async () => {
  const { session, log, permits } = setup(1);
  const [a, b, c, d] = [session('a'), session('b'), session('c'), session('d')];
  await a.ask();
  const gone = new AbortController();
  const asks = [b.ask({ signal: gone.signal }), c.ask(), d.ask()];
  await settle();
  expect([b.positions, c.positions, d.positions]).toEqual([[1], [2], [3]]);
  expect(permits.isCrowded()).toBe(true);
  gone.abort(new Error('no longer needed'));
  await expect(asks[0]).rejects.toThrow('no longer needed');
  expect([c.positions, d.positions]).toEqual([
    [2, 1],
    [3, 2],
  ]);
  a.release();
  a.release();
  await asks[1];
  expect(d.positions).toEqual([3, 2, 1]);
  c.release();
  await asks[2];
  expect(log).toEqual(['a starts', 'c starts', 'd starts']);
  expect(permits.isCrowded()).toBe(false);
});

test('an application that does not wait is refused, but gets the process of an idle session', async () => {
  const { session } = setup(1);
  const [a, b] = [session('a'), session('b')];
  await a.ask();
  await expect(b.ask({ waits: false })).rejects.toMatchObject({ code: 'agents_busy', status: 503 });
  a.rest();
  await b.ask({ waits: false });
});

test('is the own excess of a maker whose sessions have every process, and of nobody else', async () => {
  const { session } = setup(2);
  const [a, b, c, other, local] = [
    session('a', 'key'),
    session('b', 'key'),
    session('c', 'key'),
    session('d', 'other'),
    session('e'),
  ];
  await a.ask();
  await b.ask();
  const refused = (each: Sample) => each.ask({ waits: false }).catch((error: AppError) => error);
  expect(await refused(c)).toMatchObject({ code: 'own_agents_busy', status: 429, retryAfterSeconds: 5 });
  for (const each of [other, local])
    expect(await refused(each)).toMatchObject({ code: 'agents_busy', status: 503 });
  b.release();
  await other.ask();
  expect(await refused(c)).toMatchObject({ code: 'agents_busy', status: 503 });
});

test('far back in the queue only larger steps are told', async () => {
  const { session } = setup(1);
  const first = session('first');
  await first.ask();
  const all = Array.from({ length: 300 }, (_, n) => session(`${n}`));
  const asks = all.map((each) => each.ask());
  first.release();
  for (const [index, each] of all.entries()) {
    await asks[index];
    each.release();
  }
  const told = all.at(-1)?.positions ?? [];
  expect(told[0]).toBe(300);
  expect(told.slice(-10)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  expect(told.length).toBeLessThan(50);
});

test('spares have the permits that are left', async () => {
  const { session, spares } = setup(2);
  const [a, b] = [session('a'), session('b')];
  await a.ask();
  await b.ask();
  a.release();
  expect(spares).toEqual([2, 1, 0, 1]);
});
