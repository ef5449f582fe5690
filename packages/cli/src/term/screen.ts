import { stringWidth } from './text.ts';

/** Where text is written: a terminal. */
export interface Output {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

export interface LiveView {
  /** Lines at the bottom of the screen that are drawn again and again; none wider than the screen. */
  lines: string[];
  /** Where the cursor stands: line and column in `lines`. Hidden when undefined. */
  cursor: { row: number; column: number } | undefined;
}

export interface Screen {
  /** Writes lines for good, above the live view: they scroll away like ordinary output. */
  print(lines: readonly string[]): void;
  /** Replaces the live view. */
  draw(view: LiveView): void;
  /** Removes the live view and gives the cursor back. */
  close(): void;
  readonly columns: number;
  readonly rows: number;
}

/** Synchronized output: a terminal that knows it shows all of a redraw at once, without flicker. */
const BEGIN = '\x1b[?2026h';
const END = '\x1b[?2026l';
const SHOW_CURSOR = '\x1b[?25h';
const HIDE_CURSOR = '\x1b[?25l';

/**
 * A terminal without full-screen mode: finished output goes to the scrollback once, and a few live lines below
 * it are redrawn in place. Scrolling, selecting and searching stay the terminal's own.
 */
export function createScreen(output: Output): Screen {
  let live: LiveView = { lines: [], cursor: undefined };
  let drawnWidth = 0;
  let pending: string[] = [];

  const columns = (): number => output.columns || 80;
  const rows = (): number => output.rows || 24;

  /** Goes to the first cell of the live view and clears from there. */
  const erase = (): string => {
    if (live.lines.length === 0) return '';
    const cursorRow = live.cursor?.row ?? live.lines.length - 1;
    // A narrowed terminal has broken our lines into more rows than we wrote.
    const wrapped = columns() < drawnWidth ? columns() : undefined;
    let up = 0;
    for (let row = 0; row < cursorRow; row += 1) up += rowsOf(live.lines[row] ?? '', wrapped);
    if (wrapped !== undefined) up += Math.floor((live.cursor?.column ?? 0) / wrapped);
    return `\r${up > 0 ? `\x1b[${up}A` : ''}\x1b[J`;
  };

  const write = (view: LiveView): void => {
    let text = BEGIN + HIDE_CURSOR + erase();
    for (const line of pending) text += `${line}\x1b[K\r\n`;
    pending = [];
    const lines = view.lines.slice(-(rows() - 1));
    const cut = view.lines.length - lines.length;
    text += lines.join('\r\n');
    const cursor =
      view.cursor === undefined || view.cursor.row < cut
        ? undefined
        : { row: view.cursor.row - cut, column: view.cursor.column };
    if (cursor) {
      const up = lines.length - 1 - cursor.row;
      text += `\r${up > 0 ? `\x1b[${up}A` : ''}${cursor.column > 0 ? `\x1b[${cursor.column}C` : ''}${SHOW_CURSOR}`;
    }
    output.write(text + END);
    live = { lines, cursor };
    drawnWidth = columns();
  };

  return {
    get columns() {
      return columns();
    },
    get rows() {
      return rows();
    },
    print(lines) {
      pending.push(...lines);
    },
    draw(view) {
      const same =
        pending.length === 0 &&
        drawnWidth === columns() &&
        view.lines.length === live.lines.length &&
        view.lines.every((line, row) => line === live.lines[row]) &&
        view.cursor?.row === live.cursor?.row &&
        view.cursor?.column === live.cursor?.column;
      if (!same) write(view);
    },
    close() {
      write({ lines: [], cursor: undefined });
      output.write(SHOW_CURSOR);
      live = { lines: [], cursor: undefined };
    },
  };
}

function rowsOf(line: string, columns: number | undefined): number {
  if (columns === undefined) return 1;
  return Math.max(1, Math.ceil(stringWidth(line) / columns));
}
