import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Blocks, decodeEntities, readBlocks } from './blocks.ts';
import { isInlineImage, safeUrl } from './safe.ts';

const raws = ({ tokens }: Blocks): string[] => tokens.map(({ raw }) => raw);

const line = fc.constantFrom(
  'A word.\n',
  '\n',
  '# Head\n',
  '- item\n',
  '  more of it\n',
  '1. one\n',
  '```ts\n',
  'const a = 1;\n',
  '```\n',
  '> quote\n',
  '| a | b |\n',
  '|---|---|\n',
  '| 1 | 2 |\n',
  '---\n',
  '    code\n',
);

test('a text that grows is read as if it had been there at once', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 25 }), fc.integer({ min: 1, max: 9 }), (lines, step) => {
      const text = lines.join('');
      let blocks: Blocks | undefined;
      for (let end = step; end < text.length + step; end += step)
        blocks = readBlocks(text.slice(0, end), blocks);
      const whole = readBlocks(text);
      expect(raws(blocks ?? whole)).toEqual(raws(whole));
    }),
    { numRuns: 500 },
  );
});

test('complete blocks keep their identity while the last one grows', () => {
  const before = readBlocks('# One\n\nTwo\n\nThr');
  const after = readBlocks('# One\n\nTwo\n\nThree', before);
  expect(after.tokens[0]).toBe(before.tokens[0]);
  expect(after.tokens[2]).toBe(before.tokens[2]);
  expect(after.tokens.at(-1)).toMatchObject({ type: 'paragraph', text: 'Three' });
});

test('links go to the web only, and pictures are those in the text itself', () => {
  expect(safeUrl('https://example.com/a')).toBe('https://example.com/a');
  for (const bad of [
    'javascript:alert(1)',
    'data:text/html,x',
    '/sessions',
    'sessions',
    'file:///etc/passwd',
  ])
    expect(safeUrl(bad)).toBeUndefined();
  expect(isInlineImage('data:image/png;base64,AAAA')).toBe(true);
  expect(isInlineImage('https://example.com/a.png')).toBe(false);
  expect(isInlineImage('data:image/svg+xml;base64,AAAA')).toBe(false);
});

test('characters that are written by name or number are shown', () => {
  expect(decodeEntities('a &lt; b &amp;&#38; &#x41; &unknown; &')).toBe('a < b && A &unknown; &');
});
