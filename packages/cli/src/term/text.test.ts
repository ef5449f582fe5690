import fc from 'fast-check';
import libraryWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { createPaint } from './style.ts';
import { graphemes, sanitize, stringWidth, truncate, wrap } from './text.ts';

const paint = createPaint(true);

describe('sanitize', () => {
  test('removes escape sequences and control characters', () => {
    expect(sanitize('a\x1b[31mb\x1b]0;title\x07c\x1b[2Jd\x07e\x9b')).toBe('abcde');
  });
  test('keeps line breaks, and makes tabs spaces', () => {
    expect(sanitize('a\r\nb\rc\td')).toBe('a\nb\nc    d');
  });
  test('shows the marks that reorder text', () => {
    expect(sanitize('rm \u202e-rf')).toBe('rm <U+202E>-rf');
  });
});

describe('stringWidth', () => {
  test.each([
    ['abc', 3],
    ['日本', 4],
    ['👍', 2],
    ['👩‍👩‍👧', 2],
    ['é', 1],
    ['e\u0301', 1],
    ['\x1b[1mab\x1b[22m', 2],
    ['❤️', 2],
    ['…', 1],
    ['1️⃣', 2],
  ])('of %j is %i', (text, width) => {
    expect(stringWidth(text)).toBe(width);
  });
  test("of the characters that need no library is the library's, and each of them is a grapheme of its own", () => {
    const segmenter = new Intl.Segmenter();
    for (let code = 0x20; code < 0xd800; code += 1) {
      const sign = String.fromCharCode(code);
      const text = `${sign}a${sign}${sign}`;
      if (stringWidth(text) !== libraryWidth(text)) expect.fail(`width of U+${code.toString(16)}`);
      if (graphemes(text).length !== [...segmenter.segment(text)].length)
        expect.fail(`graphemes of U+${code.toString(16)}`);
    }
  });
});

describe('wrap', () => {
  test('breaks after spaces', () => {
    expect(wrap('the quick brown fox', 10)).toEqual(['the quick', 'brown fox']);
  });
  test('breaks a word that is too long', () => {
    expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  });
  test('indents what follows', () => {
    expect(wrap('- the quick brown fox', 12, '  ')).toEqual(['- the quick', '  brown fox']);
  });
  test('closes a colour at the end of a row and opens it again', () => {
    expect(wrap(paint.red('aaa bbb'), 4)).toEqual(['\x1b[31maaa\x1b[0m', '\x1b[31mbbb\x1b[39m']);
  });
  test('never gives a row that is too wide, and loses nothing but spaces', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 4, max: 30 }), (text, width) => {
        const line = sanitize(text).replace(/\n/g, ' ');
        const rows = wrap(line, width);
        for (const row of rows) expect(stringWidth(row.trimEnd())).toBeLessThanOrEqual(width);
        expect(rows.join('').replace(/ /g, '')).toBe(line.replace(/ /g, ''));
      }),
    );
  });
});

test('truncate shows that something is missing and fits', () => {
  expect(truncate('hello world', 6)).toBe('hello…');
  expect(stringWidth(truncate('日本語テキスト', 6))).toBeLessThanOrEqual(6);
  expect(truncate('short', 6)).toBe('short');
});
