import { describe, expect, test } from 'vitest';
import { AT, sampleKey } from '../../../test/support/samples.ts';
import type { Subject } from './subject.conformance.ts';

const at = (minute: number): string => new Date(Date.parse(AT) + minute * 60_000).toISOString();

export function describeKeys(subject: Subject): void {
  describe('keys', () => {
    test('are found by the hash of their secret, until they end or are revoked', async () => {
      const { keys } = subject.store;
      const key = sampleKey({
        role: 'admin',
        tenant: 'them',
        budgetUsd: 1.5,
        createdBy: 'k',
        limits: { requests_per_minute: 5 },
      });
      const short = sampleKey({ expiresAt: at(1) });
      expect(await keys.any()).toBe(false);
      for (const each of [key, short]) await keys.insert(each);
      expect(await keys.any()).toBe(true);
      expect(await keys.get(key.id)).toEqual(key);
      expect(await keys.byHash(key.hash, AT)).toEqual(key);
      expect(await keys.byHash(short.hash, AT)).toEqual(short);
      expect(await keys.byHash(short.hash, at(1))).toBeUndefined();
      expect(await keys.byHash('another', AT)).toBeUndefined();
      await keys.used(key.id, at(2));
      await keys.revoke(key.id, at(3));
      await keys.revoke(key.id, at(4));
      expect(await keys.get(key.id)).toEqual({ ...key, lastUsedAt: at(2), revokedAt: at(3) });
      expect(await keys.byHash(key.hash, AT)).toBeUndefined();
      expect(await keys.ended([key.id, short.id, 'gone'], AT)).toEqual([key.id, 'gone']);
      expect(await keys.any()).toBe(true);
    });

    test('work with their old secret for a while after a rotation', async () => {
      const { keys } = subject.store;
      const key = sampleKey();
      await keys.insert(key);
      await keys.rotate(key.id, 'new', at(1));
      expect((await keys.byHash('new', AT))?.id).toBe(key.id);
      expect((await keys.byHash(key.hash, AT))?.id).toBe(key.id);
      expect(await keys.byHash(key.hash, at(1))).toBeUndefined();
      await keys.rotate(key.id, 'newest', AT);
      expect(await keys.byHash('new', AT)).toBeUndefined();
      expect(await keys.byHash(key.hash, AT)).toBeUndefined();
    });

    test('change in what is given, each field by itself, and stay in the rest', async () => {
      const { keys } = subject.store;
      const key = sampleKey({ expiresAt: at(1), budgetUsd: 2, limits: { live_sessions: 3 } });
      const other = sampleKey();
      for (const each of [key, other]) await keys.insert(each);
      expect(await keys.change(key.id, {})).toEqual(key);
      const changes = [
        { name: 'it' },
        { expiresAt: at(9) },
        { budgetUsd: 0.5 },
        { limits: { queued_turns: 1 } },
      ];
      await Promise.all(changes.map((change) => keys.change(key.id, change)));
      const changed = { ...key, ...Object.assign({}, ...changes) };
      expect(await keys.get(key.id)).toEqual(changed);
      expect(await keys.byHash(key.hash, at(5))).toEqual(changed);
      const none = { expiresAt: null, budgetUsd: null, limits: {} };
      expect(await keys.change(key.id, none)).toEqual({ ...changed, ...none });
      expect(await keys.change('nobody', { name: 'x' })).toBeUndefined();
      expect(await keys.get(other.id)).toEqual(other);
    });

    test('make tokens that end with them, are not listed, and are removed', async () => {
      const { keys } = subject.store;
      const key = sampleKey();
      const token = sampleKey({ sessionId: 's', parent: key.id, expiresAt: at(5) });
      const orphan = sampleKey({ sessionId: 's', parent: 'of the configuration', expiresAt: at(5) });
      for (const each of [key, token, orphan]) await keys.insert(each);
      expect(await keys.list({ limit: 9 })).toEqual([key]);
      expect(await keys.ended([token.id, orphan.id], AT)).toEqual([]);
      await keys.revoke(key.id, AT);
      expect(await keys.ended([token.id, orphan.id], AT)).toEqual([token.id]);
      expect(await keys.byHash(token.hash, AT)).toBeUndefined();
      expect(await keys.byHash(orphan.hash, AT)).toEqual(orphan);
      await keys.prune(at(6));
      expect(await keys.get(token.id)).toBeUndefined();
      expect(await keys.get(key.id)).toBeDefined();
    });

    test('are listed by id, of all tenants or of one', async () => {
      const { keys } = subject.store;
      const made = ['c', 'a', 'b'].map((id) => sampleKey({ id, tenant: id === 'b' ? 'them' : 'us' }));
      for (const each of made) await keys.insert(each);
      const ids = async (query: Parameters<typeof keys.list>[0]) =>
        (await keys.list(query)).map(({ id }) => id);
      expect(await ids({ limit: 9 })).toEqual(['a', 'b', 'c']);
      expect(await ids({ limit: 1, after: 'a' })).toEqual(['b']);
      expect(await ids({ limit: 9, tenant: 'us' })).toEqual(['a', 'c']);
      expect(await ids({ limit: 9, tenant: 'us', after: 'a' })).toEqual(['c']);
    });
  });
}
