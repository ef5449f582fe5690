import { randomUUID } from 'node:crypto';
import type { TurnResult, TurnState } from 'claude-agent-protocol';
import { describe, expect, test } from 'vitest';
import { AT, sampleEvent, samplePermission, sampleTurn } from '../../../test/support/samples.ts';
import type { Change, Store, TurnRecord } from '../store.ts';
import type { Subject } from './subject.conformance.ts';

export function describeTurns(subject: Subject): void {
  describe('turns', () => {
    const result = (turn: TurnRecord): TurnResult => ({
      session_id: turn.sessionId,
      turn_id: turn.id,
      messages: [{ type: 'text', content: 'hi' }],
      is_error: false,
      error: null,
      stop_reason: 'end_turn',
      cost_usd: 0.25,
      num_turns: 1,
      usage: { input_tokens: 1 },
      duration_ms: 12.5,
    });

    test('a turn is read exactly as it was written, under its own session only', async () => {
      const session = await subject.newSession();
      const other = await subject.newSession();
      const turn = await subject.newTurn(session.id, {
        input: [{ type: 'text', text: 'look' }],
        idempotencyKey: 'k',
        startedAt: AT,
      });
      expect(await subject.store.getTurn(session.id, turn.id)).toEqual(turn);
      expect(await subject.store.getTurn(other.id, turn.id)).toBeUndefined();
      expect(await subject.store.knownTurns(session.id, [randomUUID(), turn.id])).toEqual(new Set([turn.id]));
      expect(await subject.store.knownTurns(other.id, [turn.id])).toEqual(new Set());
      expect(await subject.store.getTurnByKey(session.id, 'k')).toEqual(turn);
      expect(await subject.store.getTurnByKey(other.id, 'k')).toBeUndefined();
      expect(await subject.store.getTurnByKey(session.id, 'K')).toBeUndefined();
    });

    test('a second turn under the same key is refused; other sessions and turns without keys are not', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      const first = await subject.newTurn(a.id, { idempotencyKey: 'k' });
      const again = sampleTurn(a.id, { idempotencyKey: 'k' });
      const changes: Change[] = [sampleEvent(a.id), { kind: 'insert-turn', turn: again }];
      expect(await subject.store.write(changes)).toEqual({ ok: false, refused: 1 });
      await subject.newTurn(b.id, { idempotencyKey: 'k' });
      await subject.newTurn(a.id);
      await subject.newTurn(a.id);
      expect(await subject.store.getTurnByKey(a.id, 'k')).toEqual(first);
      // A turn that never began releases its key.
      await subject.store.write([
        {
          kind: 'update-turn',
          sessionId: a.id,
          id: first.id,
          from: ['queued'],
          set: { state: 'failed', idempotencyKey: null },
        },
      ]);
      expect(await subject.store.getTurnByKey(a.id, 'k')).toBeUndefined();
      await subject.newTurn(a.id, { idempotencyKey: 'k' });
    });

    test('the first of many concurrent turns under one key is kept', async () => {
      const { id } = await subject.newSession();
      const turns = Array.from({ length: 10 }, () => sampleTurn(id, { idempotencyKey: 'k' }));
      const results = await Promise.all(
        turns.map((turn) => subject.store.write([{ kind: 'insert-turn', turn }, sampleEvent(id)])),
      );
      expect(results.map((each) => each.ok)).toEqual([true, ...Array(9).fill(false)]);
      expect((await subject.store.openTurns('queued')).map((turn) => turn.id)).toEqual([turns[0]?.id]);
      expect((await subject.store.getSession(id))?.lastSeq).toBe(1);
    });

    test('a turn changes only from a state that the change allows', async () => {
      const { id: sessionId } = await subject.newSession();
      const turn = await subject.newTurn(sessionId, { state: 'running', startedAt: AT });
      const end = (from: TurnState[], state: TurnState): Change => ({
        kind: 'update-turn',
        sessionId,
        id: turn.id,
        from,
        set: { state, endedAt: AT, result: result(turn) },
      });
      expect(await subject.store.write([end(['queued'], 'interrupted')])).toEqual({ ok: false, refused: 0 });
      expect(await subject.store.write([end(['queued', 'running'], 'completed')])).toMatchObject({
        ok: true,
      });
      expect(await subject.store.write([end(['queued', 'running'], 'failed')])).toEqual({
        ok: false,
        refused: 0,
      });
      expect(await subject.store.getTurn(sessionId, turn.id)).toEqual({
        ...turn,
        state: 'completed',
        endedAt: AT,
        result: result(turn),
      });
    });

    test('the first of two concurrent ends of a turn wins', async () => {
      const { id: sessionId } = await subject.newSession();
      const turn = await subject.newTurn(sessionId, { state: 'running' });
      const ends = await Promise.all(
        (['interrupted', 'completed'] as const).map((state) =>
          subject.store.write([
            { kind: 'update-turn', sessionId, id: turn.id, from: ['running'], set: { state } },
            sampleEvent(sessionId, { type: `turn.${state}` }),
          ]),
        ),
      );
      expect(ends.map((each) => each.ok)).toEqual([true, false]);
      expect((await subject.store.readEvents(sessionId, 0, 9)).map((each) => each.type)).toEqual([
        'turn.interrupted',
      ]);
    });

    test('turns are listed in the order in which they were sent, by session, state and page', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      const sent: TurnRecord[] = [];
      // All of one millisecond, and ids that sort in another order.
      for (let n = 0; n < 6; n++) sent.push(await subject.newTurn(n % 2 ? b.id : a.id));
      const ids = async (query: Parameters<Store['listTurns']>[0]) =>
        (await subject.store.listTurns(query)).map((turn) => turn.id);
      const of = (sessionId: string) => sent.filter((turn) => turn.sessionId === sessionId).map((t) => t.id);
      const open = async (state: 'queued' | 'running') =>
        (await subject.store.openTurns(state)).map((turn) => turn.id);

      expect(await open('queued')).toEqual(sent.map((turn) => turn.id));
      expect(await ids({ sessionId: a.id, limit: 99 })).toEqual(of(a.id));
      expect(await ids({ sessionId: a.id, limit: 2 })).toEqual(of(a.id).slice(0, 2));
      expect(await ids({ sessionId: a.id, after: of(a.id)[0], limit: 99 })).toEqual(of(a.id).slice(1));
      expect(await ids({ sessionId: a.id, after: randomUUID(), limit: 99 })).toEqual([]);
      expect(await ids({ sessionId: randomUUID(), limit: 99 })).toEqual([]);

      const second = of(a.id)[1] ?? '';
      await subject.store.write([
        { kind: 'update-turn', sessionId: a.id, id: second, from: ['queued'], set: { state: 'running' } },
      ]);
      expect(await open('running')).toEqual([second]);
      expect(await open('queued')).toEqual(sent.map((turn) => turn.id).filter((id) => id !== second));
      expect(await ids({ sessionId: a.id, state: 'running', limit: 99 })).toEqual([second]);
      expect(await ids({ sessionId: b.id, state: 'running', limit: 99 })).toEqual([]);
      expect(await ids({ sessionId: a.id, state: 'queued', after: of(a.id)[0], limit: 99 })).toEqual(
        of(a.id).slice(2),
      );
    });

    test('a turn that has ended is unsettled while its background work is waited for', async () => {
      const { id: sessionId } = await subject.newSession();
      const background = { waitFor: 'background', state: 'completed', endedAt: AT } as const;
      const first = await subject.newTurn(sessionId, background);
      const second = await subject.newTurn(sessionId, background);
      await subject.newTurn(sessionId, { ...background, settledAt: AT });
      await subject.newTurn(sessionId, { ...background, waitFor: 'turn' });
      await subject.newTurn(sessionId, { waitFor: 'background', state: 'running' });
      expect(await subject.store.unsettledTurns()).toEqual([first, second]);
      await subject.store.write([
        { kind: 'update-turn', sessionId, id: first.id, from: ['completed'], set: { settledAt: AT } },
      ]);
      expect(await subject.store.unsettledTurns()).toEqual([second]);
    });

    test('open work is found by session: turns, requests, calls and tasks', async () => {
      const { store } = subject;
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      const ended = { state: 'completed', endedAt: AT } as const;
      const of = async (id: string) => ({
        running: [await subject.newTurn(id, { state: 'running' })],
        queued: [await subject.newTurn(id), await subject.newTurn(id)],
        unsettled: [await subject.newTurn(id, { ...ended, waitFor: 'background' })],
        pending: [samplePermission(id)],
        calls: [{ id: randomUUID(), sessionId: id, turnId: null, kind: 'tool' as const }],
        withTasks: [id],
      });
      const open = [await of(a.id), await of(b.id)] as const;
      for (const { pending, calls, withTasks } of open) {
        const json = JSON.stringify({ tasks: [{ task_id: '1' }] });
        await store.write([
          ...pending.map((permission) => ({ kind: 'insert-permission' as const, permission })),
          ...calls.map((call) => ({ kind: 'insert-call' as const, call })),
          ...withTasks.map((id) => sampleEvent(id, { type: 'session.tasks', json })),
        ]);
      }
      await subject.newTurn(a.id, ended);
      const settled = samplePermission(a.id, { state: 'denied' });
      await store.write([{ kind: 'insert-permission', permission: settled }]);
      const none = { queued: [], running: [], unsettled: [], pending: [], calls: [], withTasks: [] };
      expect(await store.openWork([a.id])).toEqual(open[0]);
      expect(await store.openWork([(await subject.newSession()).id, randomUUID()])).toEqual(none);
      expect(await store.openWork([])).toEqual(none);
      const all = await store.openWork();
      for (const key of Object.keys(none) as (keyof typeof none)[])
        expect(new Set<unknown>(all[key])).toEqual(new Set<unknown>([...open[0][key], ...open[1][key]]));
    });
  });
}
