import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSseParser, type SseEvent } from './sse-parser.ts';

describe('the parser', () => {
  const parse = (...chunks: string[]): SseEvent[] => {
    const parser = createSseParser();
    return chunks.flatMap((chunk) => parser.feed(chunk));
  };

  test('reads fields, joins data lines, and skips comments', () => {
    expect(parse(': hello\nid: 7\nevent: turn\ndata: a\ndata: b\n\ndata:c\n\n')).toEqual([
      { id: '7', event: 'turn', data: 'a\nb' },
      { id: undefined, event: 'message', data: 'c' },
    ]);
  });

  test('an event without data is none', () => {
    expect(parse('id: 7\nevent: x\n\n')).toEqual([]);
  });

  test('takes a byte order mark, and \\r and \\r\\n as line ends', () => {
    expect(parse('\uFEFFdata: a\r\n\r\ndata: b\r\rdata: c\n\n').map(({ data }) => data)).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  test('ignores an id with a NUL character, and fields that it does not know', () => {
    expect(parse('id: a\0b\nweather: rain\ndata: x\n\nid: 8\ndata\n\n')).toEqual([
      { id: undefined, event: 'message', data: 'x' },
      { id: '8', event: 'message', data: '' },
    ]);
  });

  test('reads the delay that the server asks for, if it is a number', () => {
    const parser = createSseParser();
    parser.feed('retry: soon\n\n');
    expect(parser.retryMs).toBeUndefined();
    parser.feed('retry: 1500\n\nretry: 2 s\n\n');
    expect(parser.retryMs).toBe(1500);
  });

  test('gives the same events wherever the stream is cut', () => {
    const event = fc.record({
      id: fc.option(fc.nat().map(String), { nil: undefined }),
      data: fc.string().filter((text) => !/[\r\n]/.test(text)),
      end: fc.constantFrom('\n', '\r\n', '\r'),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), fc.array(fc.nat({ max: 400 })), (events, cuts) => {
        const text = events
          .map(({ id, data, end }) => `${id === undefined ? '' : `id: ${id}${end}`}data: ${data}${end}${end}`)
          .join('');
        const points = [...new Set(cuts.filter((cut) => cut < text.length))].sort((a, b) => a - b);
        const chunks = [...points, text.length].map((point, index) =>
          text.slice(points[index - 1] ?? 0, point),
        );
        // A last \r may be half of a \r\n: only what follows ends the event.
        const found = parse(...chunks, '\n');
        expect(found).toEqual(events.map(({ id, data }) => ({ id, event: 'message', data })));
      }),
    );
  });
});
