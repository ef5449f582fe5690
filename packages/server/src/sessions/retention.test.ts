import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AT, sampleEvent, samplePermission, sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Change, RetentionLimits, Store } from '../store/store.ts';
import { createRetention } from './retention.ts';

const NOW = new Date().toISOString();
let store: Store;
let id: string;
beforeEach(async () => {
  store = openSqliteStore(':memory:');
  ({ id } = sampleSession());
  await store.write([{ kind: 'insert-session', session: sampleSession({ id }) }]);
});
afterEach(() => store.close());

const many = (count: number, set = {}): Change[] =>
  Array.from({ length: count }, () => sampleEvent(id, { json: '{"a":12345}', ...set }));

/** Another conversation begins: what is older is not needed for it. */
const clear = (): Change[] => {
  const conversationId = randomUUID();
  return [
    { kind: 'insert-conversation', id: conversationId, sessionId: id },
    { kind: 'update-session', id, set: { conversationId } },
  ];
};

/** The number of the oldest event after one sweep. */
async function sweep(limits: RetentionLimits): Promise<number> {
  const retention = createRetention({
    store,
    limits,
    isDue: () => true,
    onError(error) {
      throw error;
    },
  });
  await retention.sweep();
  await retention.stop();
  return store.firstSeq(id);
}

describe('a log beyond its limit', () => {
  test('loses its oldest events: by number, size and age', async () => {
    await store.write([...many(300), ...many(300, { at: NOW }), ...clear(), ...many(1, { at: NOW })]);
    expect(await sweep({})).toBe(1);
    expect(await sweep({ maxEvents: 500 })).toBe(102);
    // Each has 11 bytes.
    expect(await sweep({ maxBytes: 450 * 11 })).toBe(152);
    expect(await sweep({ maxAgeDays: 1 })).toBe(301);
    expect((await store.readEvents(id, 0, 9999)).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 301 }, (_, n) => 301 + n),
    );
  });

  test('keeps the present conversation, from its newest summary on', async () => {
    await store.write([...many(10), ...clear(), ...many(10)]);
    expect(await sweep({ maxEvents: 1 })).toBe(11);
    const content = 'This session is being continued from a previous conversation that ran out of context. …';
    const summary = { type: 'user', message: { role: 'user', content }, parent_tool_use_id: null };
    await store.write([...many(1, { json: JSON.stringify(summary) }), ...many(5)]);
    expect(await sweep({ maxEvents: 1 })).toBe(21);
  });

  test('keeps what an open turn, a pending request or a background task needs', async () => {
    const turn = sampleTurn(id, { state: 'running' });
    const permission = samplePermission(id);
    await store.write([
      ...many(5),
      { kind: 'insert-turn', turn },
      sampleEvent(id, { type: 'turn.queued', turnId: turn.id }),
      { kind: 'insert-permission', permission },
      sampleEvent(id, { type: 'session.tasks', json: '{"tasks":[{}]}' }),
      ...many(5),
      ...clear(),
      ...many(5),
    ]);
    const limits = { maxEvents: 1 };
    expect(await sweep(limits)).toBe(1);
    const settled = { state: 'denied', reason: 'timeout', decision: null } as const;
    const by = { resolvedAt: AT, resolvedBy: null };
    await store.write([{ kind: 'settle-permission', sessionId: id, id: permission.id, ...settled, ...by }]);
    expect(await sweep(limits)).toBe(6);
    await store.write([
      {
        kind: 'update-turn',
        sessionId: id,
        id: turn.id,
        from: ['running'],
        set: { state: 'completed', endedAt: AT },
      },
    ]);
    expect(await sweep(limits)).toBe(7);
    await store.write([sampleEvent(id, { type: 'session.tasks', json: '{"tasks":[]}' })]);
    expect(await sweep(limits)).toBe(13);
  });
});
