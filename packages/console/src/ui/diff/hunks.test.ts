import fc from 'fast-check';
import { expect, test } from 'vitest';
import { diffHunks, hunksOfCall, splitRows } from './hunks.ts';

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

test('the change of a call has marks too', () => {
  const edit = { old_string: 'const port = 80;', new_string: 'const port = 81;' };
  expect(hunksOfCall('Edit', edit, undefined)[0]?.lines.map(({ marks }) => marks.length)).toEqual([1, 1]);
  expect(hunksOfCall('Bash', {}, undefined)).toEqual([]);
});

test('texts that have nothing in common are shown without a long comparison', () => {
  const lines = (name: string) => Array.from({ length: 5_000 }, (_, n) => `${name} ${n}`).join('\n');
  const signs = diffHunks(lines('before'), lines('after')).flatMap((hunk) =>
    hunk.lines.map(({ sign }) => sign),
  );
  expect(signs).toHaveLength(10_000);
  expect(signs.filter((sign) => sign === ' ')).toEqual([]);
});
