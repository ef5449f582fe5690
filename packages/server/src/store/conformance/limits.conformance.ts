import { describe, expect, test } from 'vitest';
import { sampleSession, sampleTurn } from '../../../test/support/samples.ts';
import type { Change, Scope } from '../store.ts';
import type { Subject } from './subject.conformance.ts';

const key = (id: string) => ({ of: 'key', id }) as const;
const tenant = (id: string) => ({ of: 'tenant', id }) as const;

export function describeLimits(subject: Subject): void {
  describe('limits', () => {
    const limit = (more: Partial<Extract<Change, { kind: 'limit' }>>): Change => ({
      kind: 'limit',
      count: 'live_sessions',
      tenant: 'them',
      maker: 'a-key',
      ...more,
    });
    const newSession = (createdBy: string | null = 'a-key', more: object = {}) =>
      sampleSession({ tenant: 'them', createdBy, ...more });

    test('of open sessions let in exactly as many as there may be, whatever comes at once', async () => {
      const { store } = subject;
      const open = (maker: string, max: object) =>
        store.write([{ kind: 'insert-session', session: newSession(maker) }, limit({ maker, ...max })]);
      const mine = await Promise.all(Array.from({ length: 12 }, () => open('a-key', { maxOfMaker: 3 })));
      expect(mine.filter(({ ok }) => ok)).toHaveLength(3);
      expect(mine).toContainEqual({ ok: false, refused: 1 });
      const others = await Promise.all(
        Array.from({ length: 6 }, () => open('b-key', { maxOfMaker: 4, maxOfTenant: 5 })),
      );
      expect(others.filter(({ ok }) => ok)).toHaveLength(2);
      expect([
        await store.countOf('live_sessions', key('a-key')),
        await store.countOf('live_sessions', key('b-key')),
        await store.countOf('live_sessions', tenant('them')),
        await store.countOf('live_sessions', tenant('default')),
      ]).toEqual([3, 2, 5, 0]);
    });

    test('of open sessions do not count those that are closed; the machine is a maker', async () => {
      const { store } = subject;
      const own = newSession(null);
      await store.write([
        { kind: 'insert-session', session: newSession(null, { status: 'closed' }) },
        { kind: 'insert-session', session: own },
      ]);
      expect(await store.countOf('live_sessions', key('local'))).toBe(1);
      await store.write([{ kind: 'update-session', id: own.id, set: { status: 'closed' } }]);
      expect(await store.countOf('live_sessions', key('local'))).toBe(0);
      expect(await store.write([limit({ maker: 'local', maxOfMaker: 0 })])).toMatchObject({ ok: true });
    });

    test('of messages count those that wait in all sessions of a maker', async () => {
      const { store } = subject;
      const [a, b] = [newSession(), newSession()];
      await store.write([a, b].map((session) => ({ kind: 'insert-session', session })));
      const send = (id: string, more: object = {}) =>
        store.write([
          { kind: 'insert-turn', turn: sampleTurn(id, more) },
          limit({ count: 'queued_turns', maxOfMaker: 2 }),
        ]);
      expect(await send(a.id, { state: 'running' })).toMatchObject({ ok: true });
      const sent = await Promise.all([send(a.id), send(b.id), send(a.id), send(b.id)]);
      expect(sent.filter(({ ok }) => ok)).toHaveLength(2);
      expect(await store.countOf('queued_turns', key('a-key'))).toBe(2);
      expect(await store.countOf('queued_turns', tenant('them'))).toBe(2);
    });

    test('of a day count what sessions and calls without one have used, by maker and tenant', async () => {
      const { store } = subject;
      const usage = {
        model: 'm',
        inputTokens: 1,
        outputTokens: 10,
        cacheReadInputTokens: 100,
        cacheCreationInputTokens: 1000,
        costUsd: 0.5,
      };
      const session = newSession();
      await store.write([
        { kind: 'insert-session', session },
        { kind: 'add-usage', sessionId: session.id, usage },
        { kind: 'add-usage', sessionId: session.id, usage },
        { kind: 'add-day-usage', tenant: 'them', maker: 'b-key', usage: { ...usage, model: 'n' } },
      ]);
      const day = new Date().toISOString().slice(0, 10);
      expect(await store.usedOn(day, key('a-key'))).toEqual({ tokens: 2022, costUsd: 1 });
      expect(await store.usedOn(day, tenant('them'))).toEqual({ tokens: 3033, costUsd: 1.5 });
      expect(await store.usedOn('2020-01-01', tenant('them'))).toEqual({ tokens: 0, costUsd: 0 });
      const costOf = async (scope: Scope, to = day) =>
        (await store.usageByDay({ from: '2020-01-01', to, scope })).map((each) => [
          each.day,
          each.maker,
          each.cost_usd,
        ]);
      expect(await costOf({ tenant: 'them', createdBy: 'a-key' })).toEqual([[day, 'a-key', 1]]);
      expect((await costOf({ tenant: 'them' })).reduce((sum, [, , cost]) => sum + Number(cost), 0)).toBe(1.5);
      expect(await costOf({ tenant: 'others' })).toEqual([]);
      expect(await costOf({}, '2020-01-02')).toEqual([]);
    });
  });
}
