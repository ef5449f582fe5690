import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AT, importOf, sampleEvent, sampleImport, samplePermission } from '../../../test/support/samples.ts';
import type { Change } from '../store.ts';
import type { Subject } from './subject.conformance.ts';

const usage = {
  model: 'demo',
  inputTokens: 5,
  outputTokens: 2,
  cacheReadInputTokens: 1,
  cacheCreationInputTokens: 1,
  costUsd: 0.5,
};

export function describeRemoval(subject: Subject): void {
  describe('erased sessions', () => {
    test('leave nothing but their sums, and their ids can be used again', async () => {
      const { store } = subject;
      const [gone, other] = [await subject.newSession(), await subject.newSession()];
      const turn = await subject.newTurn(gone.id, { state: 'completed', endedAt: AT, idempotencyKey: 'k' });
      const permission = samplePermission(gone.id);
      await store.write([
        { kind: 'insert-permission', permission },
        { kind: 'insert-conversation', id: randomUUID(), sessionId: gone.id },
        { kind: 'add-usage', sessionId: gone.id, usage },
        { kind: 'add-usage', sessionId: other.id, usage },
        sampleEvent(gone.id, { type: 'turn.queued', turnId: turn.id }),
        sampleEvent(other.id, { type: 'session.state' }),
      ]);
      const before = await store.totalUsage();
      expect(await store.write([{ kind: 'erase-session', id: gone.id }])).toEqual({ ok: true, events: [] });

      expect(await store.getSession(gone.id)).toBeUndefined();
      expect(await store.getTurn(gone.id, turn.id)).toBeUndefined();
      expect(await store.getPermission(gone.id, permission.id)).toBeUndefined();
      expect(await store.pendingPermissions()).toMatchObject({ permissions: [] });
      expect(await store.conversations(gone.id)).toEqual([]);
      expect(await store.readEvents(gone.id, 0, 9)).toEqual([]);
      expect(await store.readControlEvents(0, 9)).toMatchObject([{ sessionId: other.id }]);
      expect(await store.sessionUsage(gone.id)).toEqual({ turns: 0, rows: [] });
      expect(await store.totalUsage()).toEqual(before);
      expect(before).toMatchObject({ turns: 1, rows: [{ model: 'demo', inputTokens: 10, costUsd: 1 }] });

      await subject.newSession({ id: gone.id });
      expect(await store.write([{ kind: 'erase-session', id: randomUUID() }])).toMatchObject({ ok: false });
    });
  });

  describe('hidden sessions', () => {
    test('are found by nobody, and go in small steps', async () => {
      const { store } = subject;
      const [gone, other] = [await subject.newSession(), await subject.newSession()];
      for (let n = 0; n < 3; n++) {
        await subject.newTurn(gone.id, { state: 'completed', endedAt: AT });
        await store.write([
          { kind: 'insert-permission', permission: samplePermission(gone.id) },
          sampleEvent(gone.id, { type: 'session.state', json: '{"pad":"1234567890"}' }),
        ]);
      }
      await store.write([{ kind: 'add-usage', sessionId: gone.id, usage }, sampleEvent(other.id)]);
      const before = await store.totalUsage();
      const hide = { kind: 'hide-session', id: gone.id } as const;
      expect(await store.write([hide])).toMatchObject({ ok: true });
      expect(await store.write([hide])).toMatchObject({ ok: false });
      expect(await store.hiddenSessions()).toEqual([{ id: gone.id, why: 'erasing' }]);

      expect(await store.getSession(gone.id)).toBeUndefined();
      expect([...(await store.getSessions([gone.id, other.id])).keys()]).toEqual([other.id]);
      expect((await store.listSessions({ status: 'all', limit: 9 })).sessions).toMatchObject([
        { id: other.id },
      ]);
      expect(await store.readControlEvents(0, 9)).toEqual([]);

      const step = async (rows: number, bytes = 1_000) =>
        (await store.write([{ kind: 'erase-rows', id: gone.id, rows, bytes }])).ok;
      expect(await step(2)).toBe(true);
      expect((await store.readEvents(gone.id, 0, 9)).map(({ seq }) => seq)).toEqual([3]);
      // A row is removed however large it is.
      for (let n = 0; n < 3; n++) expect(await step(9, 1)).toBe(true);
      expect(await store.listTurns({ sessionId: gone.id, limit: 9 })).toHaveLength(1);
      expect(await store.totalUsage()).toEqual(before);
      expect([await step(9), await step(9), await step(9)]).toEqual([true, true, false]);
      expect(await store.pendingPermissions()).toMatchObject({ permissions: [] });
      await store.write([{ kind: 'erase-session', id: gone.id }]);
      expect(await store.hiddenSessions()).toEqual([]);
      expect(await store.totalUsage()).toEqual(before);
      expect(await store.readEvents(other.id, 0, 9)).toHaveLength(1);
    });
  });

  describe('trimmed logs', () => {
    test('lose their oldest events; numbers stay and go on, and the sizes follow', async () => {
      const { store } = subject;
      const { id } = await subject.newSession();
      await store.write(Array.from({ length: 5 }, () => sampleEvent(id, { json: '{"a":"é"}' })));
      expect(await store.logSizes('', 9)).toMatchObject([{ sessionId: id, firstSeq: 1, bytes: 50 }]);
      await store.write([{ kind: 'trim-events', sessionId: id, below: 4 }]);
      await store.write([sampleEvent(id)]);
      expect((await store.readEvents(id, 0, 9)).map(({ seq }) => seq)).toEqual([4, 5, 6]);
      expect(await store.firstSeq(id)).toBe(4);
      expect(await store.oldestEvents(id, 1)).toEqual([{ seq: 4, at: AT, bytes: 10 }]);
      expect(await store.logSizes(id, 9)).toEqual([]);
    });

    test('move the cut of the stream of all sessions to their newest control event', async () => {
      const { store } = subject;
      const { id } = await subject.newSession();
      expect(await store.trimmedCursor()).toBe(0);
      await store.write([sampleEvent(id, { type: 'session.state' }), sampleEvent(id), sampleEvent(id)]);
      const [state] = await store.readEvents(id, 0, 1);
      await store.write([{ kind: 'trim-events', sessionId: id, below: 3 }]);
      expect(await store.trimmedCursor()).toBe(state?.cursor);
      await store.write([{ kind: 'trim-events', sessionId: id, below: 4 }]);
      expect(await store.trimmedCursor()).toBe(state?.cursor);
    });

    test('say where the present conversation begins, and which task list is still needed', async () => {
      const { store } = subject;
      const { id } = await subject.newSession();
      const tasks = (list: unknown[]) =>
        sampleEvent(id, { type: 'session.tasks', json: JSON.stringify({ tasks: list }) });
      const conversationId = randomUUID();
      await store.write([
        tasks([{}]),
        { kind: 'insert-conversation', id: conversationId, sessionId: id },
        { kind: 'update-session', id, set: { conversationId } },
        sampleEvent(id),
      ]);
      expect(await store.logSizes('', 9)).toMatchObject([{ conversationFrom: 2, tasksSeq: 1, lastSeq: 2 }]);
      await store.write([tasks([])]);
      expect(await store.logSizes('', 9)).toMatchObject([{ tasksSeq: null, oldestAt: AT }]);
    });
  });

  describe('imported sessions', () => {
    test('are what they were, and their logs go on', async () => {
      const { store } = subject;
      const imported = sampleImport();
      const { session, turns, conversations } = imported;
      expect(await store.write(importOf(imported))).toEqual({ ok: true, events: [] });
      expect(await store.getSession(session.id)).toEqual(session);
      expect(await store.listTurns({ sessionId: session.id, limit: 9 })).toEqual(turns);
      expect(await store.conversations(session.id)).toEqual(
        conversations.map((each) => ({ ...each, sessionId: session.id })),
      );
      await store.write([sampleEvent(session.id)]);
      expect((await store.readEvents(session.id, 0, 9)).map(({ seq }) => seq)).toEqual([4, 5, 6]);
      expect(await store.logSizes('', 9)).toMatchObject([{ firstSeq: 4, bytes: 14 + 20 }]);
      expect(await store.sessionUsage(session.id)).toEqual({ turns: 1, rows: imported.usage });
    });

    test('are refused whole when one of their ids is taken', async () => {
      const { store } = subject;
      const { id } = await subject.newSession();
      const sample = sampleImport();
      const attempts = [
        { ...sample, session: { ...sample.session, id } },
        { ...sample, conversations: [{ id, afterSeq: 0, fromDisk: false }] },
        { ...sample, turns: [...sample.turns, ...sample.turns] },
      ];
      const refused = await Promise.all(attempts.map((imported) => store.write(importOf(imported))));
      expect(refused).toEqual([0, 1, 1].map((n) => ({ ok: false, refused: n })));
      expect(await store.getSession(sample.session.id)).toBeUndefined();
    });

    test('are found when they are complete, and leave nothing when they are given up', async () => {
      const { store } = subject;
      const sample = sampleImport();
      const { id } = sample.session;
      const [begin, rows, end] = importOf(sample) as [Change, Change, Change];
      const before = await store.totalUsage();
      const nobody = async () => {
        expect(await store.getSession(id)).toBeUndefined();
        expect((await store.listSessions({ status: 'all', limit: 9 })).sessions).toEqual([]);
        expect(await store.totalUsage()).toEqual(before);
      };
      expect(await store.write([end])).toMatchObject({ ok: false });
      await store.write([begin]);
      await store.write([rows]);
      expect(await store.hiddenSessions()).toEqual([{ id, why: 'importing' }]);
      await nobody();
      const part = { kind: 'erase-rows', id, rows: 99, bytes: 9_999 } as const;
      while ((await store.write([part])).ok);
      await store.write([{ kind: 'erase-session', id }]);
      await nobody();
      for (const each of [begin, rows, end]) expect(await store.write([each])).toMatchObject({ ok: true });
      expect(await store.getSession(id)).toEqual(sample.session);
      expect(await store.totalUsage()).toMatchObject({ turns: 1, rows: [{ costUsd: 1 }] });
    });
  });
}
