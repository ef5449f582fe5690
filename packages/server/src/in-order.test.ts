import { expect, test } from 'vitest';
import { inOrder } from './in-order.ts';

test('every step runs in order, even after a failure; the first failure is thrown', async () => {
  const done: string[] = [];
  const fail = (what: string) => (): never => {
    done.push(what);
    throw new Error(what);
  };
  const steps = [
    async () => {
      await null;
      done.push('agents');
    },
    fail('store'),
    fail('gateway'),
    () => done.push('home'),
  ];
  await expect(inOrder(steps)).rejects.toThrow('store');
  expect(done).toEqual(['agents', 'store', 'gateway', 'home']);
});
