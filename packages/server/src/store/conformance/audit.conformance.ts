import { describe, expect, test } from 'vitest';
import { sampleAudit } from '../../../test/support/samples.ts';
import type { AuditFilters } from '../audit.ts';
import type { Subject } from './subject.conformance.ts';

const id = (n: number): string => n.toString(16).padStart(24, '0');

export function describeAudit(subject: Subject): void {
  describe('the audit log', () => {
    test('gives back what was appended, whole', async () => {
      const { audit } = subject.store;
      const full = sampleAudit({
        problem: 'forbidden',
        status: 403,
        count: 7,
        params: { a: "it's", b: '"\u00e9' },
      });
      const bare = sampleAudit({
        id: id(1),
        tenant: null,
        actorKind: 'unknown',
        actor: null,
        role: null,
        actorTenant: null,
        address: null,
        userAgent: null,
        requestId: null,
        sessionId: null,
        params: {},
      });
      await audit.append([full, bare]);
      // Sent once more, when nobody knows whether it arrived.
      await audit.append([full]);
      await audit.append([]);
      expect(await audit.list({ newestFirst: true, limit: 9 })).toEqual([full, bare]);
    });

    test('is read by tenant, actor, session, action and time, in either order, page by page', async () => {
      const { audit } = subject.store;
      const [session, other] = ['s-1', 's-2'];
      const rows = [1, 2, 3, 4, 5, 6].map((n) =>
        sampleAudit({
          id: id(n),
          tenant: n % 2 ? 'us' : 'them',
          actor: n > 3 ? 'k' : 'l',
          sessionId: n < 5 ? session : other,
          action: n === 4 ? 'createKey' : 'sendMessage',
        }),
      );
      await audit.append(rows.toReversed());
      const ids = async (query: AuditFilters & { after?: string; limit?: number }, newestFirst = false) =>
        (await audit.list({ limit: 9, ...query, newestFirst })).map((row) => Number.parseInt(row.id, 16));
      expect(await ids({})).toEqual([1, 2, 3, 4, 5, 6]);
      expect(await ids({ limit: 2 }, true)).toEqual([6, 5]);
      expect(await ids({ limit: 2, after: id(5) }, true)).toEqual([4, 3]);
      expect(await ids({ limit: 2, after: id(5) })).toEqual([6]);
      expect(await ids({ tenant: 'us' })).toEqual([1, 3, 5]);
      expect(await ids({ tenant: 'us', after: id(5) }, true)).toEqual([3, 1]);
      expect(await ids({ actor: 'k' }, true)).toEqual([6, 5, 4]);
      expect(await ids({ actor: 'k', tenant: 'them' })).toEqual([4, 6]);
      expect(await ids({ sessionId: session, tenant: 'them' })).toEqual([2, 4]);
      expect(await ids({ sessionId: session, actor: 'k', action: 'createKey', tenant: 'them' })).toEqual([4]);
      expect(await ids({ action: 'sendMessage', tenant: 'them' }, true)).toEqual([6, 2]);
      expect(await ids({ from: id(3), to: id(5) })).toEqual([4]);
      expect(await ids({ from: id(1), to: id(5), after: id(2), limit: 1 })).toEqual([3]);
    });

    test('loses its oldest records only, and nothing of the last day', async () => {
      const { audit } = subject.store;
      const now = sampleAudit({ id: id(9), at: new Date().toISOString() });
      await audit.append([...[1, 2, 3, 4].map((n) => sampleAudit({ id: id(n) })), now]);
      expect(await audit.prune(id(4), 2)).toBe(2);
      expect(await audit.prune(id(4), 2)).toBe(1);
      expect((await audit.list({ newestFirst: false, limit: 9 })).map((row) => row.id)).toEqual([
        id(4),
        id(9),
      ]);
      await expect(audit.prune('~', 9)).rejects.toThrow('append-only');
      expect(await audit.list({ newestFirst: false, limit: 9 })).toHaveLength(2);
    });
  });
}
