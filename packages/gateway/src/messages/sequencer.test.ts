import { describe, expect, test } from 'vitest';
import { checkStream } from '../testing/check-stream.ts';
import { createSequencer } from './sequencer.ts';

describe('the arguments of a tool call', () => {
  function inputOf(chunks: string[], reason: 'tool_use' | 'max_tokens' = 'tool_use') {
    const sequencer = createSequencer({ id: 'm', model: 'm', inputTokens: 5 });
    sequencer.toolStart('0', 'toolu_a', 'Read');
    for (const chunk of chunks) sequencer.toolInput('0', chunk);
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
  ])('%o become %s', (chunks, wanted) => {
    expect(inputOf(chunks)).toBe(wanted);
  });

  test('that are not JSON are an error, unless the answer was cut off', () => {
    expect(inputOf(['{"a":'])).toContain('whose arguments are not JSON');
    expect(inputOf(['{"a":'], 'max_tokens')).toBe('{"a":');
  });
});

test('text held back for a stop sequence comes before what followed it', () => {
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
