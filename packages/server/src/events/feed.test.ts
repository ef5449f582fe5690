import type { EventType } from 'claude-agent-protocol';
import { expect, test, vi } from 'vitest';
import type { StoredEvent } from '../store/store.ts';
import { createFeed, type Feed, type Subscription } from './feed.ts';
import type { Frame } from './frames.ts';

const S = 'session-1';
const flushed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const durable = (seq: number, type: EventType = 'agent.message', more: Partial<StoredEvent> = {}): Frame => {
  const event = { sessionId: S, seq, cursor: 100 + seq, at: '', turnId: null, type, json: '{}', ...more };
  return { durable: true, turnId: event.turnId, event };
};
const stream = (event: Record<string, unknown>): Frame => ({
  durable: false,
  turnId: 'turn-1',
  type: 'agent.delta',
  message: { type: 'stream_event', parent_tool_use_id: null, event },
});
const word = (text: string): Frame =>
  stream({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
const messageStart = stream({ type: 'message_start', message: { id: 'm' } });
const blockStart = stream({ type: 'content_block_start', index: 0, content_block: { type: 'text' } });

/** A subscriber that keeps its batches. */
function listen(feed: Feed, sessionId?: string) {
  const batches: string[] = [];
  let ended = 0;
  const subscriber = {
    onBatch: (batch: { bytes(): Uint8Array }) => batches.push(Buffer.from(batch.bytes()).toString()),
    onEnd: () => {
      ended++;
    },
  };
  const subscription =
    sessionId === undefined ? feed.subscribeAll(subscriber, 0) : feed.subscribe(sessionId, subscriber);
  const ids = () => [...batches.join('').matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
  return { subscription, batches, ids, ended: () => ended };
}

test('frames of one turn of the event loop are sent together, in order and encoded once', async () => {
  const feed = createFeed();
  const [one, two] = [listen(feed, S), listen(feed, S)];
  feed.publish(S, durable(1));
  feed.publish(S, word('x'));
  feed.publish(S, durable(2));
  expect(one.batches).toEqual([]);
  await flushed();
  expect(one.batches).toHaveLength(1);
  expect(two.batches).toEqual(one.batches);
  expect(one.batches[0]).toMatch(
    /^id: 1\nevent: agent\.message\ndata: .*\n\nevent: agent\.delta\n.*\n\nid: 2\n/,
  );
  feed.publish(S, durable(3));
  await flushed();
  expect(one.batches).toHaveLength(2);
});

test('a subscriber gets nothing that was published before, even if it is still pending', async () => {
  const feed = createFeed();
  const early = listen(feed, S);
  feed.publish(S, durable(1));
  const late = listen(feed, S);
  expect(late.subscription.head).toBe(1);
  feed.publish(S, durable(2));
  await flushed();
  expect(early.ids()).toEqual([1, 2]);
  expect(late.ids()).toEqual([2]);
});

test('hundreds of subscribers get every frame once and in order, though some of them together', async () => {
  const feed = createFeed();
  const readers = Array.from({ length: 300 }, () => listen(feed, S));
  for (let seq = 1; seq <= 20; seq++) {
    feed.publish(S, durable(seq));
    await flushed();
  }
  const all = Array.from({ length: 20 }, (_, n) => n + 1);
  await vi.waitFor(() => expect(readers.at(-1)?.ids()).toEqual(all), 20_000);
  for (const reader of readers) expect(reader.ids()).toEqual(all);
});

test('a subscriber gets frames of its own session only', async () => {
  const feed = createFeed();
  const mine = listen(feed, S);
  feed.publish('session-2', durable(7, 'turn.queued', { sessionId: 'session-2' }));
  feed.publish(S, durable(1));
  await flushed();
  expect(mine.ids()).toEqual([1]);
});

test('the global feed carries the control events of all sessions, by cursor, and no agent messages or deltas', async () => {
  const feed = createFeed();
  const all = listen(feed);
  feed.publish(S, durable(1, 'turn.queued'));
  feed.publish(S, durable(2));
  feed.publish(S, word('x'));
  feed.publish('session-2', durable(1, 'turn.queued', { sessionId: 'session-2', cursor: 500 }));
  await flushed();
  expect(all.ids()).toEqual([101, 500]);
});

test('after unsubscribing nothing arrives, pending frames included; a second time does nothing', async () => {
  const feed = createFeed();
  const first = listen(feed, S);
  feed.publish(S, durable(1));
  first.subscription.unsubscribe();
  const second = listen(feed, S);
  first.subscription.unsubscribe();
  feed.publish(S, durable(2));
  await flushed();
  expect(first.ids()).toEqual([]);
  expect(second.ids()).toEqual([2]);
});

test('a subscriber that unsubscribes inside a batch does not hold the others back', async () => {
  const feed = createFeed();
  const leaver = { subscription: undefined as Subscription | undefined, count: 0 };
  leaver.subscription = feed.subscribe(S, {
    onBatch() {
      leaver.count++;
      leaver.subscription?.unsubscribe();
    },
    onEnd() {},
  });
  const other = listen(feed, S);
  feed.publish(S, durable(1));
  await flushed();
  feed.publish(S, durable(2));
  await flushed();
  expect(leaver.count).toBe(1);
  expect(other.ids()).toEqual([1, 2]);
});

test('a subscription in the middle of a block says what it holds, even if it is the first', async () => {
  const feed = createFeed();
  feed.publish(S, durable(1, 'turn.started', { turnId: 'turn-1' }));
  for (const frame of [messageStart, blockStart, word('a'), word('b')]) feed.publish(S, frame);
  const { subscription } = listen(feed, S);
  expect(subscription).toMatchObject({
    head: 1,
    turnId: 'turn-1',
    blocks: [{ message_id: 'm', text: 'ab' }],
  });

  feed.publish(S, durable(2, 'agent.message', { json: '{"type":"assistant","parent_tool_use_id":null}' }));
  expect(listen(feed, S).subscription.blocks).toEqual([]);
});

test('a message that completes no block leaves it unfinished', () => {
  const feed = createFeed();
  feed.publish(S, durable(1, 'turn.started', { turnId: 'turn-1' }));
  for (const frame of [messageStart, blockStart, word('a')]) feed.publish(S, frame);
  feed.publish(S, durable(2, 'agent.message', { json: '{"type":"user","parent_tool_use_id":null}' }));
  feed.publish(S, durable(3, 'agent.message', { json: '{"type":"assistant","parent_tool_use_id":"task"}' }));
  feed.publish(S, durable(4, 'permission.requested'));
  expect(listen(feed, S).subscription.blocks).toMatchObject([{ text: 'a' }]);
});

test.each(['turn.completed', 'turn.failed', 'turn.interrupted'] as const)(
  '%s drops the unfinished blocks',
  (type) => {
    const feed = createFeed();
    feed.publish(S, durable(1, 'turn.started', { turnId: 'turn-1' }));
    const reader = listen(feed, S);
    for (const frame of [messageStart, blockStart, word('a')]) feed.publish(S, frame);
    feed.publish(S, durable(2, type, { turnId: 'turn-1' }));
    expect(listen(feed, S).subscription).toMatchObject({ head: 2, turnId: null, blocks: [] });
    reader.subscription.unsubscribe();
  },
);

test('a queued message that is taken back leaves what the running turn has unfinished', () => {
  const feed = createFeed();
  feed.publish(S, durable(1, 'turn.started', { turnId: 'turn-1' }));
  for (const frame of [messageStart, blockStart, word('half')]) feed.publish(S, frame);
  feed.publish(S, durable(2, 'turn.interrupted', { turnId: 'turn-2' }));
  expect(listen(feed, S).subscription.blocks).toMatchObject([{ text: 'half' }]);
  feed.publish(S, durable(3, 'turn.continued', { turnId: 'turn-1' }));
  expect(listen(feed, S).subscription.blocks).toEqual([]);
});

test('a turn starts without unfinished blocks, even if the end of the one before is missing', () => {
  const feed = createFeed();
  feed.publish(S, durable(1, 'turn.started', { turnId: 'turn-1' }));
  for (const frame of [messageStart, blockStart, word('lost')]) feed.publish(S, frame);
  feed.publish(S, durable(3, 'turn.started', { turnId: 'turn-2' }));
  expect(listen(feed, S).subscription).toMatchObject({ turnId: 'turn-2', blocks: [] });
});

test('the head of a session is known while it has a subscriber or a running turn', () => {
  const feed = createFeed();
  feed.publish(S, durable(1));
  expect(feed.head(S)).toBeUndefined();
  feed.publish(S, durable(2, 'turn.started', { turnId: 'turn-1' }));
  expect(feed.head(S)).toBe(2);
  feed.publish(S, durable(3, 'turn.completed', { turnId: 'turn-1' }));
  expect(feed.head(S)).toBeUndefined();
});

test('the end reaches all subscribers after the pending frames, and later ones at once', async () => {
  const feed = createFeed();
  const [reader, all] = [listen(feed, S), listen(feed)];
  feed.publish(S, durable(1, 'session.closed'));
  feed.end();
  expect(reader.ids()).toEqual([1]);
  expect(all.ids()).toEqual([101]);
  expect([reader.ended(), all.ended()]).toEqual([1, 1]);
  expect(listen(feed, S).ended()).toBe(1);
});
