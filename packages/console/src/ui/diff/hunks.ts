import { diffWordsWithSpace, structuredPatch } from 'diff';

/** One line of a change. `old` and `new` are its numbers on the sides where it stands. */
export interface DiffLine {
  sign: ' ' | '+' | '-';
  old: number | undefined;
  new: number | undefined;
  text: string;
  /** What changed within the line: from and to, in characters. */
  marks: readonly (readonly [from: number, to: number])[];
}

/** Part of a file that changed. */
export interface Hunk {
  lines: readonly DiffLine[];
}

/** Lines around a change that are shown with it. */
const CONTEXT = 3;
/** Texts that differ by more lines are shown as removed and added: comparing took 60 ms at twice as many. */
const MAX_CHANGES = 500;
/** Longer lines get no marks of words. */
const MAX_MARKED = 1_000;

/** Compares two texts line by line. */
export function diffHunks(before: string, after: string): Hunk[] {
  const [from, to] = [withLineEnd(before), withLineEnd(after)];
  const patch = structuredPatch('', '', from, to, '', '', { context: CONTEXT, maxEditLength: MAX_CHANGES });
  if (patch) return patch.hunks.map(readHunk);
  const lines = (text: string, sign: string): string[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => sign + line);
  return [readHunk({ oldStart: 1, newStart: 1, lines: [...lines(from, '-'), ...lines(to, '+')] })];
}

/** A missing line feed at the end is not worth a line of its own. */
const withLineEnd = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

interface PatchHunk {
  oldStart: number;
  newStart: number;
  lines: string[];
}

/** The patch that the Edit and Write tools give with their result; undefined when there is none. */
export function patchHunks(details: unknown): Hunk[] | undefined {
  if (typeof details !== 'object' || details === null || !('structuredPatch' in details)) return undefined;
  const { structuredPatch: hunks } = details;
  if (!Array.isArray(hunks) || hunks.length === 0) return undefined;
  return hunks.map((part: unknown) => readHunk(part as Partial<PatchHunk>));
}

function readHunk({ oldStart = 1, newStart = 1, lines = [] }: Partial<PatchHunk>): Hunk {
  let [oldLine, newLine] = [oldStart, newStart];
  const read = lines.flatMap((line): DiffLine[] => {
    const text = line.slice(1);
    const none = { text, old: undefined, new: undefined, marks: [] };
    if (line.startsWith('-')) return [{ ...none, sign: '-', old: oldLine++ }];
    if (line.startsWith('+')) return [{ ...none, sign: '+', new: newLine++ }];
    // "\ No newline at end of file"
    return line.startsWith(' ') ? [{ ...none, sign: ' ', old: oldLine++, new: newLine++ }] : [];
  });
  return { lines: markWords(read) };
}

/** Marks what changed within lines: where as many were removed as added, they belong together. */
function markWords(lines: DiffLine[]): DiffLine[] {
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
  left: DiffLine | undefined;
  right: DiffLine | undefined;
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

/** How many lines were added and removed. */
export function countLines(hunks: readonly Hunk[]): { added: number; removed: number } {
  const lines = hunks.flatMap((hunk) => hunk.lines);
  const count = (sign: string): number => lines.filter((line) => line.sign === sign).length;
  return { added: count('+'), removed: count('-') };
}
