import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What was typed before, over all runs of the program. */
export interface History {
  add(text: string): void;
  /** The entry before the one that is shown; `draft` is kept for the way back. */
  older(draft: string): string | undefined;
  newer(draft: string): string | undefined;
}

const MOST = 1000;

/**
 * Keeps the history in a file, one JSON string a line, readable by its owner only. Read when first needed, not at
 * the start. A file that cannot be read or written costs the history, nothing else.
 */
export function createHistory(file: string): History {
  let entries: string[] | undefined;
  let at = 0;
  let draft = '';

  const load = (): string[] => {
    if (entries) return entries;
    entries = readEntries(file);
    at = entries.length;
    return entries;
  };

  return {
    add(text) {
      const known = load();
      if (known.at(-1) !== text) {
        known.push(text);
        write(file, known);
      }
      at = known.length;
    },
    older(current) {
      const known = load();
      if (at === 0) return undefined;
      if (at === known.length) draft = current;
      at -= 1;
      return known[at];
    },
    newer() {
      const known = load();
      if (at >= known.length) return undefined;
      at += 1;
      return at === known.length ? draft : known[at];
    },
  };
}

function readEntries(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const entry: unknown = line === '' ? undefined : JSON.parse(line);
        return typeof entry === 'string' ? [entry] : [];
      })
      .slice(-MOST);
  } catch {
    return [];
  }
}

/** Appends; every 200 entries the file is rewritten, so that it does not grow without end. */
function write(file: string, entries: readonly string[]): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    if (entries.length > MOST + 200) {
      const kept = entries.slice(-MOST).map((entry) => `${JSON.stringify(entry)}\n`);
      writeFileSync(file, kept.join(''), { mode: 0o600 });
    } else {
      appendFileSync(file, `${JSON.stringify(entries.at(-1))}\n`, { mode: 0o600 });
    }
  } catch {
    // A read-only home folder must not stop the chat.
  }
}
