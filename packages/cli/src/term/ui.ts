import type { ReadStream, WriteStream } from 'node:tty';
import { type Key, readKeys } from './keys.ts';
import { createPanelKeys, type OpenPanel } from './panel-keys.ts';
import type { Panel } from './panels.ts';
import type { Prompt } from './prompt.ts';
import { createScreen, type LiveView } from './screen.ts';
import type { Paint } from './style.ts';
import { oneLine, truncate } from './text.ts';

export interface UiDeps {
  stdin: ReadStream;
  stdout: WriteStream;
  paint: Paint;
  prompt: Prompt;
  /** What goes on, above the input. */
  above(width: number, height: number): string[];
  /** Below the input. */
  below(width: number): string[];
  placeholder(): string;
  onSubmit(text: string): void;
  /** Keys that neither the prompt nor a panel took. */
  onKey(key: Key): void;
}

export interface Ui {
  /** Writes lines to the scrollback. */
  print(lines: readonly string[]): void;
  /** Shows the current state soon; many calls are one redraw. */
  refresh(): void;
  /** Asks something in the input's place; panels wait for each other. Undefined: cancelled, or the signal fired. */
  open<T>(panel: Panel<T>, signal?: AbortSignal): Promise<T | undefined>;
  readonly width: number;
  /** True while a panel is open. */
  readonly busy: boolean;
  start(): void;
  close(): void;
}

/** 30 frames a second are as many as anyone can see, and leave the processor alone. */
const FRAME_MS = 33;
export function createUi(deps: UiDeps): Ui {
  const { stdin, stdout, paint, prompt } = deps;
  const screen = createScreen(stdout);
  const panels: OpenPanel[] = [];
  const panelKeys = createPanelKeys();
  let timer: NodeJS.Timeout | undefined;
  let lastDraw = 0;
  let release: (() => void) | undefined;
  let running = false;

  const draw = (): void => {
    timer = undefined;
    if (!running) return;
    lastDraw = performance.now();
    const panel = panels[0];
    // The guard starts when the panel can be seen, not when it was asked for.
    if (panel && panel.shownAt === 0) panel.shownAt = lastDraw;
    screen.draw(compose(screen.columns, screen.rows));
  };

  const compose = (width: number, height: number): LiveView => {
    const input = inputView(width, height);
    const below = [...input.menu, ...deps.below(width)];
    const above = deps.above(width, Math.max(0, height - input.lines.length - below.length - 1));
    const cursor = input.cursor && { row: above.length + input.cursor.row, column: input.cursor.column };
    return { lines: [...above, ...input.lines, ...below].map((line) => truncate(line, width)), cursor };
  };

  const inputView = (width: number, height: number) => {
    const rule = paint.dim('─'.repeat(width));
    const open = panels[0];
    if (open) {
      const view = open.panel.render(width, height - 4);
      const cursor = view.cursor && { row: view.cursor.row + 1, column: view.cursor.column };
      // What was being written when the panel came up is kept, and can be seen.
      const draft = oneLine(prompt.text).slice(-Math.max(10, width - 20));
      const menu = draft === '' ? [] : [paint.dim(`  your message: ${draft}`)];
      return { lines: [rule, ...view.lines, rule], cursor, menu };
    }
    const view = prompt.render(width, `${paint.cyan('>')} `, deps.placeholder());
    // A long text must leave room for what happens above it: show the part around the cursor.
    const room = Math.max(3, Math.floor(height / 2));
    const first = Math.max(0, Math.min(view.cursor.row - room + 2, view.lines.length - room));
    const lines = view.lines.slice(first, first + room);
    const cursor = { row: view.cursor.row - first + 1, column: view.cursor.column };
    return { lines: [rule, ...lines, rule], cursor, menu: view.menu };
  };

  const refresh = (): void => {
    if (timer !== undefined || !running) return;
    timer = setTimeout(draw, Math.max(0, FRAME_MS - (performance.now() - lastDraw)));
  };

  const onKey = (key: Key): void => {
    const open = panels[0];
    const instead = open?.panel.message?.(key);
    if (instead) open?.settle(instead.done);
    if (instead || !panelKeys.take(key, open)) {
      const outcome = prompt.key(key);
      if (outcome !== false) panelKeys.typed(outcome !== true);
      if (outcome === false) deps.onKey(key);
      else if (outcome !== true) deps.onSubmit(outcome.submit);
    }
    refresh();
  };

  return {
    get width() {
      return screen.columns;
    },
    get busy() {
      return panels.length > 0;
    },
    print(lines) {
      screen.print(lines);
      refresh();
    },
    refresh,
    open(panel, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve(undefined);
        const entry: OpenPanel = {
          panel: panel as Panel<unknown>,
          shownAt: 0,
          settle(value) {
            // Answered elsewhere while a letter was still held: it is gone already, and the next one is not meant.
            const at = panels.indexOf(entry);
            if (at === -1) return;
            signal?.removeEventListener('abort', onAbort);
            panels.splice(at, 1);
            resolve(value as never);
            refresh();
          },
        };
        const onAbort = (): void => entry.settle(undefined);
        signal?.addEventListener('abort', onAbort, { once: true });
        panels.push(entry);
        refresh();
      });
    },
    start() {
      running = true;
      release = readKeys(stdin, stdout, onKey);
      stdout.on('resize', refresh);
      draw();
    },
    close() {
      if (!running) return;
      clearTimeout(timer);
      running = false;
      panelKeys.close();
      stdout.off('resize', refresh);
      screen.close();
      release?.();
    },
  };
}
