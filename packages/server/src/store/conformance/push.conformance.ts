import { describe, expect, test } from 'vitest';
import { AT, sampleDelivery, sampleKey, samplePush, sampleWebhook } from '../../../test/support/samples.ts';
import type { Subject } from './subject.conformance.ts';

export function describePush(subject: Subject): void {
  describe('push subscriptions', () => {
    test('belong to a caller, and come back as they were', async () => {
      const { push } = subject.store;
      const mine = samplePush({ label: 'ä', expiresAt: AT, since: 7 });
      const second = samplePush({ id: 'phone', createdAt: '2027-01-01T00:00:00.000Z' });
      const others = [samplePush({ id: 'x', owner: 'else' }), samplePush({ tenant: 'them' })];
      for (const each of [second, mine, ...others]) await push.put(each, 0);
      expect(await push.get('default', 'browser')).toEqual(mine);
      expect(await push.get('nobody', 'browser')).toBeUndefined();
      expect(await push.list('default', 'key')).toEqual([mine, second]);
      expect((await push.all()).length).toBe(4);
      const renewed = { ...mine, p256dh: 'q', role: 'admin', label: 'b', expiresAt: null } as const;
      await push.put({ ...renewed, since: 9, createdAt: '2028-01-01T00:00:00.000Z' }, 0);
      expect(await push.get('default', 'browser')).toEqual(renewed);
    });

    test('go with what is to be sent to them', async () => {
      const { push, webhooks } = subject.store;
      await push.put(samplePush(), 0);
      await webhooks.enqueue(sampleDelivery({ webhookId: 'browser' }));
      await webhooks.enqueue(sampleDelivery({ webhookId: 'other' }));
      expect(await push.remove('them', 'browser')).toBe(false);
      expect(await push.remove('default', 'browser')).toBe(true);
      expect(await push.remove('default', 'browser')).toBe(false);
      expect(await webhooks.claim(9, 1000)).toMatchObject([{ webhookId: 'other' }]);
    });

    test('go with their key', async () => {
      const { push, keys } = subject.store;
      const key = sampleKey({ tenant: 'a' });
      await keys.insert(key);
      await push.put(samplePush({ tenant: 'a', owner: key.id }), 0);
      await push.put(samplePush({ tenant: 'b', owner: key.id }), 0);
      await keys.revoke(key.id, AT);
      expect(await push.all()).toMatchObject([{ tenant: 'b' }]);
    });

    test('start the cursor, which then moves on for webhooks too', async () => {
      const { push, webhooks } = subject.store;
      await push.put(samplePush(), 5);
      expect(await webhooks.cursor()).toBe(5);
      await webhooks.insert(sampleWebhook(), 8);
      await push.put(samplePush({ id: 'second' }), 9);
      expect(await webhooks.cursor()).toBe(5);
      await webhooks.remove('default', 'hook');
      for (const id of ['browser', 'second']) await push.remove('default', id);
      await push.put(samplePush(), 10);
      expect(await webhooks.cursor()).toBe(10);
    });

    test('are signed with the keys that were made first', async () => {
      const { push } = subject.store;
      const first = { publicKey: 'p', privateJwk: '{"d":1}' };
      const both = [first, { publicKey: 'q', privateJwk: '{}' }];
      for (const made of both) expect(await push.vapid(made)).toEqual(first);
    });
  });
}
