import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decidedSession, NOTHING } from '../../test/support/decided.ts';
import { AT, sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Change, Store, TurnRecord } from '../store/store.ts';
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
      ownership: { isShared: false },
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

describe('messages for the running turn of a node that is lost', () => {
  type World = ReturnType<typeof decidedSession>;
  /** The states of these messages, when what happened is in the store and no transcript tells more. */
  async function afterwards(
    happens: (
      world: World,
      ids: readonly [string, string, string],
    ) => readonly { changes: readonly Change[] }[],
    { isShared = true, onCrash = 'interrupt' as 'interrupt' | 'resume' } = {},
  ): Promise<(string | null | undefined)[][]> {
    const session = sampleSession();
    session.options = { ...session.options, on_crash: onCrash };
    const ids = [randomUUID(), randomUUID(), randomUUID()] as const;
    await store.write([{ kind: 'insert-session', session }]);
    for (const { changes } of happens(decidedSession(session), ids))
      if (changes.length > 0) expect((await store.write(changes)).ok).toBe(true);
    await settleOrphans(
      {
        store,
        log: { write: (_, changes) => store.write(changes), live: () => {} },
        agent: { parkable: () => false, taken: async () => [] },
        ownership: { isShared },
        defaultModel: undefined,
        tally: () => undefined,
      },
      [session.id],
    );
    const turns = await Promise.all(ids.map((id) => store.getTurn(session.id, id)));
    return turns.map((turn) => [
      turn?.state,
      ...(turn?.steers ? [`in ${ids.findIndex((id) => id === turn.steers)}`] : []),
    ]);
  }

  const started = { kind: 'process-started', process: 1 } as const;
  const died = { kind: 'process-ended', process: 1, how: 'SIGKILL', lastWords: '', cut: NOTHING } as const;
  const steer = { whenBusy: 'steer' } as const;
  /** The first turn runs, and the agent has two more messages for it. */
  const steered = ({ send, after }: World, [first, second, third]: readonly [string, string, string]) => [
    send(first),
    after(started),
    after({ kind: 'turn-ready', turnId: first, process: 1 }),
    after({ kind: 'turn-taken', turnId: first }),
    send(second, steer),
    send(third, steer),
  ];

  test('went with it, because its agent may have taken them: none runs again', async () => {
    expect(await afterwards(steered)).toEqual([['interrupted'], ['steered', 'in 0'], ['steered', 'in 0']]);
  });

  test('run where the transcript says that the agent had not taken them', async () => {
    const here = await afterwards(steered, { isShared: false });
    expect(here).toEqual([['interrupted'], ['queued'], ['queued']]);
  });

  test('wait for the turn if that goes on: what they did would stand in the log', async () => {
    const states = await afterwards(steered, { onCrash: 'resume' });
    expect(states).toEqual([['running'], ['queued', 'in 0'], ['queued', 'in 0']]);
  });

  test('went with the next one that the agent began by itself, if the turn had ended without them', async () => {
    const states = await afterwards((world, ids) => [...steered(world, ids), world.end(ids[0])]);
    expect(states).toEqual([['completed'], ['interrupted'], ['steered', 'in 1']]);
  });

  test('run when their agent had died before', async () => {
    const states = await afterwards((world, ids) => [...steered(world, ids), world.after(died)]);
    expect(states).toEqual([['failed'], ['interrupted'], ['queued']]);
  });

  test('run when their turn still waited for a process', async () => {
    const states = await afterwards(({ send, after }, [first, second, third]) => [
      send(first),
      after({ kind: 'turn-waiting', turnId: first, position: 1 }),
      send(second, steer),
      send(third, steer),
    ]);
    expect(states).toEqual([['queued'], ['queued'], ['queued']]);
  });
});
