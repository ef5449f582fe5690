import { describe, expect, test } from 'vitest';
import type { Subject } from './subject.conformance.ts';

export function describeTenantUids(subject: Subject): void {
  describe('the numbers of tenants', () => {
    test('are given once, in order, and never to two', async () => {
      const { store } = subject;
      const range = { first: 5000, count: 20 };
      expect(await store.tenantUid('a', range)).toBe(5000);
      const asked = ['b', 'c', 'b', 'd', 'a', 'c'];
      const given = await Promise.all(asked.map((tenant) => store.tenantUid(tenant, range)));
      const byTenant = new Map(asked.map((tenant, index) => [tenant, given[index]]));
      expect(given).toEqual(asked.map((tenant) => byTenant.get(tenant)));
      expect([...byTenant.values()].sort()).toEqual([5000, 5001, 5002, 5003]);
    });

    test('stay in another range, and are not in the new one twice', async () => {
      const { store } = subject;
      const [a, b] = [await store.tenantUid('a', { first: 10, count: 2 }), 'b'];
      expect(await store.tenantUid(b, { first: 9, count: 9 })).toBe(11);
      expect(await store.tenantUid('a', { first: 100, count: 1 })).toBe(a);
      expect(await store.tenantUid('c', { first: 100, count: 2 })).toBe(100);
    });

    test('end with the range', async () => {
      const { store } = subject;
      const range = { first: 7, count: 2 };
      const [a] = [await store.tenantUid('a', range), await store.tenantUid('b', range)];
      expect(await store.tenantUid('c', range)).toBeUndefined();
      expect(await store.tenantUid('a', range)).toBe(a);
      expect(await store.tenantUid('c', { first: 7, count: 3 })).toBe(9);
    });
  });
}
