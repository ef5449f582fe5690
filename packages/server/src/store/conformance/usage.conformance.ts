import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AT } from '../../../test/support/samples.ts';
import type { Subject } from './subject.conformance.ts';

export function describeUsage(subject: Subject): void {
  describe('usage', () => {
    const usage = (model: string, n: number) => ({
      model,
      inputTokens: n,
      outputTokens: 2 * n,
      cacheReadInputTokens: 3 * n,
      cacheCreationInputTokens: 4 * n,
      costUsd: n / 4,
    });

    test('is summed by model, of one session or of all', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      await subject.store.write([{ kind: 'add-usage', sessionId: a.id, usage: usage('y', 1) }]);
      await subject.store.write([{ kind: 'add-usage', sessionId: a.id, usage: usage('x', 10) }]);
      await subject.store.write([
        { kind: 'add-usage', sessionId: a.id, usage: usage('y', 2) },
        { kind: 'add-usage', sessionId: b.id, usage: usage('y', 100) },
      ]);
      expect(await subject.store.sessionUsage(a.id)).toEqual({
        turns: 0,
        rows: [usage('x', 10), usage('y', 3)],
      });
      expect(await subject.store.totalUsage()).toEqual({
        turns: 0,
        rows: [usage('x', 10), usage('y', 103)],
        costByKey: new Map(),
      });
      expect(await subject.store.sessionCost(a.id)).toBe(3.25);
      expect(await subject.store.sessionCost(randomUUID())).toBe(0);
      expect(await subject.store.sessionUsage(randomUUID())).toEqual({ turns: 0, rows: [] });
    });

    test('of an API key is summed over all that it pays for', async () => {
      expect((await subject.store.totalUsage()).costByKey).toEqual(new Map());
      expect(await subject.store.keyCost('team')).toBe(0);
      await subject.store.write([{ kind: 'add-key-usage', keyId: 'team', costUsd: 0.5 }]);
      await subject.store.write([
        { kind: 'add-key-usage', keyId: 'team', costUsd: 0.25 },
        { kind: 'add-key-usage', keyId: 'other', costUsd: 1 },
      ]);
      expect(await subject.store.keyCost('team')).toBe(0.75);
      expect((await subject.store.totalUsage()).costByKey).toEqual(
        new Map([
          ['team', 0.75],
          ['other', 1],
        ]),
      );
    });

    test('is summed for each session of a list, with how its newest ended turn did', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      expect(await subject.store.sessionSums([])).toEqual(new Map());
      expect((await subject.store.sessionSums([a.id])).get(a.id)).toEqual({ costUsd: 0, lastOutcome: null });
      await subject.store.write([
        { kind: 'add-usage', sessionId: a.id, usage: usage('x', 1) },
        { kind: 'add-usage', sessionId: a.id, usage: usage('y', 2) },
        { kind: 'add-usage', sessionId: b.id, usage: usage('y', 100) },
      ]);
      await subject.newTurn(a.id, { state: 'completed', endedAt: AT });
      await subject.newTurn(a.id, { state: 'failed', endedAt: AT });
      // Taken into the turn before, and one that has not begun.
      await subject.newTurn(a.id, { state: 'steered', endedAt: AT });
      await subject.newTurn(a.id);
      const sums = await subject.store.sessionSums([b.id, a.id, randomUUID()]);
      expect(sums.get(a.id)).toEqual({ costUsd: 0.75, lastOutcome: 'failed' });
      expect(sums.get(b.id)).toEqual({ costUsd: 25, lastOutcome: null });
    });

    test('counts the turns that ended', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      await subject.newTurn(a.id);
      await subject.newTurn(a.id, { state: 'completed', endedAt: AT });
      await subject.newTurn(b.id, { state: 'failed', endedAt: AT });
      expect((await subject.store.sessionUsage(a.id)).turns).toBe(1);
      expect((await subject.store.totalUsage()).turns).toBe(2);
    });
  });
}
