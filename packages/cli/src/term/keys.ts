import { emitKeypressEvents, type Interface } from 'node:readline';
import type { ReadStream } from 'node:tty';

/** One key press, or one paste as a whole. */
export interface Key {
  /** `enter`, `up`, `backspace`, a letter with ctrl or alt; empty for text. */
  name: string;
  ctrl: boolean;
  alt: boolean;
  shift: boolean;
  /** What it inserts, when it inserts something. */
  text: string;
  paste: boolean;
}

interface Keypress {
  name?: string;
  ctrl?: boolean;
  meta?: boolean;
  shift?: boolean;
  sequence?: string;
}

/**
 * A lone Escape waits for what could make it a longer sequence. Node's half a second swallows the key that a person
 * presses next (as Alt and that key); what a terminal sends in one go is there within milliseconds.
 */
const DECODER = { escapeCodeTimeout: 50 } as unknown as Interface;

const BRACKETED_PASTE = { on: '\x1b[?2004h', off: '\x1b[?2004l' };

/** Reads keys from a terminal in raw mode. Returns a function that gives the terminal back. */
export function readKeys(
  input: ReadStream,
  output: { write(text: string): unknown },
  onKey: (key: Key) => void,
): () => void {
  let pasted: string | undefined;
  let chunks = 0;
  const onData = (): void => {
    chunks += 1;
  };

  const onKeypress = (text: string | undefined, press: Keypress): void => {
    if (press.name === 'paste-start') {
      pasted = '';
    } else if (press.name === 'paste-end') {
      const whole = (pasted ?? '').replace(/\r\n?/g, '\n');
      pasted = undefined;
      if (whole !== '')
        onKey({ name: 'paste', ctrl: false, alt: false, shift: false, text: whole, paste: true });
    } else if (pasted !== undefined) {
      pasted += press.sequence ?? text ?? '';
    } else if (chunks === 1 && press.name === 'enter') {
      // Typed before the program was ready: the terminal itself still took the lines and ended each with a line
      // feed, as an Enter. All of that is the first chunk that is read.
      onKey(toKey('\r', { ...press, name: 'return' }));
    } else {
      onKey(toKey(text, press));
    }
  };

  // Before the decoder's own listener: a chunk is counted before its keys.
  input.on('data', onData);
  emitKeypressEvents(input, DECODER);
  input.setRawMode(true);
  input.resume();
  input.on('keypress', onKeypress);
  output.write(BRACKETED_PASTE.on);
  return () => {
    input.off('data', onData);
    input.off('keypress', onKeypress);
    output.write(BRACKETED_PASTE.off);
    input.setRawMode(false);
    input.pause();
  };
}

const RENAMED: Record<string, string> = { return: 'enter', enter: 'newline', del: 'delete' };

/** Terminals that report modified Enter send it as CSI 13;<n>u or CSI 27;<n>;13~. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence
const MODIFIED_ENTER = /^\x1b\[(?:13;(\d+)u|27;(\d+);13~)$/;

/** Node's name for a key press, in ours. */
export function toKey(text: string | undefined, press: Keypress): Key {
  const ctrl = press.ctrl ?? false;
  const alt = press.meta ?? false;
  const shift = press.shift ?? false;
  if (MODIFIED_ENTER.test(press.sequence ?? '')) {
    return { name: 'newline', ctrl: false, alt: false, shift: false, text: '', paste: false };
  }
  const name = press.name ?? '';
  // Ctrl-J is a line feed, Alt-Enter an escaped Enter: both are how a terminal can say "new line".
  if ((name === 'return' && alt) || name === 'enter') {
    return { name: 'newline', ctrl: false, alt: false, shift: false, text: '', paste: false };
  }
  const printable = text !== undefined && !ctrl && !alt && isPrintable(text) ? text : '';
  return { name: RENAMED[name] ?? (printable ? '' : name), ctrl, alt, shift, text: printable, paste: false };
}

function isPrintable(text: string): boolean {
  const code = text.codePointAt(0) ?? 0;
  return text !== '' && code >= 0x20 && code !== 0x7f;
}
