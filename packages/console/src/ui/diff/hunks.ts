import { changeHunks, type DiffLine, textHunks, type Hunk as UnmarkedHunk } from 'claude-agent-client';
import { diffWordsWithSpace, structuredPatch } from 'diff';

/** A line with what changed within it: from and to, in characters. */
export interface MarkedLine extends DiffLine {
  marks: readonly (readonly [from: number, to: number])[];
}
export type Hunk = UnmarkedHunk<MarkedLine>;

/** Longer lines get no marks of words. */
const MAX_MARKED = 1_000;

/** Compares two texts line by line. */
export const diffHunks = (before: string, after: string): Hunk[] =>
  textHunks(structuredPatch, before, after).map(marked);

/** The change that a call makes to a file; empty for one that changes none. */
export const hunksOfCall = (
  name: string,
  input: Readonly<Record<string, unknown>>,
  details: unknown,
): Hunk[] =>
  (
    changeHunks({ name, input, details }, (before, after) => textHunks(structuredPatch, before, after)) ?? []
  ).map(marked);

const marked = ({ lines }: UnmarkedHunk): Hunk => ({
  lines: markWords(lines.map((line) => ({ ...line, marks: [] }))),
});

/** Marks what changed within lines: where as many were removed as added, they belong together. */
function markWords(lines: readonly MarkedLine[]): MarkedLine[] {
  const marked = [...lines];
  for (const { start, removed, added } of runs(lines)) {
    if (removed !== added) continue;
    for (let n = 0; n < removed; n += 1) {
      const [before, after] = [marked[start + n], marked[start + removed + n]];
      if (!before || !after || Math.max(before.text.length, after.text.length) > MAX_MARKED) continue;
      const [old, now] = wordMarks(before.text, after.text);
      marked[start + n] = { ...before, marks: old };
      marked[start + removed + n] = { ...after, marks: now };
    }
  }
  return marked;
}

interface Run {
  start: number;
  removed: number;
  added: number;
}

/** Runs of removed lines with the added ones that follow them. */
function runs(lines: readonly DiffLine[]): Run[] {
  const found: Run[] = [];
  for (let at = 0; at < lines.length; ) {
    const start = at;
    while (lines[at]?.sign === '-') at += 1;
    const removed = at - start;
    while (lines[at]?.sign === '+') at += 1;
    const added = at - start - removed;
    if (removed + added > 0) found.push({ start, removed, added });
    else at += 1;
  }
  return found;
}

type Marks = [number, number][];

function wordMarks(before: string, after: string): [Marks, Marks] {
  const [old, now]: [Marks, Marks] = [[], []];
  let [oldAt, newAt, same] = [0, 0, 0];
  for (const { value, added, removed } of diffWordsWithSpace(before, after)) {
    if (removed) old.push([oldAt, oldAt + value.length]);
    else if (added) now.push([newAt, newAt + value.length]);
    else if (value.trim() !== '') same += value.length;
    if (!added) oldAt += value.length;
    if (!removed) newAt += value.length;
  }
  // Lines that share little were not changed but replaced: marks would cover them whole.
  return same * 3 < Math.min(before.length, after.length) ? [[], []] : [old, now];
}

/** A row of the view with two sides. */
export interface SplitRow {
  left: MarkedLine | undefined;
  right: MarkedLine | undefined;
}

/** The lines of a hunk side by side. */
export function splitRows({ lines }: Hunk): SplitRow[] {
  const rows: SplitRow[] = [];
  let at = 0;
  for (const { start, removed, added } of [...runs(lines), { start: lines.length, removed: 0, added: 0 }]) {
    for (; at < start; at += 1) rows.push({ left: lines[at], right: lines[at] });
    for (let n = 0; n < Math.max(removed, added); n += 1) {
      rows.push({
        left: n < removed ? lines[start + n] : undefined,
        right: n < added ? lines[start + removed + n] : undefined,
      });
    }
    at = start + removed + added;
  }
  return rows;
}
