import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { takeFinished } from './blocks.ts';
import { advance, newBlock, seal } from './open-block.ts';

describe('takeFinished', () => {
  test('cuts after a blank line, and keeps what is being written', () => {
    expect(takeFinished('One.\n\nTwo')).toEqual({ finished: 'One.\n\n', rest: 'Two', prefix: '' });
    expect(takeFinished('One')).toBeUndefined();
    expect(takeFinished('One\nstill one')).toBeUndefined();
  });

  test('gives list items one by one', () => {
    expect(takeFinished('- a\n- b')).toEqual({ finished: '- a\n', rest: '- b', prefix: '' });
  });

  test('keeps what is indented below a list item with it, also after a blank line', () => {
    expect(takeFinished('1. a\n\n    - b\n\n    c\n')).toBeUndefined();
    expect(takeFinished('1. a\n\n    - b\n\n2. c')).toMatchObject({ rest: '2. c' });
    expect(takeFinished('- a\n\nText')).toEqual({ finished: '- a\n\n', rest: 'Text', prefix: '' });
  });

  test('never cuts inside a short code block', () => {
    expect(takeFinished('```ts\na\n\nb\n')).toBeUndefined();
    expect(takeFinished('```ts\na\n\nb\n```\n')).toMatchObject({
      finished: '```ts\na\n\nb\n```\n',
      rest: '',
    });
  });

  test('cuts a long code block into two that look like one', () => {
    const code = Array.from({ length: 20 }, (_, line) => `line ${line}\n`).join('');
    expect(takeFinished(`\`\`\`ts\n${code}last`)).toEqual({
      finished: `\`\`\`ts\n${code}\`\`\``,
      rest: '```ts\nlast',
      prefix: '```ts\n',
    });
  });

  test('a fence of four backticks is not closed by one of three', () => {
    expect(takeFinished('````\n```\n\nx\n')).toBeUndefined();
  });
});

test('a text that arrives in chunks is shown whole, once, in order', () => {
  const part = fc.constantFrom(
    'word ',
    '\n',
    '\n\n',
    '- item\n',
    '# head\n',
    '```js\n',
    '```\n',
    'code();\n',
    '| a |\n',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
      let block = newBlock('m', 0, 'text');
      let shown = '';
      const add = (items: readonly { kind: string; text?: string }[], cut: boolean): void => {
        for (const item of items) {
          shown += cut ? (item.text ?? '').replace(/\n```$/, '\n') : item.text;
        }
      };
      for (const more of parts) {
        const prefix = block.prefix;
        const advanced = advance({ ...block, text: block.text + more });
        block = advanced.block;
        add(advanced.items, block.prefix !== '');
        // The opening of a code block that was cut was shown with its first chunk.
        if (prefix !== '' && advanced.items.length > 0)
          shown = shown.replace(/(?<=[\s\S])```js\n(?=[^`]*$)/, '');
      }
      const text = parts.join('');
      if (!text.includes('```')) {
        add(seal(block, text), false);
        expect(shown.trimEnd()).toBe(text.replace(/^\s*$/, '').trimEnd());
      } else {
        // With code blocks: no character of the text is consumed twice, and none beyond its end.
        expect(block.consumed).toBeLessThanOrEqual(text.length);
      }
    }),
  );
});
