import { expect, test } from 'vitest';
import { LONGER, needlessExceptions, readSizes, sizeProblems } from './sizes.ts';

test('no file of this repository is too long, and no exception is needless', () => {
  const files = readSizes();
  // a check that reads nothing would pass as well
  expect(files.length).toBeGreaterThan(300);
  expect(sizeProblems(files)).toEqual([]);
  expect(needlessExceptions(files)).toEqual([]);
  for (const why of Object.values(LONGER)) expect(why.length).toBeGreaterThan(10);
});

test('a file over 400 lines is a problem, unless it is on the list', () => {
  const files = [
    { path: 'a.ts', lines: 400 },
    { path: 'b.md', lines: 401 },
    { path: 'c.ts', lines: 900 },
  ];
  expect(sizeProblems(files, { 'c.ts': 'a table' })).toEqual([
    'b.md has 401 lines; split it by subject (the limit is 400).',
  ]);
});

test('an exception is needless when its file is short, or gone', () => {
  const files = [
    { path: 'a.ts', lines: 12 },
    { path: 'b.ts', lines: 500 },
  ];
  const list = { 'a.ts': 'a table', 'b.ts': 'a table', 'gone.ts': 'a table' };
  expect(needlessExceptions(files, list)).toEqual([
    'a.ts is not longer than 400 lines. Take it off the list in scripts/sizes.ts.',
    'gone.ts is not longer than 400 lines. Take it off the list in scripts/sizes.ts.',
  ]);
});
