import { expect, test } from 'vitest';
import { samplePermission, sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { readLeftOpen } from './left-open.ts';

test('a session without an owner shows what its log has open', async () => {
  const store = openSqliteStore(':memory:');
  const session = sampleSession();
  const { id } = session;
  await store.write([{ kind: 'insert-session', session }]);
  expect(await readLeftOpen(store, id)).toEqual({
    state: undefined,
    pending: [],
    currentTurnId: null,
    queuedTurns: 0,
  });
  const [running, queued] = [sampleTurn(id, { state: 'running' }), sampleTurn(id)];
  await store.write([
    { kind: 'insert-turn', turn: running },
    { kind: 'insert-turn', turn: queued },
    { kind: 'insert-turn', turn: sampleTurn(id, { steers: running.id }) },
  ]);
  expect(await readLeftOpen(store, id)).toMatchObject({
    state: 'running',
    currentTurnId: running.id,
    queuedTurns: 1,
  });
  const permission = samplePermission(id);
  await store.write([{ kind: 'insert-permission', permission }]);
  expect(await readLeftOpen(store, id)).toMatchObject({
    state: 'waiting',
    pending: [{ request_id: permission.id }],
  });
  await store.close();
});
