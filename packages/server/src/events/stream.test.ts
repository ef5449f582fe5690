import type { EventType } from 'claude-agent-protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type SseFrame, sseFrames } from '../../test/support/api.ts';
import { sampleEvent, sampleSession } from '../../test/support/samples.ts';
import { createSoleOwnership } from '../cluster/ownership.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { createFeed, type Feed } from './feed.ts';
import { createLog, type Log } from './log.ts';
import { streamAll, streamSession, streamTurn } from './stream.ts';

const S = '00000000-0000-4000-8000-00000000000a';
const T1 = '10000000-0000-4000-8000-000000000001';
const T2 = '10000000-0000-4000-8000-000000000002';
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ticks = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await tick();
};

/** Large amounts take their time on a busy machine. */
const soon = (check: () => void): Promise<void> => vi.waitFor(check, 20_000);

let store: Store;
let feed: Feed;
let log: Log;
beforeEach(async () => {
  store = openSqliteStore(':memory:');
  feed = createFeed();
  log = createLog({ ownership: createSoleOwnership(store), feed });
  await store.write([{ kind: 'insert-session', session: sampleSession({ id: S }) }]);
});
afterEach(async () => {
  feed.end();
  await store.close();
});

const append = (type: EventType = 'agent.message', turnId: string | null = null, data: unknown = {}) =>
  log.write(S, [sampleEvent(S, { type, turnId, json: JSON.stringify(data) })]);
const live = (data: Record<string, unknown>, turnId: string | null = T1) =>
  log.live(S, turnId, { type: 'stream_event', parent_tool_use_id: null, event: data });
const startBlock = (turnId = T1, id = 'm') => {
  live({ type: 'message_start', message: { id } }, turnId);
  live({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }, turnId);
};
const word = (text: string, turnId = T1) =>
  live({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }, turnId);

/** Reads a stream in the background. */
function read(stream: ReadableStream<Uint8Array>) {
  const frames: SseFrame[] = [];
  let failure: unknown;
  let over = false;
  const reader = stream.getReader();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      } catch (error) {
        failure = error;
        controller.close();
      }
    },
  });
  const ended = (async () => {
    for await (const frame of sseFrames(body)) frames.push(frame);
    over = true;
  })();
  return {
    frames,
    /** Settles when the stream ends by itself. */
    ended,
    isOver: () => over,
    failure: () => failure,
    cut: () => reader.cancel(),
    ids: () => frames.flatMap((frame) => (frame.id === undefined ? [] : [Number(frame.id)])),
    names: () => frames.map((frame) => (frame.event === 'agent.delta' ? deltaText(frame) : frame.event)),
    lastId: () => Number(frames.findLast((frame) => frame.id !== undefined)?.id ?? 0),
  };
}

const deltaText = (frame: SseFrame): string =>
  frame.data.data.event.delta?.text ?? frame.data.data.event.type;

const openSession = (after = 0) => read(streamSession({ store, feed }, { sessionId: S, after }));

