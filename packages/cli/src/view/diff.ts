import { lazily } from '../lazily.ts';

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

const library = lazily<typeof import('diff')>('diff');

/** Lines around a change that are shown with it. */
const CONTEXT = 3;
/** Texts that differ by more lines are shown as removed and added: comparing took 60 ms at twice as many. */
const MAX_CHANGES = 500;

/** Compares two texts line by line. */
export function diffHunks(before: string, after: string, context = CONTEXT): Hunk[] {
  const [from, to] = [withLineEnd(before), withLineEnd(after)];
  const { structuredPatch } = library();
  const patch = structuredPatch('', '', from, to, '', '', { context, maxEditLength: MAX_CHANGES });
  if (patch) return patch.hunks.map(readHunk);
  const lines = (text: string, sign: '-' | '+'): string[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => sign + line);
  return [readHunk({ oldStart: 1, newStart: 1, lines: [...lines(from, '-'), ...lines(to, '+')] })];
}

/** A missing line feed at the end is not worth a line of its own. */
const withLineEnd = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

/** The patch that the Edit and Write tools give with their result. */
export function hunksOfPatch(details: unknown): Hunk[] | undefined {
  if (typeof details !== 'object' || details === null || !('structuredPatch' in details)) return undefined;
  const { structuredPatch } = details;
  if (!Array.isArray(structuredPatch) || structuredPatch.length === 0) return undefined;
  return structuredPatch.map((part: unknown) => readHunk(part as Partial<PatchHunk>));
}

interface PatchHunk {
  oldStart: number;
  newStart: number;
  lines: string[];
}

function readHunk({ oldStart = 1, newStart = 1, lines = [] }: Partial<PatchHunk>): Hunk {
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
}
