import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { entryPoints, exportedNames, surfaceProblems } from './surface.ts';

describe('the public surface', () => {
  test('is the one in scripts/public-surface.txt', () => {
    const written = readFileSync(new URL('public-surface.txt', import.meta.url), 'utf8');
    expect(surfaceProblems(written)).toEqual([]);
  });

  test.each(entryPoints().map(({ name, file }) => [name, file]))('%s exports its values', async (_, file) => {
    const values = Object.keys((await import(pathToFileURL(file).href)) as object);
    const names = exportedNames(readFileSync(file, 'utf8')).filter((name) => !name.startsWith('type '));
    expect(names).toEqual(values.sort());
  });

  test('tells types from values, and names what was added and removed', () => {
    const text = "export { a, type B } from './a.ts'; export const c = 1; export interface D {}";
    expect(exportedNames(text)).toEqual(['a', 'c', 'type B', 'type D']);
    expect(surfaceProblems('x: a\nx: b\n', 'x: b\nx: c\n')).toEqual(['+ x: c', '- x: a']);
  });
});
