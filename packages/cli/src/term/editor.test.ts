import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Editor, edit, editorWith, emptyEditor, layout } from './editor.ts';
import { type Key, toKey } from './keys.ts';
import { stringWidth } from './text.ts';

const key = (name: string, parts: Partial<Key> = {}): Key => ({
  name,
  ctrl: false,
  alt: false,
  shift: false,
  text: '',
  paste: false,
  ...parts,
});
const ctrl = (name: string): Key => key(name, { ctrl: true });
const letters = (text: string): Key[] => [...text].map((letter) => key('', { text: letter }));
const press = (keys: readonly Key[], from: Editor = emptyEditor): Editor =>
  keys.reduce((editor, next) => edit(editor, next) ?? editor, from);

describe('editing', () => {
  test.each([
    ['words are taken away backwards', [...letters('one two'), ctrl('w')], 'one '],
    ['and put back', [...letters('one two'), ctrl('w'), ctrl('y'), ctrl('y')], 'one twotwo'],
    [
      'to the beginning of the line',
      [...letters('one'), key('newline'), ...letters('two'), ctrl('u')],
      'one\n',
    ],
    ['to its end', [...letters('one two'), ctrl('a'), ctrl('k')], ''],
    ['in the middle', [...letters('ac'), key('left'), ...letters('b')], 'abc'],
    ['by words', [...letters('one two'), key('left', { alt: true }), ...letters('X')], 'one Xtwo'],
    ['a whole emoji at once', [...letters('a'), key('', { text: '👩‍👩‍👧' }), key('backspace')], 'a'],
    ['delete', [...letters('ab'), key('home'), key('delete')], 'b'],
  ])('%s', (_, keys, text) => {
    expect(press(keys).text).toBe(text);
  });

  test('up and down keep the column, and are not the editor’s in the first and last line', () => {
    const at = press([...letters('long line'), key('newline'), ...letters('ab')]);
    expect(edit(at, key('up'))?.cursor).toBe(2);
    expect(edit(editorWith('one line'), key('up'))).toBeUndefined();
    expect(edit(editorWith('one line'), key('down'))).toBeUndefined();
  });

  test('no key can break it', () => {
    const names = ['left', 'right', 'up', 'down', 'home', 'end', 'backspace', 'delete', 'newline'];
    const anyKey = fc.oneof(
      fc.constantFrom(...names).map((name) => key(name)),
      fc.constantFrom('a', 'e', 'u', 'k', 'w', 'y', 'd', 'b', 'f').map(ctrl),
      fc.constantFrom('b', 'f', 'd', 'backspace').map((name) => key(name, { alt: true })),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }).map((text) => key('', { text })),
    );
    fc.assert(
      fc.property(fc.array(anyKey, { maxLength: 40 }), fc.integer({ min: 12, max: 40 }), (keys, width) => {
        const editor = press(keys);
        expect(editor.cursor).toBeGreaterThanOrEqual(0);
        expect(editor.cursor).toBeLessThanOrEqual(editor.text.length);
        const { lines, cursor } = layout(editor, width, '> ', '  ');
        expect(cursor.row).toBeLessThan(lines.length);
        expect(cursor.column).toBeLessThanOrEqual(width);
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('keys', () => {
  test.each([
    ['Enter', '\r', { name: 'return', sequence: '\r' }, { name: 'enter' }],
    ['Ctrl-J', '\n', { name: 'enter', sequence: '\n' }, { name: 'newline' }],
    ['Alt-Enter', undefined, { name: 'return', meta: true, sequence: '\x1b\r' }, { name: 'newline' }],
    ['Shift-Enter as CSI u', undefined, { sequence: '\x1b[13;2u' }, { name: 'newline' }],
    ['a letter', 'x', { name: 'x', sequence: 'x' }, { name: '', text: 'x' }],
    ['Ctrl-C', '\x03', { name: 'c', ctrl: true, sequence: '\x03' }, { name: 'c', ctrl: true, text: '' }],
    ['a wide letter', '日', { sequence: '日' }, { text: '日' }],
    ['Tab', '\t', { name: 'tab', sequence: '\t' }, { name: 'tab', text: '' }],
  ])('%s', (_, text, raw, expected) => {
    expect(toKey(text, raw)).toMatchObject(expected);
  });
});
