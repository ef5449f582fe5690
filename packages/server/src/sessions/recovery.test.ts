import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AT, sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store, TurnRecord } from '../store/store.ts';
import { settleOrphans } from './recovery.ts';

let store: Store;
beforeAll(() => {
  store = openSqliteStore(':memory:');
});
afterAll(() => store.close());

/** A session with these messages in its queue, and what becomes of it when its server died. */
async function settled(taken: readonly number[], onCrash: 'interrupt' | 'resume' = 'interrupt') {
  const session = sampleSession();
  session.options = { ...session.options, on_crash: onCrash };
  const turns = Array.from({ length: 3 }, () =>
    sampleTurn(session.id, {
      id: randomUUID(),
      state: 'queued',
      startedAt: null,
      endedAt: null,
      result: null,
    }),
  );
  await store.write([
    { kind: 'insert-session', session },
    ...turns.map((turn) => ({ kind: 'insert-turn', turn }) as const),
  ]);
  const ids = turns.filter((_, n) => taken.includes(n)).map(({ id }) => id);
  const goesOn = await settleOrphans(
    {
      store,
      log: { write: (_, changes) => store.write(changes), live: () => {} },
      agent: { parkable: () => false, taken: async (_, asked) => asked.filter((id) => ids.includes(id)) },
      defaultModel: undefined,
      tally: () => undefined,
    },
    [session.id],
  );
  const after = await Promise.all(turns.map(({ id }) => store.getTurn(session.id, id)));
  const events = await store.readEvents(session.id, 0, 100);
  return {
    states: after.map((turn) => (turn as TurnRecord).state),
    types: events.filter(({ turnId }) => turnId === turns[0]?.id).map(({ type }) => type),
    current: goesOn.get(session.id)?.current.turn.id,
    first: turns[0]?.id,
    at: after[0]?.startedAt,
  };
}

describe('messages in the queue of a dead server', () => {
  test('stay there when the agent has taken none', async () => {
    const { states, types } = await settled([]);
    expect(states).toEqual(['queued', 'queued', 'queued']);
    expect(types).toEqual([]);
  });

  test('one that the agent has begun is not sent again, because it would not answer: it has begun, and is interrupted', async () => {
    const { states, types, at } = await settled([0]);
    expect(states).toEqual(['interrupted', 'queued', 'queued']);
    expect(types).toEqual(['turn.started', 'turn.interrupted']);
    expect(at).not.toBe(AT);
  });

  test('several that the agent has begun are one turn', async () => {
    expect((await settled([0, 1])).states).toEqual(['interrupted', 'steered', 'queued']);
  });

  test('one that the agent has begun goes on in a session that wants so', async () => {
    const { states, current, first } = await settled([0], 'resume');
    expect(states).toEqual(['running', 'queued', 'queued']);
    expect(current).toBe(first);
  });
});
