import type { EventType } from 'claude-agent-protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sseFrames } from '../../test/support/api.ts';
import { createLiveCheck } from '../../test/support/live-check.ts';
import { sampleEvent, sampleSession } from '../../test/support/samples.ts';
import { createSoleOwnership } from '../cluster/ownership.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { createFeed } from './feed.ts';
import { createLog, event } from './log.ts';
import { streamSession } from './stream.ts';

const S = '00000000-0000-4000-8000-00000000000a';
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A turn is a list of blocks; a block is the list of its words. */
type Turn = readonly (readonly string[])[];

/** What can happen next, in any order. */
type Step = 'agent' | 'tick' | 'commit' | 'read' | { cut: number };

const READERS = 3;
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.array(fc.array(fc.constantFrom('a', 'bb', 'c c', 'é'), { maxLength: 5 }), { maxLength: 3 }),
  { minLength: 1, maxLength: 4 },
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<Step>('agent') },
    { weight: 3, arbitrary: fc.constant<Step>('tick') },
    { weight: 3, arbitrary: fc.constant<Step>('commit') },
    { weight: 3, arbitrary: fc.constant<Step>('read') },
    { weight: 2, arbitrary: fc.nat({ max: READERS - 1 }).map((cut): Step => ({ cut })) },
  ),
  { maxLength: 120 },
);

/** A store whose commits are reported late (in order), and whose reads take their time (in any order). */
function slowStore(real: Store) {
  const commits: (() => void)[] = [];
  const reads: (() => void)[] = [];
  const held = (list: (() => void)[]): Promise<void> => new Promise((resolve) => list.push(resolve));
  const store: Store = {
    ...real,
    async write(changes) {
      const turn = held(commits);
      const result = await real.write(changes);
      await turn;
      return result;
    },
    async readEvents(...query) {
      // Half of them wait before they look, half of them after.
      if (reads.length % 2) await held(reads);
      const events = await real.readEvents(...query);
      if (reads.length % 2 === 0) await held(reads);
      return events;
    },
  };
  return {
    store,
    commit: () => commits.shift()?.(),
    read: () => reads.pop()?.(),
    busy: () => commits.length + reads.length > 0,
  };
}

/** Does what an agent does, one small step at a time. */
function* agent(log: ReturnType<typeof createLog>, script: readonly Turn[]): Generator<void> {
  const write = (type: EventType, data: unknown, turnId: string) =>
    void log.write(S, [sampleEvent(S, { type, turnId, json: JSON.stringify(data) })]);
  for (const [t, blocks] of script.entries()) {
    const turnId = `turn-${t}`;
    const live = (data: Record<string, unknown>) =>
      log.live(S, turnId, { type: 'stream_event', parent_tool_use_id: null, event: data });
    write('turn.queued', {}, turnId);
    yield;
    // The agent gets a message when it is known that its turn is durable.
    let started = false;
    void log.write(S, [event(S, 'turn.started', {}, turnId)]).then(() => {
      started = true;
    });
    while (!started) yield;
    for (const [b, words] of blocks.entries()) {
      const id = `${t}-${b}`;
      live({ type: 'message_start', message: { id } });
      live({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
      yield;
      for (const text of words) {
        live({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
        yield;
      }
      if (words.length > 3) write('session.state', {}, turnId);
      const message = { id, content: [{ type: 'text', text: words.join('') }] };
      write('agent.message', { type: 'assistant', parent_tool_use_id: null, message }, turnId);
      yield;
      live({ type: 'content_block_stop', index: 0 });
    }
    write('turn.completed', {}, turnId);
    yield;
  }
}

/** A reader that can be cut, and checks in each connection that what it is shown live fits together. */
function createReader(open: (after: number) => ReadableStream<Uint8Array>) {
  const seen: number[] = [];
  const problems: string[] = [];
  let reader: ReadableStreamDefaultReader<Uint8Array>;

  const connect = (): void => {
    const mine = open(seen.at(-1) ?? 0).getReader();
    reader = mine;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const { done, value } = await mine.read();
        if (done || reader !== mine) controller.close();
        else controller.enqueue(new Uint8Array(value));
      },
    });
    const check = createLiveCheck(problems);
    void (async () => {
      for await (const frame of sseFrames(body)) {
        if (reader !== mine) return;
        if (frame.id !== undefined) seen.push(Number(frame.id));
        check(frame);
      }
    })();
  };
  connect();

  return {
    seen,
    problems,
    cut() {
      const old = reader;
      connect();
      void old.cancel();
    },
    close: () => reader.cancel(),
  };
}

test('every durable event arrives once and in order, and partial text plus deltas is the block, for every interleaving of publishing, subscribing, cuts, slow reads and slow commits', async () => {
  await fc.assert(
    fc.asyncProperty(turns, steps, async (script, list) => {
      const real = openSqliteStore(':memory:');
      await real.write([{ kind: 'insert-session', session: sampleSession({ id: S }) }]);
      const slow = slowStore(real);
      const feed = createFeed();
      const log = createLog({ ownership: createSoleOwnership(slow.store), feed });
      const work = agent(log, script);
      const readers = Array.from({ length: READERS }, () =>
        createReader((after) => streamSession({ store: slow.store, feed }, { sessionId: S, after })),
      );
      for (const step of list) {
        if (step === 'agent') work.next();
        else if (step === 'tick') await tick();
        else if (step === 'commit') slow.commit();
        else if (step === 'read') slow.read();
        else readers[step.cut]?.cut();
      }
      // The rest of the story, then everything that still waits.
      for (let more = true; more; more = !work.next().done) {
        slow.commit();
        await tick();
      }
      for (let quiet = 0; quiet < 8; quiet++) {
        await tick();
        if (slow.busy()) quiet = 0;
        slow.commit();
        slow.read();
      }
      const last = (await real.getSession(S))?.lastSeq ?? 0;
      for (const reader of readers) {
        expect(reader.problems).toEqual([]);
        expect(reader.seen).toEqual(Array.from({ length: last }, (_, n) => n + 1));
        await reader.close();
      }
      await real.close();
    }),
    { numRuns: 200 },
  );
}, 60_000);
