import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countLines, diffHunks, patchHunks, splitRows } from './hunks.ts';

const text = fc
  .array(fc.constantFrom('a', 'b', 'c', 'const x = 1;', ''), { maxLength: 30 })
  .map((lines) => lines.join('\n'));

test('the sides of a diff are lines of the two texts, with their numbers', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const [old, now] = [before.split('\n'), after.split('\n')];
      for (const line of diffHunks(before, after).flatMap((hunk) => hunk.lines)) {
        if (line.old !== undefined) expect(old[line.old - 1]).toBe(line.text);
        if (line.new !== undefined) expect(now[line.new - 1]).toBe(line.text);
        for (const [from, to] of line.marks) expect(from < to && to <= line.text.length).toBe(true);
      }
    }),
  );
});

test('side by side every line stands once, and the removed ones beside those that took their place', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      for (const hunk of diffHunks(before, after)) {
        const rows = splitRows(hunk);
        const sides = (sign: string) => hunk.lines.filter((line) => line.sign !== sign);
        expect(rows.flatMap((row) => row.left ?? [])).toEqual(sides('+'));
        expect(rows.flatMap((row) => row.right ?? [])).toEqual(sides('-'));
      }
    }),
  );
});

test('marks the words that changed within a line', () => {
  const [hunk] = diffHunks('const port = 80;\n', 'const port = 8080;\n');
  expect(
    hunk?.lines.map(({ sign, text, marks }) => [sign, marks.map(([from, to]) => text.slice(from, to))]),
  ).toEqual([
    ['-', ['80']],
    ['+', ['8080']],
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

test('texts that have nothing in common are shown without a long comparison', () => {
  const lines = (name: string) => Array.from({ length: 5_000 }, (_, n) => `${name} ${n}`).join('\n');
  const hunks = diffHunks(lines('before'), lines('after'));
  expect(countLines(hunks)).toEqual({ added: 5_000, removed: 5_000 });
});
