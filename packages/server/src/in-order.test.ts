import { expect, test } from 'vitest';
import { inOrder } from './in-order.ts';

test('every step is done, one after the other, whatever becomes of those before; the first failure is told', async () => {
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
