import { type Editor, edit, editorWith, layout } from './editor.ts';
import type { Key } from './keys.ts';
import type { Paint } from './style.ts';
import { oneLine, stringWidth, truncate, wrap } from './text.ts';

export interface PanelView {
  lines: string[];
  cursor: { row: number; column: number } | undefined;
}

/** Something that takes the input's place until it is answered. */
export interface Panel<T> {
  /** The letters that mean something here. Any other letter is taken for the beginning of a sentence. */
  letters?: string;
  /** Whether the key begins a message instead of answering: it then goes to the input, and `done` closes the panel. */
  message?(key: Key): { done: T | undefined } | undefined;
  render(width: number, height: number): PanelView;
  /**
   * `done` closes the panel; undefined means that it goes on. `rest` marks an answer of one letter, which counts only
   * when no sentence follows it: it is what may still come of its word, such as the `es` of `yes`.
   */
  key(key: Key): { done: T | undefined; rest?: string } | undefined;
}

export interface Choice<T> {
  value: T;
  label: string;
  hint?: string | undefined;
}

export interface ChooseOptions<T> {
  paint: Paint;
  /** Lines above the choices. */
  title: readonly string[];
  choices: readonly Choice<T>[];
  /** Typing narrows the choices down. */
  search?: boolean;
  /** Index of the choice that Enter takes. */
  initial?: number;
}

const isCancel = (key: Key): boolean =>
  key.name === 'escape' || (key.ctrl && (key.name === 'c' || key.name === 'd'));
const isUp = (key: Key): boolean => key.name === 'up' || (key.ctrl && key.name === 'p');
const isDown = (key: Key): boolean => key.name === 'down' || (key.ctrl && key.name === 'n');

/** One of several: arrows or the number, then Enter. Escape chooses nothing. */
export function choosePanel<T>(options: ChooseOptions<T>): Panel<T> {
  const { paint, choices } = options;
  let query = '';
  let chosen = options.initial ?? 0;

  const matching = (): Choice<T>[] => {
    const words = query.toLowerCase().split(/\s+/);
    return choices.filter(({ label, hint }) => {
      const text = `${label} ${hint ?? ''}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  };

  return {
    render(width, height) {
      const lines = options.title.flatMap((line) => wrap(line, width));
      let cursor: PanelView['cursor'];
      if (options.search) {
        const line = truncate(`Search: ${query}`, width);
        cursor = { row: lines.length, column: Math.min(stringWidth(line), width - 1) };
        lines.push(line);
      }
      const found = matching();
      const room = Math.max(3, Math.min(height - lines.length - 3, 12));
      const first = Math.max(0, Math.min(chosen - Math.floor(room / 2), found.length - room));
      for (const [index, choice] of found.slice(first, first + room).entries()) {
        const at = first + index;
        const number = options.search ? '' : `${at + 1}. `;
        const hint = choice.hint ? `  ${paint.dim(oneLine(choice.hint))}` : '';
        const line = `${at === chosen ? '❯' : ' '} ${number}${oneLine(choice.label)}${hint}`;
        lines.push(truncate(at === chosen ? paint.cyan(line) : line, width));
      }
      if (found.length === 0) lines.push(paint.dim('  nothing found'));
      if (found.length > room) lines.push(paint.dim(`  ${chosen + 1} of ${found.length}`));
      return { lines, cursor };
    },
    key(key) {
      if (isCancel(key)) return { done: undefined };
      const found = matching();
      if (isUp(key)) chosen = (chosen + found.length - 1) % Math.max(1, found.length);
      else if (isDown(key) || key.name === 'tab') chosen = (chosen + 1) % Math.max(1, found.length);
      else if (key.name === 'enter') {
        const choice = found[chosen];
        return choice ? { done: choice.value } : undefined;
      } else if (options.search && key.name === 'backspace') {
        query = query.slice(0, -1);
        chosen = 0;
      } else if (options.search && key.text !== '') {
        query += oneLine(key.text) || ' ';
        chosen = 0;
      } else if (!options.search && /^[1-9]$/.test(key.text)) {
        const choice = found[Number(key.text) - 1];
        if (choice) return { done: choice.value };
      }
      return undefined;
    },
  };
}

export interface CheckOptions<T> extends Omit<ChooseOptions<T>, 'search' | 'initial'> {}

/** Any number of several: Space (or the number) marks, Enter takes the marked ones. */
export function checkPanel<T>(options: CheckOptions<T>): Panel<T[]> {
  const { paint, choices } = options;
  const marked = new Set<number>();
  let at = 0;
  const toggle = (index: number): void => {
    if (index >= choices.length) return;
    if (!marked.delete(index)) marked.add(index);
  };
  return {
    render(width) {
      const lines = options.title.flatMap((line) => wrap(line, width));
      for (const [index, choice] of choices.entries()) {
        const hint = choice.hint ? `  ${paint.dim(oneLine(choice.hint))}` : '';
        const box = marked.has(index) ? '☑' : '☐';
        const line = `${index === at ? '❯' : ' '} ${index + 1}. ${box} ${oneLine(choice.label)}${hint}`;
        lines.push(truncate(index === at ? paint.cyan(line) : line, width));
      }
      lines.push(paint.dim('  Space marks, Enter sends'));
      return { lines, cursor: undefined };
    },
    key(key) {
      if (isCancel(key)) return { done: undefined };
      if (isUp(key)) at = (at + choices.length - 1) % choices.length;
      else if (isDown(key) || key.name === 'tab') at = (at + 1) % choices.length;
      else if (key.text === ' ') toggle(at);
      else if (/^[1-9]$/.test(key.text)) toggle(Number(key.text) - 1);
      else if (key.name === 'enter') {
        return { done: [...marked].sort((a, b) => a - b).flatMap((index) => choices[index]?.value ?? []) };
      }
      return undefined;
    },
  };
}

export interface AskOptions {
  title: readonly string[];
  label: string;
  initial?: string;
}

/** A line of text. Enter takes it, also an empty one; Escape takes nothing. */
export function askPanel({ title, label, initial = '' }: AskOptions): Panel<string> {
  let editor: Editor = editorWith(initial);
  return {
    render(width) {
      const lines = title.flatMap((line) => wrap(line, width));
      const view = layout(editor, width, `${label} `, '  ');
      const cursor = { row: lines.length + view.cursor.row, column: view.cursor.column };
      return { lines: [...lines, ...view.lines], cursor };
    },
    key(key) {
      if (isCancel(key)) return { done: undefined };
      if (key.name === 'enter') return { done: editor.text };
      editor = edit(editor, key) ?? editor;
      return undefined;
    },
  };
}
