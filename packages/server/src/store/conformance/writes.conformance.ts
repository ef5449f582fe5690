import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AT, sampleEvent, samplePermission, sampleTurn } from '../../../test/support/samples.ts';
import type { Change } from '../store.ts';
import type { Subject } from './subject.conformance.ts';

export function describeWrites(subject: Subject): void {
  describe('writes', () => {
    test('settle in the order of the calls, successful or not', async () => {
      const { id } = await subject.newSession();
      const order: number[] = [];
      await Promise.allSettled(
        Array.from({ length: 30 }, (_, n) => {
          const changes: Change[] =
            n % 3 === 0
              ? [sampleEvent(id)]
              : n % 3 === 1
                ? [{ kind: 'count-message', id: randomUUID() }]
                : [sampleEvent(randomUUID())];
          return subject.store.write(changes).then(
            () => order.push(n),
            () => order.push(n),
          );
        }),
      );
      expect(order).toEqual(order.toSorted((a, b) => a - b));
      expect(order).toHaveLength(30);
    });

    test('can be read when their promise settles', async () => {
      const { id } = await subject.newSession();
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const written = await subject.store.write([sampleEvent(id)]);
          const seq = written.ok ? (written.events[0]?.seq ?? 0) : 0;
          expect(await subject.store.readEvents(id, seq - 1, 1)).toEqual(written.ok && written.events);
        }),
      );
    });

    test('a refused change takes nothing of its write with it, and leaves the writes around it alone', async () => {
      const session = await subject.newSession();
      const { id } = session;
      const turn = sampleTurn(id, { idempotencyKey: 'k' });
      const permission = samplePermission(id);
      const usage = {
        model: 'demo',
        inputTokens: 1,
        outputTokens: 1,
        cacheReadInputTokens: 1,
        cacheCreationInputTokens: 1,
        costUsd: 1,
      };
      const [before, refused, broken, after] = await Promise.allSettled([
        subject.store.write([sampleEvent(id, { json: '"before"' })]),
        subject.store.write([
          { kind: 'insert-turn', turn },
          { kind: 'insert-permission', permission },
          { kind: 'count-message', id },
          { kind: 'update-session', id, set: { title: 'never' } },
          { kind: 'add-usage', sessionId: id, usage },
          sampleEvent(id, { json: '"refused"' }),
          {
            kind: 'settle-permission',
            sessionId: id,
            id: randomUUID(),
            state: 'denied',
            reason: 'answered',
            resolvedAt: AT,
            resolvedBy: null,
            decision: null,
          },
        ]),
        subject.store.write([
          sampleEvent(id, { json: '"broken"' }),
          { kind: 'insert-turn', turn: sampleTurn('?') },
        ]),
        subject.store.write([sampleEvent(id, { json: '"after"' })]),
      ]);
      expect(before).toMatchObject({ value: { ok: true, events: [{ seq: 1 }] } });
      expect(refused).toEqual({ status: 'fulfilled', value: { ok: false, refused: 6 } });
      expect(broken.status).toBe('rejected');
      expect(after).toMatchObject({ value: { ok: true, events: [{ seq: 2 }] } });
      expect((await subject.store.readEvents(id, 0, 9)).map((each) => each.json)).toEqual([
        '"before"',
        '"after"',
      ]);
      expect(await subject.store.getTurn(id, turn.id)).toBeUndefined();
      expect(await subject.store.getPermission(id, permission.id)).toBeUndefined();
      expect(await subject.store.getSession(id)).toEqual({ ...session, lastSeq: 2 });
      expect(await subject.store.totalUsage()).toEqual({ turns: 0, rows: [], costByKey: new Map() });
    });

    test('that are impossible reject: events of unknown sessions, taken ids', async () => {
      const { id } = await subject.newSession();
      const turn = await subject.newTurn(id);
      const permission = samplePermission(id);
      await subject.store.write([{ kind: 'insert-permission', permission }]);
      await expect(subject.store.write([sampleEvent(randomUUID())])).rejects.toThrow();
      await expect(subject.store.write([{ kind: 'insert-turn', turn }])).rejects.toThrow();
      await expect(
        subject.store.write([{ kind: 'insert-turn', turn: sampleTurn(randomUUID()) }]),
      ).rejects.toThrow();
      await expect(subject.store.write([{ kind: 'insert-permission', permission }])).rejects.toThrow();
    });

    test('of a writer that does not own the session any more are refused whole', async () => {
      const { id } = await subject.newSession();
      const owned = (fence: number, sessionId = id): Change => ({ kind: 'owned', sessionId, fence });
      const write = (...changes: Change[]) => subject.store.write(changes);
      expect(await write(owned(0), sampleEvent(id))).toMatchObject({ ok: true, events: [{ seq: 1 }] });
      expect(await write(owned(1), sampleEvent(id))).toEqual({ ok: false, refused: 0 });
      expect(await write(sampleEvent(id), owned(1))).toEqual({ ok: false, refused: 1 });
      expect(await write(owned(0, randomUUID()))).toEqual({ ok: false, refused: 0 });
      expect((await subject.store.getSession(id))?.lastSeq).toBe(1);
    });

    test('without changes succeed', async () => {
      expect(await subject.store.write([])).toEqual({ ok: true, events: [] });
    });

    test('in progress when the store closes are kept or rejected, never left pending', async () => {
      const { id } = await subject.newSession();
      const results = Promise.allSettled([
        subject.store.write([sampleEvent(id)]),
        subject.store.write([sampleEvent(id)]),
      ]);
      await subject.store.close();
      expect(await results).toHaveLength(2);
      await expect(subject.store.write([sampleEvent(id)])).rejects.toThrow();
      await expect(subject.store.getSession(id)).rejects.toThrow();
      await subject.reopen();
    });
  });
}
