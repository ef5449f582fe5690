import { expect, test } from 'vitest';
import { changeHunks, countLines, patchHunks, textHunks } from './line-diff.ts';

/** As the library does with texts that differ too much: what the two packages with that library test is the comparison. */
const compare = (before: string, after: string) => textHunks(() => undefined, before, after);

test('the patch of a comparison has its lines on both sides', () => {
  const patch = { hunks: [{ oldStart: 3, newStart: 3, lines: [' a', '-b', '+c', '+d', ' e'] }] };
  const [hunk] = textHunks(() => patch, '', '');
  expect(hunk?.lines.map(({ old, new: now, text }) => [old, now, text])).toEqual([
    [3, 3, 'a'],
    [4, undefined, 'b'],
    [undefined, 4, 'c'],
    [undefined, 5, 'd'],
    [5, 6, 'e'],
  ]);
});

test('reads the patch of a tool, without its note about the last line', () => {
  const details = {
    structuredPatch: [
      { oldStart: 4, newStart: 4, lines: ['-old', '\\ No newline at end of file', '+new', '+more'] },
    ],
  };
  const hunks = patchHunks(details);
  expect(hunks?.[0]?.lines.map(({ sign, old, new: now, text }) => [sign, old ?? now, text])).toEqual([
    ['-', 4, 'old'],
    ['+', 4, 'new'],
    ['+', 5, 'more'],
  ]);
  expect(countLines(hunks ?? [])).toEqual({ added: 2, removed: 1 });
  expect(patchHunks({ structuredPatch: [] })).toBeUndefined();
  expect(patchHunks('Error')).toBeUndefined();
});

test('texts that were not compared are shown as removed and added', () => {
  expect(compare('a\n', 'b\nc')[0]?.lines.map(({ sign, text }) => sign + text)).toEqual(['-a', '+b', '+c']);
});

test('a call changes a file as its result says, or else its input', () => {
  const count = (name: string, input: Record<string, unknown>, details?: unknown) => {
    const hunks = changeHunks({ name, input, details }, compare);
    return hunks && countLines(hunks);
  };
  const edit = { old_string: 'a', new_string: 'b\nc' };
  expect(count('Edit', edit)).toEqual({ added: 2, removed: 1 });
  const details = { structuredPatch: [{ oldStart: 1, newStart: 1, lines: ['+x'] }] };
  expect(count('Edit', edit, details)).toEqual({ added: 1, removed: 0 });
  expect(count('MultiEdit', { edits: [edit, edit, null] })).toEqual({ added: 4, removed: 2 });
  expect(count('MultiEdit', {})).toBeUndefined();
  expect(count('Write', { content: 'x\ny\n' })).toEqual({ added: 2, removed: 0 });
  expect(count('NotebookEdit', { new_source: 'x' })).toEqual({ added: 1, removed: 0 });
  expect(count('Bash', { command: 'ls' })).toBeUndefined();
});
