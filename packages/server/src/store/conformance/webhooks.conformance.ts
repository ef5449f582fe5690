import { describe, expect, test } from 'vitest';
import { AT, sampleDelivery, sampleWebhook } from '../../../test/support/samples.ts';
import type { Subject } from './subject.conformance.ts';

export function describeWebhooks(subject: Subject): void {
  describe('webhooks', () => {
    const hook = sampleWebhook();
    const { tenant, id } = hook;
    const ids = (rows: readonly { id: string }[]): string[] => rows.map((row) => row.id).sort();

    test('belong to a tenant, and come back as they were', async () => {
      const { webhooks } = subject.store;
      const other = sampleWebhook({ tenant: 'them', description: 'ä', createdBy: 'key', since: 7 });
      await webhooks.insert(hook, 0);
      await webhooks.insert(other, 0);
      expect(await webhooks.get(tenant, id)).toEqual(hook);
      expect(await webhooks.get('them', id)).toEqual(other);
      expect(await webhooks.get('nobody', id)).toBeUndefined();
      expect(await webhooks.list('them')).toEqual([other]);
      const set = { url: 'https://example.org/2', events: ['turn.failed'], status: 'disabled' } as const;
      expect(await webhooks.update(tenant, id, set)).toBe(true);
      expect(await webhooks.update('nobody', id, set)).toBe(false);
      expect(await webhooks.get(tenant, id)).toEqual({ ...hook, ...set });
      expect(await webhooks.enabled()).toEqual([other]);
      await webhooks.enqueue(sampleDelivery());
      expect(await webhooks.remove(tenant, id)).toBe(true);
      expect(await webhooks.remove(tenant, id)).toBe(false);
      expect(await webhooks.deliveries({ tenant, webhookId: id, limit: 9 })).toEqual([]);
      expect(await webhooks.list('them')).toEqual([other]);
    });

    test('the cursor begins with the first webhook, and moves together with what it gives, once', async () => {
      const { webhooks } = subject.store;
      expect(await webhooks.cursor()).toBeUndefined();
      await webhooks.insert(hook, 5);
      await webhooks.insert(sampleWebhook({ id: 'second' }), 9);
      expect(await webhooks.cursor()).toBe(5);
      expect(await webhooks.advance(5, 8, [sampleDelivery({ id: 'a' })])).toBe(true);
      expect(await webhooks.advance(5, 8, [sampleDelivery({ id: 'b' })])).toBe(false);
      expect(await webhooks.cursor()).toBe(8);
      expect(ids(await webhooks.deliveries({ tenant, webhookId: id, limit: 9 }))).toEqual(['a']);
      // A node that is slower than the others adds nothing.
      const both = await Promise.all(
        ['c', 'd'].map((each) => webhooks.advance(8, 9, [sampleDelivery({ id: each })])),
      );
      expect(both.sort()).toEqual([false, true]);
      await webhooks.remove(tenant, id);
      await webhooks.remove(tenant, 'second');
      // What happened while nobody wanted to be told is not read again.
      await webhooks.insert(hook, 40);
      expect(await webhooks.cursor()).toBe(40);
    });

    test('a delivery is claimed by one at a time, and is due again when its claim is over', async () => {
      const { webhooks } = subject.store;
      await webhooks.insert(hook, 0);
      for (const each of ['a', 'b', 'c']) await webhooks.enqueue(sampleDelivery({ id: each }));
      const claimed = await Promise.all([webhooks.claim(2, 60_000), webhooks.claim(2, 60_000)]);
      expect(ids(claimed.flat())).toEqual(['a', 'b', 'c']);
      expect(claimed.flat().map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
      expect(await webhooks.claim(9, 60_000)).toEqual([]);
      await webhooks.settle(sampleDelivery({ id: 'a' }), {
        state: 'pending',
        status: 500,
        error: 'no',
        retryInMs: 0,
      });
      expect(await webhooks.claim(9, 0)).toMatchObject([{ id: 'a', attempts: 2, status: 500, error: 'no' }]);
      // Its node died: nobody said how it ended.
      expect(await webhooks.claim(9, 60_000)).toMatchObject([{ id: 'a', attempts: 3 }]);
    });

    test('what is settled is sent no more, unless it is asked for again, and goes after a while', async () => {
      const { webhooks } = subject.store;
      await webhooks.insert(hook, 0);
      for (const each of ['a', 'b']) await webhooks.enqueue(sampleDelivery({ id: each }));
      await webhooks.claim(9, 0);
      const over = { status: 200, error: null, at: AT };
      await webhooks.settle(sampleDelivery({ id: 'a' }), { state: 'delivered', ...over });
      await webhooks.settle(sampleDelivery({ id: 'b' }), { state: 'failed', ...over });
      expect(await webhooks.claim(9, 0)).toEqual([]);
      const named = { tenant, webhookId: id };
      expect(await webhooks.deliveries({ ...named, state: 'failed', limit: 9 })).toMatchObject([
        { ...sampleDelivery({ id: 'b' }), state: 'failed', attempts: 1, status: 200, settledAt: AT },
      ]);
      expect(await webhooks.again(tenant, id, 'nothing')).toBeUndefined();
      expect(await webhooks.again(tenant, id, 'b')).toMatchObject({ state: 'pending', attempts: 0 });
      expect(ids(await webhooks.claim(9, 60_000))).toEqual(['b']);
      await webhooks.prune(AT);
      expect(ids(await webhooks.deliveries({ ...named, limit: 9 }))).toEqual(['a', 'b']);
      await webhooks.prune('9999');
      expect(ids(await webhooks.deliveries({ ...named, limit: 9 }))).toEqual(['b']);
    });

    test('what tells of an erased session goes with it', async () => {
      const { webhooks } = subject.store;
      await webhooks.insert(hook, 0);
      await webhooks.enqueue(sampleDelivery({ id: 'a', sessionId: 'erased' }));
      await webhooks.enqueue(sampleDelivery({ id: 'b', sessionId: 'kept' }));
      await webhooks.forget('erased');
      expect(ids(await webhooks.deliveries({ tenant, webhookId: id, limit: 9 }))).toEqual(['b']);
    });

    test('deliveries are listed page by page, the newest first', async () => {
      const { webhooks } = subject.store;
      await webhooks.insert(hook, 0);
      const made = [1, 2, 3, 4, 5].map((n) =>
        sampleDelivery({ id: `d${n}`, createdAt: `2026-01-0${Math.ceil(n / 2)}T00:00:00.000Z` }),
      );
      for (const each of made) await webhooks.enqueue(each);
      const seen: string[] = [];
      for (let before: { createdAt: string; id: string } | undefined; ; ) {
        const page = await webhooks.deliveries({ tenant, webhookId: id, before, limit: 2 });
        seen.push(...page.map((each) => each.id));
        before = page.at(-1);
        if (page.length < 2) break;
      }
      expect(seen).toEqual(['d5', 'd4', 'd3', 'd2', 'd1']);
    });
  });
}
