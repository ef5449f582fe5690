import { describe, expect, test } from 'vitest';
import { createSequencer } from '../messages/sequencer.ts';
import type { StreamEvent } from '../messages/types.ts';
import { checkStream } from './check-stream.ts';

function good(): StreamEvent[] {
  const sequencer = createSequencer({ id: 'm', model: 'm', inputTokens: 5 });
  sequencer.thinking('hm');
  sequencer.sign({ from: 's' });
  sequencer.text('Hi');
  sequencer.toolStart('0', 'toolu_a', 'Read');
  sequencer.toolInput('0', '{"a":1}');
  sequencer.finish('tool_use');
  return sequencer.take();
}

const types = (events: StreamEvent[]) => events.map((event) => event.type);
const without = (at: number) => good().filter((_, index) => index !== at);

describe('checkStream', () => {
  test('accepts a valid stream', () => {
    expect(checkStream(good())).toEqual([]);
  });

  test('finds each missing event, except text deltas', () => {
    const harmless = good().flatMap((event, at) => (event.type === 'content_block_delta' ? [at] : []));
    for (let at = 0; at < good().length; at += 1) {
      if (!harmless.includes(at)) expect(checkStream(without(at)), types(good())[at]).not.toEqual([]);
    }
  });

  test('finds two adjacent events in the wrong order', () => {
    for (let at = 0; at + 1 < good().length; at += 1) {
      const events = good();
      const [first, second] = [events[at], events[at + 1]];
      if (!first || !second || (first.type === second.type && first.type === 'content_block_delta')) continue;
      events.splice(at, 2, second, first);
      expect(checkStream(events), `${first.type} and ${second.type}`).not.toEqual([]);
    }
  });

  test('finds a tool input that is not JSON, a message_start without input tokens and an error in the middle', () => {
    const events = good();
    for (const event of events) {
      if (event.type === 'content_block_delta' && event.delta.type === 'input_json_delta') {
        event.delta.partial_json = '{"a":';
      }
    }
    expect(checkStream(events)).toEqual([expect.stringContaining('not JSON')]);
    const zero = good();
    if (zero[0]?.type === 'message_start') zero[0].message.usage.input_tokens = 0;
    expect(checkStream(zero)).toEqual(['message_start without input tokens']);
    const error: StreamEvent = { type: 'error', error: { type: 'api_error', message: 'x' } };
    expect(checkStream([...good().slice(0, 2), error, ...good().slice(2)])).not.toEqual([]);
    expect(checkStream([...good().slice(0, 2), error])).toEqual([]);
  });
});
