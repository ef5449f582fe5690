import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasPostgres, newDatabase } from '../../test/support/postgres.ts';
import { sampleEvent, sampleSession } from '../../test/support/samples.ts';
import { openPostgresStore, type PostgresStore } from '../store/postgres.ts';
import type { Store } from '../store/store.ts';
import { createFeed } from './feed.ts';
import { createTail } from './tail.ts';

/** What a subscriber of all sessions gets, as its cursors and sessions. */
function subscribe(store: Store, after: number) {
  const feed = createFeed(
    undefined,
    createTail(store, (error) => expect.fail(String(error))),
  );
  const got: { cursor: number; sessionId: string }[] = [];
  const subscription = feed.subscribeAll(
    {
      onBatch({ frames }) {
        for (const frame of frames) if (frame.durable) got.push(frame.event);
      },
      onEnd() {},
    },
    after,
  );
  return { feed, got, stop: () => subscription.unsubscribe() };
}

describe.skipIf(!hasPostgres())('the stream of all sessions of several servers', () => {
  let url: string;
  let one: PostgresStore;
  let two: PostgresStore;
  beforeAll(async () => {
    url = await newDatabase();
    // The second one hears nothing and finds by asking what the first has written.
    [one, two] = [await openPostgresStore({ url }), await openPostgresStore({ url, listen: false })];
  });
  afterAll(() => Promise.all([one.close(), two.close()]));

  const newSession = async (store: Store): Promise<string> => {
    const session = sampleSession();
    await store.write([{ kind: 'insert-session', session }]);
    return session.id;
  };
  const told = (id: string) => sampleEvent(id, { type: 'session.state' });

  test('has what each of them writes, once and in one order, on each of them', async () => {
    const [a, b] = [await newSession(one), await newSession(two)];
    const after = await one.lastCursor();
    const streams = [subscribe(one, after), subscribe(two, after)];
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => (n % 2 ? one.write([told(a)]) : two.write([told(b)]))),
    );
    for (const { got } of streams) await expect.poll(() => got.length).toBe(50);
    const [first, second] = streams.map(({ got }) => got.map(({ cursor }) => cursor));
    expect(first).toEqual(second);
    expect(first).toEqual([...new Set(first)].toSorted((x, y) => x - y));
    for (const { stop } of streams) stop();
  });

  test('waits for a transaction that commits late, and loses nothing', async () => {
    const [early, late] = [await newSession(one), await newSession(one)];
    const other = new Client({ connectionString: url });
    await other.connect();
    const { got, stop } = subscribe(one, await one.lastCursor());
    await other.query('begin');
    await other.query('select append_events($1, $2, cursor_base())', [
      early,
      JSON.stringify([{ at: '', type: 'session.state', bytes: 2, history: false, data: '{}' }]),
    ]);
    await one.write([told(late)]);
    expect(await one.readEvents(late, 0, 9)).toHaveLength(1);
    expect(got).toEqual([]);
    await other.query('commit');
    await expect.poll(() => got.map(({ sessionId }) => sessionId)).toEqual([early, late]);
    stop();
    await other.end();
  });

  test('is read by nobody once its last subscriber has left', async () => {
    const id = await newSession(one);
    const { feed, got, stop } = subscribe(one, await one.lastCursor());
    await one.write([told(id)]);
    await expect.poll(() => got.length).toBe(1);
    stop();
    await one.write([told(id)]);
    const again: unknown[] = [];
    const next = feed.subscribeAll(
      { onBatch: ({ frames }) => again.push(...frames), onEnd() {} },
      await one.lastCursor(),
    );
    await one.write([told(id)]);
    await expect.poll(() => again.length).toBe(1);
    expect(got).toHaveLength(1);
    next.unsubscribe();
  });
});
