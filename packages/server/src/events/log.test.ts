import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sampleEvent, sampleSession } from '../../test/support/samples.ts';
import { createSoleOwnership } from '../cluster/ownership.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import type { Feed } from './feed.ts';
import type { Frame } from './frames.ts';
import { createLog, event, type Log } from './log.ts';

const A = '00000000-0000-4000-8000-00000000000a';
const B = '00000000-0000-4000-8000-00000000000b';

let real: Store;
let log: Log;
/** What was published, in order: numbers for durable events, words for live ones. */
let published: (number | string)[];
/** Commits that are under way: done in the store, not yet reported. In order, as a store does it. */
let commits: { settle(): Promise<void>; fail(error: Error): void }[];

beforeEach(async () => {
  real = openSqliteStore(':memory:');
  for (const id of [A, B]) await real.write([{ kind: 'insert-session', session: sampleSession({ id }) }]);
  published = [];
  commits = [];
  const publish = (sessionId: string, frame: Frame): void => {
    const name = sessionId === A ? '' : 'b';
    if (frame.durable) published.push(name ? `${name}${frame.event.seq}` : frame.event.seq);
    else if (frame.type === 'agent.delta') published.push(frame.message.type);
  };
  const store: Store = {
    ...real,
    write: (changes) =>
      new Promise((resolve, reject) => {
        commits.push({
          async settle() {
            resolve(await real.write(changes));
            // The log's own continuation comes first.
            await new Promise((done) => setImmediate(done));
          },
          fail: reject,
        });
      }),
  };
  log = createLog({ ownership: createSoleOwnership(store), feed: { publish } as Feed });
});
afterEach(() => real.close());

const append = (sessionId = A) => log.write(sessionId, [sampleEvent(sessionId)]);
const live = (word: string, sessionId = A) => log.live(sessionId, null, { type: word });

describe('the log', () => {
  test('publishes nothing before it is committed', async () => {
    const written = append();
    expect(published).toEqual([]);
    await commits[0]?.settle();
    expect(published).toEqual([1]);
    expect(await written).toMatchObject({ ok: true, events: [{ seq: 1 }] });
  });

  test('has published an event when its write settles', async () => {
    let atThatTime: unknown;
    const written = append().then(() => {
      atThatTime = [...published];
    });
    await commits[0]?.settle();
    await written;
    expect(atThatTime).toEqual([1]);
  });

  test('publishes all events of one write, in order', async () => {
    const written = log.write(A, [sampleEvent(A), { kind: 'count-message', id: A }, sampleEvent(A)]);
    await commits[0]?.settle();
    await written;
    expect(published).toEqual([1, 2]);
  });

  test('keeps deltas in order with durable events, however slow a commit is', async () => {
    live('a');
    const writes = [append()];
    live('b');
    live('c');
    writes.push(append());
    live('d');
    expect(published).toEqual(['a']);
    await commits[0]?.settle();
    expect(published).toEqual(['a', 1, 'b', 'c']);
    live('e');
    expect(published).toEqual(['a', 1, 'b', 'c']);
    await commits[1]?.settle();
    expect(published).toEqual(['a', 1, 'b', 'c', 2, 'd', 'e']);
    live('f');
    expect(published.at(-1)).toBe('f');
    await Promise.all(writes);
  });

  test('a slow commit of one session holds no other session back', async () => {
    const slow = append(A);
    live('waits');
    const quick = append(B);
    live('other', B);
    await commits[1]?.settle();
    expect(published).toEqual(['b1', 'other']);
    await commits[0]?.settle();
    expect(published).toEqual(['b1', 'other', 1, 'waits']);
    await Promise.all([slow, quick]);
  });

  test('a write that fails publishes nothing, rejects, and does not hold up the next', async () => {
    const failed = append();
    live('between');
    const next = append();
    commits[0]?.fail(new Error('disk full'));
    await expect(failed).rejects.toThrow('disk full');
    expect(published).toEqual(['between']);
    await commits[1]?.settle();
    await next;
    expect(published).toEqual(['between', 1]);
    live('after');
    expect(published).toEqual(['between', 1, 'after']);
  });

  test('a refused write publishes nothing, and does not hold up the next', async () => {
    const refused = log.write(A, [sampleEvent(A), { kind: 'count-message', id: 'nobody' }]);
    live('between');
    await commits[0]?.settle();
    expect(await refused).toEqual({ ok: false, refused: 1 });
    expect(published).toEqual(['between']);
  });

  test('a store that throws at once counts as a failed write', async () => {
    const broken: Store = {
      ...real,
      write() {
        throw new Error('closed');
      },
    };
    log = createLog({
      ownership: createSoleOwnership(broken),
      feed: { publish: () => published.push('never') } as unknown as Feed,
    });
    await expect(append()).rejects.toThrow('closed');
    expect(published).toEqual([]);
  });
});

test('the data of an event is encoded once, as JSON', () => {
  expect(event(A, 'turn.started', { message: 'ü\n' }, B, '2026-01-02T03:04:05.678Z')).toEqual({
    kind: 'event',
    event: {
      sessionId: A,
      turnId: B,
      type: 'turn.started',
      at: '2026-01-02T03:04:05.678Z',
      json: '{"message":"ü\\n"}',
    },
  });
});

test('an event holds what the catalogue says: a wrong type, a wrong field or a missing one does not compile', () => {
  // @ts-expect-error no such event
  event(A, 'turn.stopped', {}, B);
  // @ts-expect-error no such field
  event(A, 'turn.started', { initiator: 'agent', by: 'x' }, B);
  // @ts-expect-error a reason that the catalogue does not have
  event(A, 'hook.resolved', { request_id: 'r', reason: 'bored' }, B);
  // @ts-expect-error no reason
  event(A, 'hook.resolved', { request_id: 'r' }, B);
});
