import { expect, test } from 'vitest';
import { sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { createSoleOwnership } from '../cluster/ownership.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { SessionRecord, TurnRecord } from '../store/store.ts';
import { createActors } from './actors.ts';
import { createMoving } from './moving.ts';
import type { Session } from './session.ts';

/** A node that has taken a session with a message in its queue. */
async function takenOver() {
  const store = openSqliteStore(':memory:');
  const session = sampleSession();
  const { id } = session;
  await store.write([
    { kind: 'insert-session', session },
    { kind: 'insert-turn', turn: sampleTurn(id, { state: 'queued', startedAt: null, endedAt: null }) },
  ]);
  const actors = createActors();
  const node = {
    id,
    actors,
    isStopping: false,
    fence: 1,
    isSettled: false,
    /** What the actors of the session were told, in order. */
    told: [] as string[],
    /** Runs before the record of the session is read. */
    beforeRead: async (): Promise<void> => {},
    async close() {
      actors.end();
      await store.close();
    },
  };
  const adopt = (record: SessionRecord): Session => {
    const session = {
      id,
      broker: {},
      record: () => record,
      takeOver: (turns: TurnRecord[]) => void node.told.push(`takes ${turns.length} over`),
      resumeQueue: () => void node.told.push('goes on'),
      abandon: async () => void node.told.push('is dropped'),
    };
    return actors.get(id) ?? actors.add(session as unknown as Session);
  };
  const { begin } = createMoving({
    store: {
      ...store,
      async getSession(asked) {
        await node.beforeRead();
        return store.getSession(asked);
      },
    },
    log: { write: (_, changes) => store.write(changes), live: () => {} },
    agent: { parkable: () => false, taken: async () => [] },
    defaultModel: undefined,
    tally: () => undefined,
    ownership: {
      ...createSoleOwnership(store),
      isShared: true,
      fence: () => node.fence,
      settled() {
        node.isSettled = true;
      },
    },
    feed: { endSession: () => {} },
    actors,
    workspaces: { saved: async () => true, stopWithin: () => {} },
    adopt,
    isStopping: () => node.isStopping,
  });
  return Object.assign(node, { begin });
}

// Such an actor was found by the next attempt, which then had nothing to do: its queue never ran.
test('a session whose take-over fails half-way has no actor, and the next attempt goes on with its queue', async () => {
  const node = await takenOver();
  node.beforeRead = async () => {
    node.beforeRead = async () => {};
    throw new Error('The database is away.');
  };
  await expect(node.begin(node.id, true)).rejects.toThrow('away');
  expect(node.actors.all()).toEqual([]);
  expect(node.isSettled).toBe(false);
  await node.begin(node.id, true);
  expect(node.isSettled).toBe(true);
  expect(node.told).toEqual(['takes 1 over', 'is dropped', 'takes 1 over', 'goes on']);
  await node.close();
});

test('a session that was lost and acquired again while it was read has no actor of what was read', async () => {
  const node = await takenOver();
  node.beforeRead = async () => {
    node.fence = 3;
  };
  await expect(node.begin(node.id, false)).rejects.toMatchObject({ code: 'session_moved' });
  expect(node.actors.all()).toEqual([]);
  expect(node.isSettled).toBe(false);
  await node.close();
});

test('a session that is read while its server stops is left to the others', async () => {
  const node = await takenOver();
  node.beforeRead = async () => {
    node.isStopping = true;
  };
  await expect(node.begin(node.id, true)).rejects.toMatchObject({ code: 'server_stopping' });
  expect(node.told).toEqual(['takes 1 over', 'is dropped']);
  expect(node.actors.all()).toEqual([]);
  await node.close();
});
