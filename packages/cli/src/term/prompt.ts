import { type Editor, edit, editorWith, emptyEditor, insert, layout, replaceBefore } from './editor.ts';
import type { History } from './history.ts';
import type { Key } from './keys.ts';
import type { Paint } from './style.ts';
import { oneLine, stringWidth, truncate } from './text.ts';

export interface Completion {
  /** Where in the text the completed word begins. */
  from: number;
  options: readonly CompletionOption[];
  /** Enter takes the chosen option and sends the line at once (a command without arguments). */
  submits: boolean;
}

export interface CompletionOption {
  value: string;
  hint: string;
}

/** Offers what may stand at the cursor. Called at every change; an answer that comes too late is dropped. */
export type Completer = (text: string, cursor: number) => Promise<Completion | undefined>;

export interface PromptView {
  lines: string[];
  cursor: { row: number; column: number };
  /** Shown below the input. */
  menu: string[];
}

export interface Prompt {
  /** What the key did: a submitted text, `true` when it was the prompt's, `false` when somebody else may have it. */
  key(key: Key): { submit: string } | boolean;
  render(width: number, mark: string, placeholder: string): PromptView;
  readonly text: string;
  /** Replaces the text, as if it had been typed. */
  set(text: string): void;
}

/** A paste above one of these is shown as a placeholder, and put in when the message is sent. */
const LONG_PASTE = { lines: 8, characters: 800 };
const MENU_ROWS = 8;

export interface PromptDeps {
  paint: Paint;
  history: History;
  complete: Completer;
  onChange(): void;
}

/** The line (or lines) where the user writes: editing, history, completion and paste. */
export function createPrompt({ paint, history, complete, onChange }: PromptDeps): Prompt {
  let editor: Editor = emptyEditor;
  let menu: { completion: Completion; chosen: number } | undefined;
  let asked = 0;
  const pastes = new Map<string, string>();

  const change = (next: Editor): void => {
    const typed = next.text !== editor.text;
    editor = next;
    if (!typed) {
      menu = undefined;
      return;
    }
    asked += 1;
    const request = asked;
    void complete(editor.text, editor.cursor).then((completion) => {
      if (request !== asked) return;
      menu = completion && completion.options.length > 0 ? { completion, chosen: 0 } : undefined;
      onChange();
    });
  };

  /** Puts the chosen option into the text. */
  const accept = (): void => {
    const option = menu?.completion.options[menu.chosen];
    if (!menu || !option) return;
    editor = replaceBefore(editor, menu.completion.from, option.value);
    asked += 1;
    menu = undefined;
  };

  const paste = (text: string): void => {
    const lines = text.split('\n').length;
    if (lines <= LONG_PASTE.lines && text.length <= LONG_PASTE.characters) {
      change(insert(editor, text));
      return;
    }
    const size = lines > 1 ? `${lines} lines` : `${text.length} characters`;
    const mark = `[Pasted #${pastes.size + 1}: ${size}]`;
    pastes.set(mark, text);
    change(insert(editor, mark));
  };

  const submit = (): { submit: string } | boolean => {
    // A backslash at the end of the line asks for another line, in terminals that cannot send Shift-Enter.
    if (editor.text.slice(0, editor.cursor).endsWith('\\')) {
      change(replaceBefore(editor, editor.cursor - 1, '\n'));
      return true;
    }
    const text = [...pastes].reduce(
      (whole, [mark, paste]) => whole.replaceAll(mark, () => paste),
      editor.text,
    );
    if (text.trim() === '') return true;
    history.add(text);
    clear();
    return { submit: text };
  };

  const clear = (): void => {
    editor = { ...emptyEditor, killed: editor.killed };
    menu = undefined;
    asked += 1;
    pastes.clear();
  };

  const walk = (direction: 'older' | 'newer'): boolean => {
    const text = history[direction](editor.text);
    if (text === undefined) return false;
    editor = editorWith(text);
    menu = undefined;
    asked += 1;
    return true;
  };

  const menuKey = (key: Key): { submit: string } | boolean | undefined => {
    if (!menu) return undefined;
    const { completion, chosen } = menu;
    const size = completion.options.length;
    switch (key.name) {
      case 'up':
        menu = { completion, chosen: (chosen + size - 1) % size };
        return true;
      case 'down':
        menu = { completion, chosen: (chosen + 1) % size };
        return true;
      case 'tab':
        accept();
        return true;
      case 'escape':
        menu = undefined;
        return true;
      case 'enter': {
        const isTyped =
          editor.text.slice(completion.from, editor.cursor) === completion.options[chosen]?.value;
        accept();
        return completion.submits || isTyped ? submit() : true;
      }
      default:
        return undefined;
    }
  };

  return {
    get text() {
      return editor.text;
    },
    set(text) {
      clear();
      editor = editorWith(text);
    },
    key(key) {
      if (key.paste) {
        paste(key.text);
        return true;
      }
      const inMenu = menuKey(key);
      if (inMenu !== undefined) return inMenu;
      if (key.name === 'enter') return submit();
      if (key.ctrl && key.name === 'c') {
        if (editor.text === '') return false;
        clear();
        return true;
      }
      const next = edit(editor, key);
      if (next) {
        change(next);
        return true;
      }
      if (key.name === 'up' || (key.ctrl && key.name === 'p')) return walk('older');
      if (key.name === 'down' || (key.ctrl && key.name === 'n')) return walk('newer');
      return false;
    },
    render(width, mark, placeholder) {
      const view = layout(editor, width, mark, ' '.repeat(stringWidth(mark)));
      if (editor.text === '' && placeholder !== '') {
        view.lines = [truncate(mark + paint.dim(placeholder), width)];
      }
      return { ...view, menu: menu ? menuLines(menu.completion.options, menu.chosen, width, paint) : [] };
    },
  };
}

function menuLines(
  options: readonly CompletionOption[],
  chosen: number,
  width: number,
  paint: Paint,
): string[] {
  const first = Math.max(0, Math.min(chosen - MENU_ROWS + 2, options.length - MENU_ROWS));
  const shown = options.slice(first, first + MENU_ROWS);
  const column = Math.min(40, Math.max(...shown.map((option) => stringWidth(oneLine(option.value)))));
  return shown.map((option, index) => {
    const value = oneLine(option.value);
    const gap = ' '.repeat(Math.max(1, column - stringWidth(value) + 2));
    const line = truncate(`  ${value}${gap}${oneLine(option.hint)}`, width);
    return first + index === chosen ? paint.cyan(line) : paint.dim(line);
  });
}
