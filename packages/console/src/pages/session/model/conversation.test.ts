import type { SessionEvent, StreamFrame } from 'claude-agent-protocol';
import { isTurnEnd } from 'claude-agent-protocol/reasons';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPartials } from '../../../../../server/src/events/partials.ts';
import { type Conversation, createConversation, type View } from './conversation.ts';
import { type Step, timelineOf } from './timeline.fixture.ts';

const isDurable = (frame: StreamFrame): frame is SessionEvent => 'seq' in frame;

/** What a reader sees, without the identities that rows keep on the screen. */
const seen = (view: View): unknown =>
  JSON.parse(
    JSON.stringify(
      { ...view, children: Object.fromEntries(view.children), ended: [...view.ended].sort() },
      (name, value) => (name === 'key' ? undefined : value),
    ),
  );

const readAtOnce = (frames: readonly StreamFrame[]): View => {
  const conversation = createConversation();
  conversation.add(frames);
  return conversation.view();
};

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('text' as const),
    words: fc.integer({ min: 0, max: 6 }),
    finish: fc.boolean(),
  }),
  fc.record({
    do: fc.constant('thinking' as const),
    words: fc.integer({ min: 1, max: 4 }),
    finish: fc.boolean(),
  }),
  fc.record({
    do: fc.constant('tool' as const),
    result: fc.boolean(),
    asks: fc.constantFrom('no', 'open', 'allowed'),
  }),
  fc.record({ do: fc.constant('subagent' as const), steps: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant('queue' as const), after: fc.constantFrom('wait', 'withdraw') }),
  fc.record({ do: fc.constant('steer' as const), after: fc.constantFrom('wait', 'taken', 'queued') }),
  fc.record({
    do: fc.constantFrom('init', 'tasks', 'crash', 'continued', 'retry', 'mode', 'close' as const),
  }),
  fc.record({
    do: fc.constant('end' as const),
    outcome: fc.constantFrom('completed', 'failed', 'interrupted'),
  }),
) as fc.Arbitrary<Step>;
const timeline = fc.array(step, { maxLength: 30 }).map(timelineOf);

/** What a connection brings that begins when `from` frames have happened and ends when `to` have. */
function connection(frames: readonly StreamFrame[], last: number, from: number, to: number): StreamFrame[] {
  const partials = createPartials();
  let turnId: string | null = null;
  for (const frame of frames.slice(0, from)) {
    if (frame.type === 'agent.delta') partials.observe(frame.data as never);
    else if (frame.type === 'agent.message' && frame.data.type === 'assistant')
      partials.complete((frame.data.parent_tool_use_id as string | null) ?? null);
    else if (frame.type === 'turn.started' || frame.type === 'turn.continued') partials.clear();
    else if (isTurnEnd(frame) && frame.turn_id === turnId) partials.clear();
    if (frame.type === 'turn.started') turnId = frame.turn_id;
  }
  const missed = frames.slice(0, from).filter((frame) => isDurable(frame) && frame.seq > last);
  const blocks = partials.blocks();
  const partial = {
    type: 'agent.partial',
    session_id: 's',
    turn_id: turnId,
    data: { blocks },
  } as StreamFrame;
  return [...missed, ...(blocks.length > 0 ? [partial] : []), ...frames.slice(from, to)];
}

test('a reader that loses its connection any number of times sees what one sees that never did', () => {
  fc.assert(
    fc.property(timeline, fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 5 }), (frames, cuts) => {
      const reader: Conversation = createConversation();
      const whole = createConversation();
      let at = 0;
      const follow = (from: number, to: number): void => {
        reader.reconnected();
        reader.add(connection(frames, reader.view().last, from, to));
        whole.add(frames.slice(at, to));
        at = to;
      };
      for (const [offline, online] of cuts) {
        const from = at + (offline % (frames.length - at + 1));
        follow(from, from + (online % (frames.length - from + 1)));
      }
      follow(at, frames.length);
      // A block whose deltas ended before the connection began is in no partial frame; the log brings it.
      const durable = (view: View): unknown => seen({ ...view, open: [], activity: undefined });
      expect(durable(reader.view())).toEqual(durable(whole.view()));
      expect(durable(reader.view())).toEqual(durable(readAtOnce(frames.filter(isDurable))));
      const texts = (view: View): string[] => view.open.map((block) => `${block.type} ${block.text}`);
      expect(texts(reader.view())).toEqual(texts(whole.view()));
    }),
    { numRuns: 1000 },
  );
});

test('pages in any order, overlapping and repeated, give the view of the log read once', () => {
  fc.assert(
    fc.property(
      timeline,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 40 })), { maxLength: 8 }),
      fc.integer({ min: 1, max: 20 }),
      (frames, extra, size) => {
        const events = frames.filter(isDurable);
        const pages = Array.from({ length: Math.ceil(events.length / size) }, (_, n) =>
          events.slice(n * size, (n + 1) * size),
        );
        for (const [at, length] of extra)
          pages.splice(at % (pages.length + 1), 0, events.slice(at % (events.length + 1)).slice(0, length));
        // Newest first, as a reader scrolls up, and mixed by the extra ones.
        const reader = createConversation();
        for (const page of pages.reverse()) reader.add(page);
        expect(seen(reader.view())).toEqual(seen(readAtOnce(events)));
      },
    ),
    { numRuns: 1000 },
  );
});

test('a block that is being written has its place taken by its message, under the same key', () => {
  const frames = timelineOf([
    { do: 'text', words: 5, finish: true },
    { do: 'text', words: 3, finish: false },
  ]);
  const conversation = createConversation();
  const keys: (string | undefined)[] = [];
  for (const frame of frames) {
    conversation.add([frame]);
    const { items, open } = conversation.view();
    const rows = [...items.filter((item) => item.kind === 'text'), ...open];
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
    keys.push(rows[0]?.key);
  }
  expect(new Set(keys.filter((key) => key !== undefined)).size).toBe(1);
  expect(conversation.view().open.map((block) => block.text)).toEqual(['w0 w1 w2 ']);
});

test('a message waits in the queue until its turn begins or it is taken back', () => {
  const conversation = createConversation();
  conversation.add(
    timelineOf([
      { do: 'queue', after: 'wait' },
      { do: 'queue', after: 'withdraw' },
    ]),
  );
  expect(conversation.view().queue).toHaveLength(1);
  const unsent = conversation.view().items.filter((item) => item.kind === 'end');
  expect(unsent).toMatchObject([{ reason: 'cancelled', unsent: expect.any(String) }]);
});

test('50,000 events are read within a second', () => {
  const steps = Array.from({ length: 6_000 }, (): Step => ({ do: 'tool', result: true, asks: 'allowed' }));
  const events = timelineOf(steps).filter(isDurable);
  const start = performance.now();
  const conversation = createConversation();
  for (let at = events.length; at > 0; at -= 500) {
    conversation.add(events.slice(Math.max(0, at - 500), at));
    conversation.view();
  }
  expect(conversation.view().items.length).toBeGreaterThan(12_000);
  // 90 ms on a quiet machine.
  expect(performance.now() - start).toBeLessThan(5_000);
});
