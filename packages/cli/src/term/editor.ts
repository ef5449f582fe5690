import type { Key } from './keys.ts';
import { graphemes, stringWidth } from './text.ts';

/** The text being written and the cursor in it (an index into the string). */
export interface Editor {
  readonly text: string;
  readonly cursor: number;
  /** What Ctrl-K, Ctrl-U and Ctrl-W took away, for Ctrl-Y. */
  readonly killed: string;
}

export const emptyEditor: Editor = { text: '', cursor: 0, killed: '' };

export function editorWith(text: string): Editor {
  return { ...emptyEditor, text, cursor: text.length };
}

export function insert(editor: Editor, text: string): Editor {
  const { cursor } = editor;
  return {
    ...editor,
    text: editor.text.slice(0, cursor) + text + editor.text.slice(cursor),
    cursor: cursor + text.length,
  };
}

/** Replaces the text from `from` to the cursor. */
export function replaceBefore(editor: Editor, from: number, text: string): Editor {
  return insert(cut(editor, from, editor.cursor, false), text);
}

function cut(editor: Editor, from: number, to: number, keep: boolean): Editor {
  if (from >= to) return editor;
  return {
    text: editor.text.slice(0, from) + editor.text.slice(to),
    cursor: from,
    killed: keep ? editor.text.slice(from, to) : editor.killed,
  };
}

const lineStart = ({ text, cursor }: Editor): number => text.lastIndexOf('\n', cursor - 1) + 1;
const lineEnd = ({ text, cursor }: Editor): number => {
  const end = text.indexOf('\n', cursor);
  return end === -1 ? text.length : end;
};

function previous({ text, cursor }: Editor): number {
  if (cursor === 0) return 0;
  return cursor - (graphemes(text.slice(Math.max(0, cursor - 32), cursor)).at(-1)?.length ?? 1);
}

function next({ text, cursor }: Editor): number {
  if (cursor >= text.length) return text.length;
  return cursor + (graphemes(text.slice(cursor, cursor + 32))[0]?.length ?? 1);
}

function wordLeft({ text, cursor }: Editor): number {
  const before = text.slice(0, cursor);
  return before.length - (/[\p{L}\p{N}_]*[^\p{L}\p{N}_]*$/u.exec(before)?.[0].length ?? 0);
}

function wordRight({ text, cursor }: Editor): number {
  return cursor + (/^[^\p{L}\p{N}_]*[\p{L}\p{N}_]*/u.exec(text.slice(cursor))?.[0].length ?? 0);
}

/** Moves by one line, keeping the column; undefined at the first or last line. */
function vertical(editor: Editor, direction: -1 | 1): Editor | undefined {
  const start = lineStart(editor);
  const column = stringWidth(editor.text.slice(start, editor.cursor));
  const edge = direction === -1 ? start - 1 : lineEnd(editor) + 1;
  if (edge < 0 || edge > editor.text.length) return undefined;
  const from = lineStart({ ...editor, cursor: edge });
  const to = lineEnd({ ...editor, cursor: from });
  let cursor = from;
  let width = 0;
  for (const grapheme of graphemes(editor.text.slice(from, to))) {
    if (width >= column) break;
    width += stringWidth(grapheme);
    cursor += grapheme.length;
  }
  return { ...editor, cursor };
}

/**
 * What a key does to the text: the new state, or undefined when the key is none of the editor's (Enter, Tab, up
 * in the first line, …).
 */
export function edit(editor: Editor, key: Key): Editor | undefined {
  const { text, cursor } = editor;
  if (key.text !== '') return insert(editor, key.text);
  const combo = `${key.ctrl ? 'C-' : ''}${key.alt ? 'A-' : ''}${key.name}`;
  switch (combo) {
    case 'newline':
      return insert(editor, '\n');
    case 'left':
    case 'C-b':
      return { ...editor, cursor: previous(editor) };
    case 'right':
    case 'C-f':
      return { ...editor, cursor: next(editor) };
    case 'C-left':
    case 'A-left':
    case 'A-b':
      return { ...editor, cursor: wordLeft(editor) };
    case 'C-right':
    case 'A-right':
    case 'A-f':
      return { ...editor, cursor: wordRight(editor) };
    case 'home':
    case 'C-a':
      return { ...editor, cursor: lineStart(editor) };
    case 'end':
    case 'C-e':
      return { ...editor, cursor: lineEnd(editor) };
    case 'up':
      return vertical(editor, -1);
    case 'down':
      return vertical(editor, 1);
    case 'backspace':
    case 'C-h':
      return cut(editor, previous(editor), cursor, false);
    case 'delete':
      return cut(editor, cursor, next(editor), false);
    case 'C-d':
      return text === '' ? undefined : cut(editor, cursor, next(editor), false);
    case 'A-backspace':
    case 'C-w':
      return cut(editor, wordLeft(editor), cursor, true);
    case 'A-d':
      return cut(editor, cursor, wordRight(editor), true);
    case 'C-u':
      return cut(editor, lineStart(editor), cursor, true);
    case 'C-k': {
      const end = lineEnd(editor);
      return cut(editor, cursor, end === cursor ? Math.min(end + 1, text.length) : end, true);
    }
    case 'C-y':
      return insert(editor, editor.killed);
    default:
      return undefined;
  }
}

export interface EditorView {
  lines: string[];
  cursor: { row: number; column: number };
}

/** Lays the text out in `width` columns, with a prompt before the first line and an indent before the others. */
export function layout(editor: Editor, width: number, prompt: string, indent: string): EditorView {
  const room = Math.max(4, width - stringWidth(prompt) - 1);
  const lines: string[] = [];
  let cursor = { row: 0, column: stringWidth(prompt) };
  let at = 0;
  for (const [index, line] of editor.text.split('\n').entries()) {
    let row = '';
    let rowWidth = 0;
    const begin = (): string => (lines.length === 0 ? prompt : indent);
    if (index > 0) at += 1;
    for (const grapheme of [...graphemes(line), '']) {
      const cells = stringWidth(grapheme);
      if (rowWidth + cells > room) {
        lines.push(begin() + row);
        row = '';
        rowWidth = 0;
      }
      if (at === editor.cursor) cursor = { row: lines.length, column: stringWidth(begin()) + rowWidth };
      row += grapheme;
      rowWidth += cells;
      at += grapheme.length;
      if (grapheme === '') break;
    }
    lines.push(begin() + row);
  }
  return { lines, cursor };
}
