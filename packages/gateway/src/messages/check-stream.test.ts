import { describe, expect, test } from 'vitest';
import { checkStream } from './check-stream.ts';
import { createSequencer } from './sequencer.ts';
import type { StreamEvent } from './types.ts';

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

describe('the checker of streams', () => {
  test('finds nothing in a good one', () => {
    expect(checkStream(good())).toEqual([]);
  });

  test('finds every single event that is missing, except a delta of text', () => {
    const harmless = good().flatMap((event, at) => (event.type === 'content_block_delta' ? [at] : []));
    for (let at = 0; at < good().length; at += 1) {
      if (!harmless.includes(at)) expect(checkStream(without(at)), types(good())[at]).not.toEqual([]);
    }
  });

  test('finds two neighbours that changed places', () => {
    for (let at = 0; at + 1 < good().length; at += 1) {
      const events = good();
      const [first, second] = [events[at], events[at + 1]];
      if (!first || !second || (first.type === second.type && first.type === 'content_block_delta')) continue;
      events.splice(at, 2, second, first);
      expect(checkStream(events), `${first.type} and ${second.type}`).not.toEqual([]);
    }
  });

  test('finds a tool input that is not JSON, an empty context meter and an error in the middle', () => {
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

describe('what the sequencer makes of odd tool calls', () => {
  function inputOf(pieces: string[], reason: 'tool_use' | 'max_tokens' = 'tool_use') {
    const sequencer = createSequencer({ id: 'm', model: 'm', inputTokens: 5 });
    sequencer.toolStart('0', 'toolu_a', 'Read');
    for (const piece of pieces) sequencer.toolInput('0', piece);
    sequencer.finish(reason);
    const events = sequencer.take();
    expect(checkStream(events)).toEqual([]);
    return events
      .map((event) =>
        event.type === 'content_block_delta' && event.delta.type === 'input_json_delta'
          ? event.delta.partial_json
          : event.type === 'error'
            ? event.error.message
            : '',
      )
      .join('');
  }

  test.each([
    [[], ''],
    [['null'], '{}'],
    [['""'], '{}'],
    [['"{\\"a\\":1}"'], '{"a":1}'],
    [[' ', '{', '}'], ' {}'],
    [['[1]'], '{"value":[1]}'],
  ])('%o becomes %s', (pieces, wanted) => {
    expect(inputOf(pieces)).toBe(wanted);
  });

  test('a text held back for a stop sequence comes before what followed it', () => {
    const sequencer = createSequencer({ id: 'm', model: 'm', inputTokens: 5, stopSequences: ['END'] });
    sequencer.text('Hello EN');
    sequencer.thinking('hm');
    sequencer.text('D');
    sequencer.finish('end_turn');
    const written = sequencer
      .take()
      .flatMap((event) => (event.type === 'content_block_delta' ? Object.values(event.delta).slice(1) : []));
    expect(written).toEqual(['Hello EN', 'hm', 'D']);
  });

  test('arguments that are not JSON are an error, unless the answer was cut off', () => {
    expect(inputOf(['{"a":'])).toContain('whose arguments are not JSON');
    expect(inputOf(['{"a":'], 'max_tokens')).toBe('{"a":');
  });
});
