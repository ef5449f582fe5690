import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readStream } from '../../gateway/src/testing/read-stream.ts';
import { createGates } from './gates.ts';
import { ConnectionCut, playFrames } from './player.ts';
import type { Step } from './script.ts';
import { buildAnswer, encodeMessage, type Frame, quickPace, slowPace, streamFrames } from './stream.ts';

const textOf = (frames: Iterable<Frame>) =>
  [...frames].map((frame) => (frame.kind === 'event' ? frame.text : '')).join('');

const anyStep: fc.Arbitrary<Step> = fc.record(
  {
    thinking: fc.string({ unit: 'binary', minLength: 1 }),
    say: fc.string({ unit: 'binary' }),
    tools: fc.array(
      fc.record({
        name: fc.string({ minLength: 1 }),
        input: fc.dictionary(fc.string(), fc.jsonValue() as fc.Arbitrary<unknown>),
      }),
    ),
  },
  { requiredKeys: [] },
);

describe('a stream', () => {
  it('is well formed for every step and says the same as the JSON answer', () => {
    fc.assert(
      fc.property(anyStep, (step) => {
        const answer = buildAnswer(step, 'any', 7);
        const read = readStream(textOf(streamFrames(answer, [], slowPace(0))));
        const message = JSON.parse(encodeMessage(answer));
        expect(read.problems).toEqual([]);
        expect(read.content).toEqual(message.content);
        expect(read.stopReason).toBe(message.stop_reason);
        expect(read.usage).toEqual(message.usage);
      }),
    );
  });

  it('sends one event a word and a long tool input in chunks', () => {
    const step = { say: 'one two\n three', tools: [{ name: 'T', input: { text: 'x'.repeat(200) } }] };
    const frames = [...streamFrames(buildAnswer(step, 'm', 1), [], slowPace(0))];
    const read = readStream(textOf(frames));
    const deltas = textOf(frames).match(/"text_delta","text":"(?:[^"\\]|\\.)*"/g);
    expect(deltas).toEqual([
      '"text_delta","text":"one "',
      '"text_delta","text":"two\\n "',
      '"text_delta","text":"three"',
    ]);
    expect(textOf(frames).match(/input_json_delta/g)?.length).toBeGreaterThan(3);
    expect(read.problems).toEqual([]);
  });

  it('pauses before each word when asked', () => {
    const frames = [...streamFrames(buildAnswer({ say: 'a b c' }, 'm', 1), [], slowPace(20))];
    expect(frames.filter((frame) => frame.kind === 'pause')).toEqual(
      Array(3).fill({ kind: 'pause', ms: 20 }),
    );
  });

  it.each([1, 20, 500])('with %i words does not take long when nobody asked it to', (words) => {
    const answer = buildAnswer({ say: 'word '.repeat(words) }, 'm', 1);
    const pauses = [...streamFrames(answer, [], quickPace(answer, 15))].filter(
      ({ kind }) => kind === 'pause',
    );
    expect(pauses.length).toBeGreaterThan(0);
    expect(pauses.length * 15).toBeLessThanOrEqual(150);
  });

  it('waits at a gate that stands in the text, which itself is not sent', () => {
    const answer = buildAnswer({ say: 'before {{hold:g}}after' }, 'm', 1);
    const frames = [...streamFrames(answer, [], slowPace(0))];
    expect(frames.filter((frame) => frame.kind === 'gate')).toEqual([{ kind: 'gate', name: 'g' }]);
    expect(readStream(textOf(frames)).content).toEqual([{ type: 'text', text: 'before after' }]);
    expect(JSON.parse(encodeMessage(answer)).content).toEqual([{ type: 'text', text: 'before after' }]);
  });

  it('gives every answer and every call an id of its own', () => {
    const step = { tools: [{ name: 'T' }, { name: 'T' }] };
    const answers = [buildAnswer(step, 'm', 1), buildAnswer(step, 'm', 1)];
    const ids = answers.flatMap(({ id, content }) => [
      id,
      ...content.map((block) => (block.type === 'tool_use' ? block.id : '')),
    ]);
    expect(new Set(ids).size).toBe(6);
    for (const id of ids) expect(id).toMatch(/^(?:msg|toolu)_[0-9a-f]{32}$/);
  });
});

describe('the stream checker', () => {
  const good = textOf(
    streamFrames(
      buildAnswer({ say: 'a b', tools: [{ name: 'T', input: { a: 1 } }] }, 'm', 1),
      [],
      slowPace(0),
    ),
  );
  const events = good.split('\n\n').filter(Boolean);
  const without = (index: number) => `${events.toSpliced(index, 1).join('\n\n')}\n\n`;

  it('finds every missing event, except deltas of content', () => {
    const isDelta = (event: string) => /text_delta|input_json_delta/.test(event);
    const missed = events.filter(
      (event, index) => !isDelta(event) && readStream(without(index)).problems.length === 0,
    );
    expect(missed).toEqual([]);
  });

  it('finds two events that changed places', () => {
    const order = [1, 0, ...events.keys()]
      .filter((index, at) => at < 2 || index > 1)
      .map((index) => events[index]);
    expect(readStream(`${order.join('\n\n')}\n\n`).problems).not.toEqual([]);
  });

  it('finds a stream that was cut', () => {
    expect(readStream(good.slice(0, -40)).problems).not.toEqual([]);
  });
});

describe('playing frames', () => {
  const event = (text: string): Frame => ({ kind: 'event', text });
  const never = new AbortController().signal;

  it('joins what is ready and sends it before it waits', async () => {
    const gates = createGates();
    const frames: Frame[] = [event('a'), event('b'), { kind: 'gate', name: 'g' }, event('c'), event('d')];
    const chunks = playFrames(frames, gates, never);
    expect(await chunks.next()).toEqual({ done: false, value: 'ab' });
    gates.release('g');
    expect(await chunks.next()).toEqual({ done: false, value: 'cd' });
    expect((await chunks.next()).done).toBe(true);
  });

  it('sends pings while it waits', async () => {
    const gates = createGates();
    const chunks = playFrames([{ kind: 'gate', name: 'g' }, event('end')], gates, never, 1);
    const ping = { done: false, value: 'event: ping\ndata: {"type":"ping"}\n\n' };
    expect([await chunks.next(), await chunks.next()]).toEqual([ping, ping]);
    gates.release('g');
    let last = '';
    for await (const chunk of chunks) last = chunk;
    expect(last).toBe('end');
  });

  it('breaks off where the script cuts', async () => {
    const chunks = playFrames([event('a'), { kind: 'cut' }, event('b')], createGates(), never);
    expect(await chunks.next()).toEqual({ done: false, value: 'a' });
    await expect(chunks.next()).rejects.toThrow(ConnectionCut);
  });

  it.each<Frame>([
    { kind: 'gate', name: 'g' },
    { kind: 'pause', ms: 9_000 },
    { kind: 'pause', ms: 60_000 },
  ])('ends at once when the client goes away during %j', async (frame) => {
    const gone = new AbortController();
    const chunks = playFrames([frame, event('late')], createGates(), gone.signal);
    const next = chunks.next();
    gone.abort(new Error('gone'));
    await expect(next).rejects.toThrow('gone');
  });
});