describe("a session's stream", () => {
  test('sends what was stored after the given number, then what is published', async () => {
    await Promise.all([append(), append(), append()]);
    const reader = openSession(1);
    await ticks(3);
    expect(reader.ids()).toEqual([2, 3]);
    await append();
    word('now');
    await append();
    await ticks(3);
    expect(reader.ids()).toEqual([2, 3, 4, 5]);
    expect(reader.names().slice(2)).toEqual(['agent.message', 'now', 'agent.message']);
  });

  test('says at once that it is connected, even if there is nothing to send', async () => {
    const reader = streamSession({ store, feed }, { sessionId: S, after: 0 }).getReader();
    const { value } = await reader.read();
    expect(Buffer.from(value ?? []).toString()).toBe(': connected\n\n');
    await reader.cancel();
  });

  test('replays any number of events, at the pace of its reader', async () => {
    const json = JSON.stringify({ text: 'x'.repeat(20_000) });
    await log.write(
      S,
      Array.from({ length: 1_203 }, () => sampleEvent(S, { json })),
    );
    const reads: number[] = [];
    const watched: Store = {
      ...store,
      readEvents(id, after, limit) {
        reads.push(after);
        return store.readEvents(id, after, limit);
      },
    };
    const stream = streamSession({ store: watched, feed }, { sessionId: S, after: 0 });
    await ticks(10);
    // 24 MB are waiting, and nobody reads: one page is in memory, not the rest.
    expect(reads).toEqual([0]);
    const reader = read(stream);
    await soon(() => expect(reader.ids()).toHaveLength(1_203));
    expect(reader.ids()).toEqual(Array.from({ length: 1_203 }, (_, n) => n + 1));
    expect(reader.failure()).toBeUndefined();
    await reader.cut();
  });

  test('replays events that are larger than the permitted lag', async () => {
    const json = JSON.stringify({ text: 'x'.repeat(6 * 1024 * 1024) });
    for (let n = 0; n < 3; n++) await log.write(S, [sampleEvent(S, { json })]);
    const reader = openSession();
    await soon(() => expect(reader.ids()).toEqual([1, 2, 3]));
  });

  test('begins with the partial frame in the middle of a block; its deltas follow', async () => {
    await append('turn.started', T1);
    startBlock();
    word('one ');
    word('two ');
    const reader = openSession();
    await ticks(3);
    word('three');
    await ticks(3);
    expect(reader.names()).toEqual(['turn.started', 'agent.partial', 'three']);
    expect(reader.frames[1]).toEqual({
      id: undefined,
      event: 'agent.partial',
      data: {
        type: 'agent.partial',
        session_id: S,
        turn_id: T1,
        data: {
          blocks: [{ parent_tool_use_id: null, message_id: 'm', index: 0, type: 'text', text: 'one two ' }],
        },
      },
    });
  });

  test('has no partial frame between blocks', async () => {
    await append('turn.started', T1);
    startBlock();
    word('done');
    await append('agent.message', T1, { type: 'assistant', parent_tool_use_id: null });
    const reader = openSession();
    await ticks(3);
    expect(reader.names()).toEqual(['turn.started', 'agent.message']);
  });

  test('never sends an event before the deltas that belong before it, though it is committed already', async () => {
    // A store in which a commit is visible to readers some time before the writer hears of it.
    const held: (() => void)[] = [];
    const slow: Store = {
      ...store,
      async write(changes) {
        const result = await store.write(changes);
        await new Promise<void>((resolve) => held.push(resolve));
        return result;
      },
    };
    log = createLog({ ownership: createSoleOwnership(slow), feed });
    const started = append('turn.started', T1);
    await ticks(2);
    held[0]?.();
    await started;
    startBlock();
    const permission = append('permission.requested', T1);
    word('before the message');
    const message = append('agent.message', T1, { type: 'assistant', parent_tool_use_id: null });
    await ticks(2);
    expect(await store.readEvents(S, 0, 9)).toHaveLength(3);
    const reader = openSession();
    await ticks(3);
    expect(reader.names()).toEqual(['turn.started', 'agent.partial']);
    for (const settle of held) settle();
    await Promise.all([permission, message]);
    await ticks(3);
    expect(reader.names().slice(2)).toEqual(['permission.requested', 'before the message', 'agent.message']);
  });

  test('cuts off a lagging reader, frees what was kept for it, and lets it resume', async () => {
    const stream = streamSession({ store, feed }, { sessionId: S, after: 0 });
    const slow = stream.getReader();
    await slow.read();
    await ticks(2);
    const other = openSession();
    const json = JSON.stringify({ text: 'x'.repeat(100_000) });
    for (let n = 0; n < 60; n++) {
      await log.write(S, [sampleEvent(S, { json })]);
      await tick();
    }
    await expect(slow.read()).rejects.toThrow('reads too slowly. It can resume with Last-Event-ID.');
    const back = openSession(0);
    await soon(() => expect(back.ids()).toHaveLength(60));
    await soon(() => expect(other.ids()).toHaveLength(60));
    expect(other.failure()).toBeUndefined();
  });

  test('ends when the server shuts down, after what was published', async () => {
    const reader = openSession();
    await ticks(2);
    await append();
    feed.end();
    await reader.ended;
    expect(reader.ids()).toEqual([1]);
    const late = openSession();
    await late.ended;
    expect(late.failure()).toBeUndefined();
  });

  test('fails, and leaves the feed, when the store cannot be read', async () => {
    const broken: Store = {
      ...store,
      readEvents: () => Promise.reject(new Error('disk gone')),
    };
    const reader = read(streamSession({ store: broken, feed }, { sessionId: S, after: 0 }));
    await reader.ended;
    expect(reader.failure()).toMatchObject({ message: 'disk gone' });
    expect(feed.head(S)).toBeUndefined();
  });

  test('unsubscribes when its reader leaves, at any moment', async () => {
    const reads: (() => void)[] = [];
    const slow: Store = {
      ...store,
      async readEvents(...query) {
        await new Promise<void>((resolve) => reads.push(resolve));
        return store.readEvents(...query);
      },
    };
    await append();
    const replaying = streamSession({ store: slow, feed }, { sessionId: S, after: 0 });
    await ticks(2);
    await replaying.cancel();
    for (const go of reads) go();
    const reading = openSession();
    await ticks(3);
    await reading.cut();
    await append();
    // A channel that somebody listens to knows its newest number.
    expect(feed.head(S)).toBeUndefined();
  });

  test('is kept open by a comment every 15 seconds', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const reader = streamSession({ store, feed }, { sessionId: S, after: 0 }).getReader();
      const next = async () => Buffer.from((await reader.read()).value ?? []).toString();
      expect(await next()).toBe(': connected\n\n');
      await vi.advanceTimersByTimeAsync(15_000);
      expect(await next()).toBe(': keep-alive\n\n');
      await vi.advanceTimersByTimeAsync(15_000);
      expect(await next()).toBe(': keep-alive\n\n');
      await reader.cancel();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a turn's stream", () => {
  const openTurn = (turnId: string, start: number) =>
    read(streamTurn({ store, feed }, { sessionId: S, turnId, start }));

  test('sends its own turn only, and ends with it', async () => {
    await append('turn.queued', T1);
    const first = openTurn(T1, 1);
    await append('turn.started', T1);
    await append('turn.queued', T2);
    const second = openTurn(T2, 3);
    await append('session.state');
    await ticks(2);
    startBlock();
    word('of one');
    await append('turn.completed', T1);
    await first.ended;
    expect(first.names()).toEqual([
      'turn.queued',
      'turn.started',
      'message_start',
      'content_block_start',
      'of one',
      'turn.completed',
    ]);
    expect(second.isOver()).toBe(false);
    await append('turn.started', T2);
    word('of two', T2);
    await append('turn.failed', T2);
    await append('session.state');
    await second.ended;
    expect(second.names()).toEqual(['turn.queued', 'turn.started', 'of two', 'turn.failed']);
  });

  test('of a queued turn does not begin with the blocks of another', async () => {
    await append('turn.queued', T1);
    await append('turn.started', T1);
    startBlock();
    word('not yours');
    await append('turn.queued', T2);
    const waiting = openTurn(T2, 3);
    const running = openTurn(T1, 1);
    await ticks(3);
    expect(waiting.names()).toEqual(['turn.queued']);
    expect(running.names()).toEqual(['turn.queued', 'turn.started', 'agent.partial']);
  });

  test('of a finished turn is read from the store, from its own beginning, and ends', async () => {
    await append('turn.queued', T1);
    await append('turn.completed', T1);
    await append('turn.queued', T2);
    await append('turn.interrupted', T2);
    await append('session.state');
    const reader = openTurn(T2, 3);
    await reader.ended;
    expect(reader.ids()).toEqual([3, 4]);
  });
});

describe('the stream of all sessions', () => {
  const OTHER = '00000000-0000-4000-8000-00000000000b';
  beforeEach(async () => {
    await store.write([{ kind: 'insert-session', session: sampleSession({ id: OTHER }) }]);
  });
  const open = async (after?: number) => read(await streamAll({ store, feed }, { after }));

  test('starts now or after a cursor, without agent messages', async () => {
    await append('turn.queued', T1);
    const now = await open();
    const all = await open(0);
    await append('agent.message', T1);
    await log.write(OTHER, [sampleEvent(OTHER, { type: 'session.state' })]);
    await ticks(3);
    const cursors = (await store.readControlEvents(0, 9)).map((each) => each.cursor);
    expect(all.ids()).toEqual(cursors);
    expect(now.ids()).toEqual(cursors.slice(1));
    expect(now.frames[0]).toMatchObject({ event: 'session.state', data: { session_id: OTHER, seq: 1 } });
  });

  test('sends every control event once and in order over any number of connections', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('control', 'message', 'other', 'tick', 'cut'), { maxLength: 60 }),
        async (steps) => {
          const before = await store.lastCursor();
          let reader = await open(before);
          const seen: number[] = [];
          const cut = async () => {
            const from = reader.lastId() || seen.at(-1) || before;
            seen.push(...reader.ids());
            await reader.cut();
            reader = await open(from);
          };
          const writes: Promise<unknown>[] = [];
          for (const step of steps) {
            if (step === 'control') writes.push(append('session.state'));
            else if (step === 'message') writes.push(append());
            else if (step === 'other')
              writes.push(log.write(OTHER, [sampleEvent(OTHER, { type: 'session.state' })]));
            else if (step === 'tick') await tick();
            else await cut();
          }
          await Promise.all(writes);
          await ticks(4);
          await cut();
          await reader.cut();
          const expected = await store.readControlEvents(before, 999);
          expect(seen).toEqual(expected.map((each) => each.cursor));
        },
      ),
      { numRuns: 60 },
    );
  });
});
