import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutAt, cuts } from '../testing/cut.ts';
import { createSseParser, type SseMessage } from './sse.ts';

const lineBreak = fc.constantFrom('\n', '\r', '\r\n');
const line = fc.constantFrom(
  'data: a',
  'data: ä👋',
  'data:',
  'data',
  'data:  b',
  'dat: no field',
  'event: e',
  'event:',
  'id: 1',
  'id: a\0b',
  ': comment',
  'retry: 9',
  'retry: soon',
  '',
  '',
);
const text = fc
  .tuple(fc.constantFrom('', '\uFEFF'), fc.array(fc.tuple(line, lineBreak), { maxLength: 12 }))
  .map(([mark, lines]) => mark + lines.flat().join(''));

/** The standard's algorithm on the whole text. */
function parseWhole(whole: string): SseMessage[] {
  const messages: SseMessage[] = [];
  let event = '';
  let data: string[] = [];
  for (const each of `${whole.replace(/^\uFEFF/, '')}\n\n`.split(/\r\n|\r|\n/)) {
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
      const parser = createSseParser();
      const read = cutAt(Buffer.from(whole), at).flatMap((chunk) => parser.push(chunk));
      expect([...read, ...parser.end()]).toEqual(parseWhole(whole));
    }),
    { numRuns: 500 },
  );
});

test('a byte order mark, and an id with a NUL, are left out', () => {
  const parser = createSseParser();
  const bytes = Buffer.from('\uFEFFid: a\0b\ndata: one\n\n');
  expect(cutAt(bytes, [1, 2, 8]).flatMap((chunk) => parser.push(chunk))).toEqual([
    { event: 'message', data: 'one' },
  ]);
});

test('a last message is read without the blank line that would close it, and without its line break', () => {
  for (const end of ['', '\n', '\r', '\r\n']) {
    const parser = createSseParser();
    expect(parser.push(Buffer.from(`data: [DONE]${end}`))).toEqual([]);
    expect(parser.end()).toEqual([{ event: 'message', data: '[DONE]' }]);
  }
});
