import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AT, sampleEvent, samplePermission } from '../../../test/support/samples.ts';
import type { Subject } from './subject.conformance.ts';

export function describePermissions(subject: Subject): void {
  describe('permissions', () => {
    test('a request is read exactly as it was written', async () => {
      const { id } = await subject.newSession();
      const full = samplePermission(id, {
        turnId: randomUUID(),
        kind: 'question',
        toolInput: { nested: [{ x: '"' }] },
        suggestions: [{ type: 'addRules', rules: [{ toolName: 'Bash' }], behavior: 'allow' }, 'odd', null],
        agentId: 'a',
        title: 't',
        description: 'd',
        decisionReason: 'r',
        blockedPath: '/x',
        toolUseId: 'toolu_one',
        durable: true,
        defaultToNo: true,
        expiresAt: AT,
      });
      await subject.store.write([{ kind: 'insert-permission', permission: full }]);
      expect(await subject.store.getPermission(id, full.id)).toEqual(full);
      expect(await subject.store.getPermission(randomUUID(), full.id)).toBeUndefined();
      expect(await subject.store.permissionsOfCall(id, 'toolu_one')).toEqual([full]);
      expect(await subject.store.permissionsOfCall(id, 'toolu_two')).toEqual([]);
      expect(await subject.store.permissionsOfCall(randomUUID(), 'toolu_one')).toEqual([]);
    });

    test('pending ones of all sessions are listed oldest first, with the cursor of that moment', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      const asked = [a, b, a].map((session) => samplePermission(session.id));
      for (const permission of asked) await subject.store.write([{ kind: 'insert-permission', permission }]);
      expect(await subject.store.pendingPermissions()).toEqual({ permissions: asked, next: null, cursor: 0 });
      await subject.store.write([sampleEvent(a.id, { type: 'session.state' })]);
      const cursor = await subject.store.lastCursor();
      expect(cursor).toBeGreaterThan(0);
      expect(await subject.store.pendingPermissions()).toEqual({ permissions: asked, next: null, cursor });
    });

    test('settled ones of all sessions are listed page by page, the last settled first', async () => {
      const [a, b] = [await subject.newSession({ tenant: 'a' }), await subject.newSession({ tenant: 'b' })];
      const settled = ['1', '3', '2', '3'].map((second, n) =>
        samplePermission(n === 0 ? b.id : a.id, {
          id: `request-${n}`,
          state: 'denied',
          reason: 'answered',
          resolvedAt: `2026-01-02T03:04:0${second}.000Z`,
          resolvedBy: { kind: 'key', id: 'k', name: 'Ada' },
        }),
      );
      const waiting = samplePermission(a.id);
      for (const permission of [...settled, waiting])
        await subject.store.write([{ kind: 'insert-permission', permission }]);
      const first = await subject.store.settledPermissions({ limit: 3 });
      expect(first.permissions).toEqual([settled[3], settled[1], settled[2]]);
      const rest = await subject.store.settledPermissions({ limit: 3, cursor: first.next ?? '' });
      expect(rest).toMatchObject({ permissions: [settled[0]], next: null });
      const theirs = await subject.store.settledPermissions({ limit: 3, scope: { tenant: 'b' } });
      expect(theirs.permissions).toEqual([settled[0]]);
      await expect(subject.store.settledPermissions({ limit: 3, cursor: 'x' })).rejects.toThrow();
    });

    test('pending ones are listed page by page, though earlier ones are answered in between', async () => {
      const { id } = await subject.newSession();
      const asked = Array.from({ length: 5 }, () => samplePermission(id));
      for (const permission of asked) await subject.store.write([{ kind: 'insert-permission', permission }]);
      const first = await subject.store.pendingPermissions({ limit: 2 });
      expect(first.permissions).toEqual(asked.slice(0, 2));
      await subject.store.write(
        first.permissions.map((permission) => ({
          kind: 'settle-permission',
          sessionId: id,
          id: permission.id,
          state: 'denied',
          reason: 'answered',
          resolvedAt: AT,
          resolvedBy: null,
          decision: null,
        })),
      );
      const page = (limit: number, cursor: string | null) =>
        subject.store.pendingPermissions({ limit, cursor: cursor ?? '' });
      const second = await page(2, first.next);
      expect(second.permissions).toEqual(asked.slice(2, 4));
      expect(await page(2, second.next)).toMatchObject({ permissions: asked.slice(4), next: null });
      expect(await page(3, first.next)).toMatchObject({ permissions: asked.slice(2), next: null });
      for (const cursor of ['', 'x', '-1', '1.5', '9'.repeat(30)]) {
        await expect(page(2, cursor)).rejects.toMatchObject({ code: 'cursor_invalid', status: 422 });
      }
    });

    test('calls are open until they are deleted, or their session is erased', async () => {
      const [{ id }, { id: other }] = [await subject.newSession(), await subject.newSession()];
      const call = (n: number, sessionId: string) =>
        ({ id: `call-${n}`, sessionId, turnId: n === 1 ? 'a turn' : null, kind: 'hook' }) as const;
      const calls = [call(1, id), call(2, id), call(3, other)];
      await subject.store.write(calls.map((each) => ({ kind: 'insert-call', call: each })));
      const open = async () =>
        (await subject.store.openWork()).calls.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      expect(await open()).toEqual(calls);
      expect((await subject.store.openWork([other])).calls).toEqual([calls[2]]);
      await subject.store.write([
        { kind: 'delete-call', sessionId: id, id: 'call-1' },
        { kind: 'erase-session', id: other },
      ]);
      expect(await open()).toEqual([calls[1]]);
    });

    test('the first of ten concurrent answers wins, and only its event is kept', async () => {
      const { id } = await subject.newSession();
      const permission = samplePermission(id);
      await subject.store.write([{ kind: 'insert-permission', permission }]);
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          subject.store.write([
            sampleEvent(id, { type: 'permission.resolved', json: `{"n":${n}}` }),
            {
              kind: 'settle-permission',
              sessionId: id,
              id: permission.id,
              state: n % 2 ? 'denied' : 'allowed',
              reason: 'answered',
              resolvedAt: AT,
              resolvedBy: { kind: 'key', id: `key-${n}` },
              decision: { allowed: false, message: `no ${n}`, interrupt: false },
            },
          ]),
        ),
      );
      expect(results.map((each) => each.ok)).toEqual([true, ...Array(9).fill(false)]);
      expect(results[1]).toEqual({ ok: false, refused: 1 });
      expect(await subject.store.getPermission(id, permission.id)).toEqual({
        ...permission,
        state: 'allowed',
        reason: 'answered',
        resolvedAt: AT,
        resolvedBy: { kind: 'key', id: 'key-0' },
        decision: { allowed: false, message: 'no 0', interrupt: false },
      });
      expect((await subject.store.pendingPermissions()).permissions).toEqual([]);
      expect((await subject.store.readEvents(id, 0, 99)).map((each) => each.json)).toEqual(['{"n":0}']);
    });
  });
}
