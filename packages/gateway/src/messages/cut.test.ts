import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEventBytes } from './event-bytes.ts';
import { createMeter } from './meter.ts';
import { createSseReader, type SseMessage } from './sse.ts';

const lineBreak = fc.constantFrom('\n', '\r', '\r\n');
const line = fc.constantFrom('data: a', 'data: ä👋', 'data:', 'event: e', ': comment', 'retry: 9', '', '');
const text = fc.array(fc.tuple(line, lineBreak), { maxLength: 12 }).map((lines) => lines.flat().join(''));
const cuts = fc.array(fc.nat(80), { maxLength: 20 });

/** The same bytes in pieces. */
function pieces(bytes: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map((each) => Math.min(each, bytes.length)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/** By the book, on the whole text. */
function byTheBook(whole: string): SseMessage[] {
  const messages: SseMessage[] = [];
  let event = '';
  let data: string[] = [];
  for (const each of `${whole}\n\n`.split(/\r\n|\r|\n/)) {
    const [, field = each, value = ''] = /^([^:]*):? ?(.*)$/.exec(each) ?? [];
    if (each === '') {
      if (data.length > 0) messages.push({ event: event || 'message', data: data.join('\n') });
      event = '';
      data = [];
    } else if (field === 'data') data.push(value);
    else if (field === 'event') event = value;
  }
  return messages;
}

test('an SSE stream says the same however its bytes are cut', () => {
  fc.assert(
    fc.property(text, cuts, (whole, at) => {
      const reader = createSseReader();
      const read = pieces(Buffer.from(whole), at).flatMap((piece) => reader.push(piece));
      expect([...read, ...reader.end()]).toEqual(byTheBook(whole));
    }),
  );
});

test('events are passed on whole, and nothing is lost, however the bytes are cut', () => {
  const events = fc.array(
    fc.tuple(
      fc.constantFrom('event: ping\ndata: {}', 'data: {"x":"ä👋"}', ': c'),
      fc.constantFrom('\n\n', '\r\n\r\n'),
    ),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(events, cuts, (list, at) => {
      const whole = list.flat().join('');
      const reader = createEventBytes(createMeter());
      const passed = pieces(Buffer.from(whole), at).flatMap((piece) => reader.push(piece) ?? []);
      expect(Buffer.concat(passed).toString()).toBe(whole);
      for (const piece of passed) expect(piece.toString()).toMatch(/\n\r?\n$/);
    }),
  );
});
