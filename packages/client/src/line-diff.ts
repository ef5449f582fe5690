/** Changes of files, line by line, as the tools of the agent make them. */

/** One line of a change. `old` and `new` are its numbers on the sides where it stands. */
export interface DiffLine {
  sign: ' ' | '+' | '-';
  old: number | undefined;
  new: number | undefined;
  text: string;
}

/** Part of a file that changed. */
export interface Hunk<Line extends DiffLine = DiffLine> {
  lines: readonly Line[];
}

interface PatchHunk {
  oldStart: number;
  newStart: number;
  lines: string[];
}

/** `structuredPatch` of the library `diff`, which this package does not load. */
type StructuredPatch = (
  oldName: string,
  newName: string,
  before: string,
  after: string,
  oldHeader: string,
  newHeader: string,
  options: { context: number; maxEditLength: number },
) => { hunks: PatchHunk[] } | undefined;

/** Lines around a change that are shown with it. */
const CONTEXT = 3;
/** Texts that differ by more lines are shown as removed and added: comparing took 60 ms at twice as many. */
const MAX_CHANGES = 500;

/** Compares two texts line by line. */
export function textHunks(
  structuredPatch: StructuredPatch,
  before: string,
  after: string,
  context: number = CONTEXT,
): Hunk[] {
  const [from, to] = [withLineEnd(before), withLineEnd(after)];
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

/** The patch that the Edit and Write tools give with their result; undefined when there is none. */
export function patchHunks(details: unknown): Hunk[] | undefined {
  if (typeof details !== 'object' || details === null || !('structuredPatch' in details)) return undefined;
  const { structuredPatch: hunks } = details;
  if (!Array.isArray(hunks) || hunks.length === 0) return undefined;
  return hunks.map((part: unknown) => readHunk(part as Partial<PatchHunk>));
}

function readHunk({ oldStart = 1, newStart = 1, lines = [] }: Partial<PatchHunk>): Hunk {
  let [oldLine, newLine] = [oldStart, newStart];
  return {
    lines: lines.flatMap((line): DiffLine[] => {
      const text = line.slice(1);
      if (line.startsWith('-')) return [{ sign: '-', old: oldLine++, new: undefined, text }];
      if (line.startsWith('+')) return [{ sign: '+', old: undefined, new: newLine++, text }];
      // "\ No newline at end of file"
      return line.startsWith(' ') ? [{ sign: ' ', old: oldLine++, new: newLine++, text }] : [];
    }),
  };
}

/** A call of a tool that changes a file, and the details of its result. */
interface Change {
  name: string;
  input: Readonly<Record<string, unknown>>;
  details: unknown;
}

/**
 * The change that a call makes to a file: from its result when there is one, else from its input.
 * @param compare compares two texts
 * @returns undefined for a call that changes no file
 */
export function changeHunks(
  { name, input, details }: Change,
  compare: (before: string, after: string) => Hunk[],
): Hunk[] | undefined {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const edit = (value: unknown): Hunk[] => {
    const { old_string: before, new_string: after } = (value ?? {}) as Record<string, unknown>;
    return compare(text(before), text(after));
  };
  const patch = patchHunks(details);
  if (patch) return patch;
  switch (name) {
    case 'Edit':
      return edit(input);
    case 'MultiEdit':
      return Array.isArray(input.edits) ? input.edits.flatMap(edit) : undefined;
    case 'Write':
      return compare('', text(input.content));
    case 'NotebookEdit':
      return compare('', text(input.new_source));
    default:
      return undefined;
  }
}

/** How many lines were added and removed. */
export function countLines(hunks: readonly Hunk[]): { added: number; removed: number } {
  const count = (sign: DiffLine['sign']): number =>
    hunks.reduce((sum, { lines }) => sum + lines.filter((line) => line.sign === sign).length, 0);
  return { added: count('+'), removed: count('-') };
}
