import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AT, importOf, sampleEvent, sampleImport, samplePermission } from '../../../test/support/samples.ts';
import type { Scope, SessionRecord } from '../store.ts';
import type { Subject } from './subject.conformance.ts';

const USAGE = {
  model: 'm',
  inputTokens: 1,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  costUsd: 1,
};

export function describeTenants(subject: Subject): void {
  describe('tenants', () => {
    /** A session with an ended turn, a request, two control events among others, and some usage. */
    const fill = async (set: Partial<SessionRecord>): Promise<SessionRecord> => {
      const session = await subject.newSession(set);
      const { id } = session;
      await subject.newTurn(id, { state: 'completed', endedAt: AT });
      await subject.store.write([
        { kind: 'insert-permission', permission: samplePermission(id) },
        sampleEvent(id, { type: 'session.state' }),
        sampleEvent(id),
        sampleEvent(id, { type: 'session.state' }),
        { kind: 'add-usage', sessionId: id, usage: USAGE },
      ]);
      return session;
    };

    test('see their own sessions only, and a maker those that it made', async () => {
      const { store } = subject;
      const [a, mine, other, foreign] = [
        await fill({ tenant: 'a' }),
        await fill({ tenant: 'a', createdBy: 'me' }),
        await fill({ tenant: 'a', createdBy: 'you' }),
        await fill({ tenant: 'b', createdBy: 'me' }),
      ];
      const cases: [Scope, SessionRecord[]][] = [
        [{}, [a, mine, other, foreign]],
        [{ tenant: 'a' }, [a, mine, other]],
        [{ tenant: 'b' }, [foreign]],
        [{ tenant: 'a', createdBy: 'me' }, [mine]],
        [{ tenant: 'b', createdBy: 'you' }, []],
        [{ tenant: 'nobody' }, []],
      ];
      for (const [scope, sessions] of cases) {
        const ids = sessions.map(({ id }) => id).toSorted();
        const page = await store.listSessions({ status: 'all', limit: 9, scope });
        expect(page.sessions.map(({ id }) => id).toSorted()).toEqual(ids);
        const { permissions } = await store.pendingPermissions({ scope });
        expect(permissions.map(({ sessionId }) => sessionId)).toEqual(sessions.map(({ id }) => id));
        const events = await store.readControlEvents(0, 99, scope);
        expect(events.map(({ sessionId }) => sessionId)).toEqual(sessions.flatMap(({ id }) => [id, id]));
        const usage = await store.totalUsage(scope);
        expect(usage.turns).toBe(sessions.length);
        expect(usage.rows.map(({ costUsd }) => costUsd)).toEqual(
          sessions.length > 0 ? [sessions.length] : [],
        );
        expect((await store.conversationsIn(scope)).toSorted()).toEqual(ids);
        expect((await store.conversationsOutside(scope)).toSorted()).toEqual(
          [a, mine, other, foreign]
            .map(({ id }) => id)
            .filter((id) => !ids.includes(id))
            .toSorted(),
        );
      }
    });

    test('page through what is theirs', async () => {
      const { store } = subject;
      const own: string[] = [];
      for (let n = 0; n < 3; n++) {
        own.push((await fill({ tenant: 'a' })).id);
        await fill({ tenant: 'b' });
      }
      const scope = { tenant: 'a' };
      const first = await store.pendingPermissions({ limit: 2, scope });
      const second = await store.pendingPermissions({ limit: 2, cursor: first.next ?? '', scope });
      expect([first, second].map((page) => page.permissions.map(({ sessionId }) => sessionId))).toEqual([
        own.slice(0, 2),
        own.slice(2),
      ]);
      const events = await store.readControlEvents(0, 4, scope);
      const more = await store.readControlEvents(events.at(-1)?.cursor ?? 0, 4, scope);
      expect([...events, ...more].map(({ sessionId }) => sessionId)).toEqual(own.flatMap((id) => [id, id]));
    });

    test('own what is imported for them', async () => {
      const { store } = subject;
      const given = sampleImport();
      const session = { ...given.session, tenant: 'a', createdBy: 'me' };
      const events = given.events.map((each) => ({ ...each, type: 'session.state' as const }));
      expect(await store.write(importOf({ ...given, session, events }))).toMatchObject({ ok: true });
      expect((await store.getSession(session.id))?.tenant).toBe('a');
      expect(await store.readControlEvents(0, 9, { tenant: 'a' })).toHaveLength(2);
      expect(await store.readControlEvents(0, 9, { tenant: 'default' })).toEqual([]);
    });

    test('are found by the id of a session or of one of its conversations', async () => {
      const { store } = subject;
      const session = await subject.newSession({ tenant: 'a', createdBy: 'me' });
      const next = randomUUID();
      await store.write([{ kind: 'insert-conversation', id: next, sessionId: session.id }]);
      const whose = { id: session.id, tenant: 'a', createdBy: 'me' };
      expect(await store.whose(session.id)).toEqual(whose);
      expect(await store.whose(next)).toEqual(whose);
      await store.write([{ kind: 'hide-session', id: session.id }]);
      expect(await store.whose(session.id)).toEqual(whose);
      expect(await store.whose(randomUUID())).toBeUndefined();
    });
  });
}
