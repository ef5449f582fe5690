import type { Key } from '../term/keys.ts';

/** Ctrl-C twice within this time leaves. */
const TWICE_MS = 2000;

export interface StopKeysDeps {
  isTurnRunning(): boolean;
  hasBackgroundTasks(): boolean;
  interrupt(): void;
  leave(): void;
  onChange(): void;
}

/** The keys that stop something: Ctrl-C and Escape the turn, Ctrl-C twice and Ctrl-D the program. */
export interface StopKeys {
  press(key: Key): void;
  /** Shown below the input after the first Ctrl-C; empty otherwise. */
  readonly hint: string;
  clearHint(): void;
}

export function createStopKeys(deps: StopKeysDeps): StopKeys {
  let lastCtrlC = Number.NEGATIVE_INFINITY;
  let hint = '';

  const ctrlC = (): void => {
    const now = performance.now();
    if (now - lastCtrlC < TWICE_MS) deps.leave();
    lastCtrlC = now;
    const isRunning = deps.isTurnRunning();
    const isBackground = !isRunning && deps.hasBackgroundTasks();
    hint = `Press Ctrl-C again to leave${isBackground ? '; /tasks shows and stops what runs in the background' : ''}`;
    setTimeout(() => {
      hint = '';
      deps.onChange();
    }, TWICE_MS).unref();
    if (isRunning) deps.interrupt();
  };

  return {
    get hint() {
      return hint;
    },
    clearHint() {
      hint = '';
    },
    press(key) {
      if (key.ctrl && key.name === 'd') deps.leave();
      else if (key.ctrl && key.name === 'c') ctrlC();
      else if (key.name === 'escape' && deps.isTurnRunning()) deps.interrupt();
    },
  };
}
