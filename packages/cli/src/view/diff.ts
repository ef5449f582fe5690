/** One line of a diff: kept, added or removed, with its number on its own side. */
export interface DiffLine {
  sign: ' ' | '+' | '-';
  number: number;
  text: string;
}

/** Part of a file that changed. */
export interface Hunk {
  lines: DiffLine[];
}

/** Above this many cells the comparison table costs more than it tells. */
const MAX_TABLE = 1_000_000;

/** Compares two texts line by line (longest common subsequence). */
export function diffLines(before: string, after: string, firstLine = 1): DiffLine[] {
  const a = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const b = after === '' ? [] : after.replace(/\n$/, '').split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  ) {
    tail += 1;
  }
  const out: DiffLine[] = [];
  let oldLine = firstLine;
  let newLine = firstLine;
  const push = (sign: DiffLine['sign'], text: string): void => {
    out.push({ sign, number: sign === '-' ? oldLine : newLine, text });
    if (sign !== '+') oldLine += 1;
    if (sign !== '-') newLine += 1;
  };
  for (const line of a.slice(0, head)) push(' ', line);
  const middleA = a.slice(head, a.length - tail);
  const middleB = b.slice(head, b.length - tail);
  for (const { sign, text } of compare(middleA, middleB)) push(sign, text);
  for (const line of a.slice(a.length - tail)) push(' ', line);
  return out;
}

function compare(a: readonly string[], b: readonly string[]): { sign: DiffLine['sign']; text: string }[] {
  const removed = a.map((text) => ({ sign: '-' as const, text }));
  const added = b.map((text) => ({ sign: '+' as const, text }));
  if (a.length === 0 || b.length === 0 || a.length * b.length > MAX_TABLE) return [...removed, ...added];
  const width = b.length + 1;
  // common[i * width + j]: how many lines a[i..] and b[j..] have in common.
  const common = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const out: { sign: DiffLine['sign']; text: string }[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ sign: ' ', text: a[i] ?? '' });
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      out.push({ sign: '-', text: a[i] ?? '' });
      i += 1;
    } else {
      out.push({ sign: '+', text: b[j] ?? '' });
      j += 1;
    }
  }
  return out;
}

/** Keeps the changed lines and `context` lines around them; each stretch is a hunk. */
export function hunksOf(lines: readonly DiffLine[], context = 3): Hunk[] {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - context), index + context + 1).some((line) => line.sign !== ' '),
  );
  const hunks: Hunk[] = [];
  for (const [index, line] of lines.entries()) {
    if (!near[index]) continue;
    if (!near[index - 1]) hunks.push({ lines: [] });
    hunks.at(-1)?.lines.push(line);
  }
  return hunks;
}

/** The patch that the Edit and Write tools give with their result. */
export function hunksOfPatch(details: unknown): Hunk[] | undefined {
  if (typeof details !== 'object' || details === null || !('structuredPatch' in details)) return undefined;
  const { structuredPatch } = details;
  if (!Array.isArray(structuredPatch) || structuredPatch.length === 0) return undefined;
  return structuredPatch.map((part: unknown) => {
    const {
      oldStart = 1,
      newStart = 1,
      lines = [],
    } = part as {
      oldStart?: number;
      newStart?: number;
      lines?: string[];
    };
    let oldLine = oldStart;
    let newLine = newStart;
    return {
      lines: lines.flatMap((line): DiffLine[] => {
        const text = line.slice(1);
        if (line.startsWith('-')) return [{ sign: '-', number: oldLine++, text }];
        if (line.startsWith('+')) return [{ sign: '+', number: newLine++, text }];
        if (!line.startsWith(' ')) return [];
        oldLine += 1;
        return [{ sign: ' ', number: newLine++, text }];
      }),
    };
  });
}
