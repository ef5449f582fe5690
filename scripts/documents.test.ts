import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const PATH = /`((?:packages|scripts|bench|examples|\.ci)\/[\w./-]+)`/g;

test.each(['CONTRIBUTING.md', 'ARCHITECTURE.md'])('%s names only files and folders that exist', (name) => {
  const text = readFileSync(join(ROOT, name), 'utf8');
  const paths = [...text.matchAll(PATH)].map(([, path]) => path ?? '');
  expect(paths.length).toBeGreaterThan(5);
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test('CONTRIBUTING.md names only scripts that package.json has', () => {
  const text = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script ?? '');
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((script) => scripts[script] === undefined)).toEqual([]);
});
