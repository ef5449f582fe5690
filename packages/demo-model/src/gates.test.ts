import { describe, expect, it } from 'vitest';
import { createGates } from './gates.ts';

const never = new AbortController().signal;

/** True when the promise is settled once all that is due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe('gates', () => {
  it('hold a request until released', async () => {
    const gates = createGates();
    const waiting = gates.wait('a', never);
    expect(await isSettled(waiting)).toBe(false);
    gates.release('a');
    await waiting;
  });

  it('let a request straight through when released before it came', async () => {
    const gates = createGates();
    gates.release('a');
    await gates.wait('a', never);
    expect(await isSettled(gates.wait('a', never))).toBe(false);
  });

  it('release as many as told, oldest first', async () => {
    const gates = createGates();
    const requests = [1, 2, 3].map(() => gates.wait('a', never));
    gates.release('a', 2);
    expect(await Promise.all(requests.map(isSettled))).toEqual([true, true, false]);
    gates.release('a', Number.POSITIVE_INFINITY);
    await requests[2];
    await gates.wait('a', never);
  });

  it('say when a request has reached them, whichever comes first', async () => {
    const gates = createGates();
    const before = gates.reached('a');
    const second = gates.reached('a', 2);
    void gates.wait('a', never);
    await before;
    await gates.reached('a');
    expect(await isSettled(second)).toBe(false);
    void gates.wait('a', never);
    await second;
  });

  it('keep apart by name', async () => {
    const gates = createGates();
    gates.release('b');
    expect(await isSettled(gates.wait('a', never))).toBe(false);
  });

  it('forget a request whose client went away, so that the next one is released', async () => {
    const gates = createGates();
    const gone = new AbortController();
    const first = gates.wait('a', gone.signal);
    gone.abort(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    const second = gates.wait('a', never);
    gates.release('a');
    await second;
  });

  it('refuse a request whose client is away already', async () => {
    await expect(createGates().wait('a', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });

  it('forget idle names, never one that somebody waits at', async () => {
    const gates = createGates();
    const waiting = gates.wait('kept', never);
    for (let index = 0; index < 3_000; index += 1) gates.release(`idle ${index}`);
    gates.release('kept');
    await waiting;
    expect(await isSettled(gates.wait('idle 0', never))).toBe(false);
  });
});
