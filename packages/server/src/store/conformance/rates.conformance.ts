import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Subject } from './subject.conformance.ts';

export function describeRates(subject: Subject): void {
  describe('rates', () => {
    test('allow exactly so many in a minute, whatever comes at once', async () => {
      const { rates } = subject.store;
      const counted = fc.record({ key: fc.constantFrom('a', 'b'), limit: fc.integer({ min: 1, max: 20 }) });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(counted, fc.integer({ min: 0, max: 40 }), async ({ key, limit }, times) => {
          const name = `${key}${run++}`;
          expect(await rates.look(name, limit)).toBeUndefined();
          const all = await Promise.all(Array.from({ length: times }, () => rates.count(name, limit)));
          expect(
            all
              .filter(({ allowed }) => allowed)
              .map(({ used }) => used)
              .toSorted((a, b) => a - b),
          ).toEqual(Array.from({ length: Math.min(times, limit) }, (_, n) => n + 1));
          for (const { resetMs } of all) expect(resetMs).toBeLessThanOrEqual(60_000);
          const found = await rates.look(name, limit);
          expect(found?.used ?? 0).toBe(Math.min(times, limit));
        }),
        { numRuns: 20 },
      );
    });

    test('count keys apart', async () => {
      const { rates } = subject.store;
      expect(await rates.count('c', 1)).toMatchObject({ allowed: true, used: 1 });
      expect(await rates.count('c', 1)).toMatchObject({ allowed: false, used: 1 });
      expect(await rates.count('d', 1)).toMatchObject({ allowed: true });
    });
  });
}
