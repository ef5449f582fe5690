import { describe, expect, test } from 'vitest';
import { createCollector } from '../../messages/collect.ts';
import { createSequencer } from '../../messages/sequencer.ts';
import { createChatReader } from './convert-stream.ts';
import type { ChatChunk, ChatDelta } from './types.ts';
import { convertUsage } from './usage.ts';

type ToolCallDelta = NonNullable<ChatDelta['tool_calls']>[number];

/** The calls that a client gets of an upstream's chunks. */
function callsOf(chunks: readonly ChatChunk[]) {
  const sequencer = createSequencer({ id: 'msg_1', model: 'm', inputTokens: 1 });
  const reader = createChatReader({
    provider: 'p',
    sequencer,
    toolName: (name) => name,
    drop: () => {},
    noteDropped: () => {},
    isOffered: (name) => name === 'A' || name === 'B',
    thinkTags: true,
    fail(failure) {
      throw new Error(failure.message);
    },
  });
  for (const chunk of chunks) reader.push(chunk);
  reader.end(true);
  const collector = createCollector();
  collector.push(sequencer.take());
  const blocks = collector.result().message?.content ?? [];
  return blocks.flatMap((block) => (block.type === 'tool_use' ? [[block.name, block.input]] : []));
}

const part = (name: string | undefined, json: string, more: Partial<ToolCallDelta> = {}): ToolCallDelta => ({
  function: { ...(name === undefined ? {} : { name }), arguments: json },
  ...more,
});
const streamed = (...deltas: ToolCallDelta[]) =>
  callsOf(deltas.map((tool) => ({ choices: [{ delta: { tool_calls: [tool] } }] })));
const whole = (...deltas: ToolCallDelta[]) => callsOf([{ choices: [{ message: { tool_calls: deltas } }] }]);

const both = [
  ['A', { x: 1 }],
  ['B', { y: 2 }],
];

describe('calls without ids', () => {
  test('in a whole answer are separate calls', () => {
    expect(whole(part('A', '{"x":1}'), part('B', '{"y":2}'))).toEqual(both);
    const zero = { index: 0, id: '' };
    expect(whole(part('A', '{"x":1}', zero), part('B', '{"y":2}', zero))).toEqual(both);
    expect(whole(part('A', ''), part('A', ''))).toEqual([
      ['A', {}],
      ['A', {}],
    ]);
  });

  test.each([
    ['the same index', { index: 0, id: '' }],
    ['no index', {}],
  ])('a stream begins a new one with a new name under %s', (_, place) => {
    const split = [part('A', '{"x"', place), part(undefined, ':1}', place), part('B', '{"y":2}', place)];
    expect(streamed(...split)).toEqual(both);
    expect(streamed(part('A', '', place), part('B', '{"y":2}', place))).toEqual([
      ['A', {}],
      ['B', { y: 2 }],
    ]);
    expect(streamed(part('A', '{"x":1}', place), part('A', '{"x":2}', place))).toEqual([
      ['A', { x: 1 }],
      ['A', { x: 2 }],
    ]);
  });

  test('with the name in every delta are one call', () => {
    const place = { index: 0 };
    const deltas = [part('A', '{"x":{}', place), part('A', ',"y":2}', place), part('A', '', place)];
    expect(streamed(...deltas)).toEqual([['A', { x: {}, y: 2 }]]);
    const id = 'call_1';
    expect(streamed(part('A', '{"x":1}', { id }), part('A', ' ', { id }))).toEqual([['A', { x: 1 }]]);
  });
});

describe('usage', () => {
  const usage = {
    prompt_tokens: 32,
    completion_tokens: 9,
    completion_tokens_details: { reasoning_tokens: 94 },
  };
  test('reasoning that is not included in the output tokens is added', () => {
    expect(convertUsage({ ...usage, total_tokens: 135 }).output_tokens).toBe(103);
  });
  test('reasoning that is included is not added again', () => {
    const within = { ...usage, completion_tokens: 103, total_tokens: 135 };
    expect(convertUsage(within).output_tokens).toBe(103);
    expect(convertUsage(usage).output_tokens).toBe(9);
  });
});
