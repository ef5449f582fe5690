import type { ReadStream, WriteStream } from 'node:tty';
import { type Key, readKeys } from './keys.ts';
import type { Panel } from './panels.ts';
import type { Prompt } from './prompt.ts';
import { createScreen, type LiveView } from './screen.ts';
import type { Paint } from './style.ts';
import { truncate } from './text.ts';

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

interface OpenPanel {
  panel: Panel<unknown>;
  /** When it came up: keys meant for the input must not answer it. */
  shownAt: number;
  settle(value: unknown): void;
}

/** 30 frames a second are as many as anyone can see, and leave the processor alone. */
const FRAME_MS = 33;
/** Who is typing when a panel comes up has this long to notice. */
const GUARD_MS = 700;
const SWALLOW_MS = 800;

export function createUi(deps: UiDeps): Ui {
  const { stdin, stdout, paint, prompt } = deps;
  const screen = createScreen(stdout);
  const panels: OpenPanel[] = [];
  let timer: NodeJS.Timeout | undefined;
  let lastDraw = 0;
  let lastTyped = 0;
  let release: (() => void) | undefined;
  /** What may still come of a word whose first letter was the answer. */
  let swallow: { rest: string; until: number } | undefined;
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
      return { lines: [rule, ...view.lines, rule], cursor, menu: [] };
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

  const isRestOfAnswer = (key: Key, now: number): boolean => {
    if (!swallow || now > swallow.until) return false;
    if (key.name === 'enter') {
      swallow = undefined;
      return true;
    }
    const isNext = key.text !== '' && swallow.rest.startsWith(key.text.toLowerCase());
    swallow = isNext ? { ...swallow, rest: swallow.rest.slice(1) } : undefined;
    return isNext;
  };

  const onKey = (key: Key): void => {
    const now = performance.now();
    if (isRestOfAnswer(key, now)) return;
    const open = panels[0];
    if (open) {
      const isGuarded = lastTyped > 0 && open.shownAt - lastTyped < GUARD_MS && now - open.shownAt < GUARD_MS;
      const isLeaving = key.ctrl && key.name === 'c';
      if (open.shownAt > 0 && (!isGuarded || isLeaving)) {
        const outcome = open.panel.key(key);
        if (outcome) {
          if (outcome.rest !== undefined) swallow = { rest: outcome.rest, until: now + SWALLOW_MS };
          open.settle(outcome.done);
        }
      }
      refresh();
      return;
    }
    const outcome = prompt.key(key);
    lastTyped = outcome === true ? now : 0;
    if (outcome === false) deps.onKey(key);
    else if (outcome !== true) deps.onSubmit(outcome.submit);
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
            signal?.removeEventListener('abort', onAbort);
            panels.splice(panels.indexOf(entry), 1);
            lastTyped = 0;
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
      stdout.off('resize', refresh);
      screen.close();
      release?.();
    },
  };
}
