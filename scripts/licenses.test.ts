import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { AGREED, type LockedPackage, licensedPackages, licenseProblems, page, READ } from './licenses.ts';

const { packages: locked } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, LockedPackage>;
};

test('every package has a license that somebody agreed to, and no exception is needless', () => {
  const packages = licensedPackages(locked);
  // a check that reads nothing would pass as well
  expect(packages.length).toBeGreaterThan(400);
  expect(licenseProblems(packages)).toEqual([]);
  for (const name of [...Object.keys(READ), ...Object.keys(AGREED)]) {
    expect(packages.map((entry) => entry.name)).toContain(name);
  }
});

const locks = (license: string | undefined, dev = false) =>
  licenseProblems(
    licensedPackages({
      '': { version: '1.0.0' },
      'packages/server': { version: '1.0.0' },
      'node_modules/claude-agent-server': { link: true },
      'node_modules/a': { version: '2.0.0', dev, ...(license && { license }) },
    }),
  );

test.each([
  'GPL-3.0-only',
  'AGPL-3.0-or-later',
  'SEE LICENSE IN README.md',
  'MIT AND GPL-2.0-only',
  undefined,
])('a package under %s is a problem', (license) => {
  expect(locks(license)).toEqual([expect.stringContaining('a 2.0.0 has the license')]);
});

test('a choice of licenses is fine when one of them is', () => {
  expect(locks('(GPL-3.0-only OR MIT)')).toEqual([]);
});

test('a license for tools is not enough for what ships', () => {
  expect(locks('MPL-2.0', true)).toEqual([]);
  expect(locks('MPL-2.0')).toHaveLength(1);
});

test('a package that is built into the console ships, with those that it needs; what builds the console does not', () => {
  const packages = licensedPackages({
    'packages/console': { version: '1.0.0', devDependencies: { a: '1.0.0', vite: '1.0.0' } },
    'node_modules/a': { version: '1.0.0', license: 'MIT', dev: true, dependencies: { b: '1.0.0' } },
    'node_modules/b': { version: '1.0.0', license: 'MPL-2.0', dev: true },
    'node_modules/vite': { version: '1.0.0', license: 'MIT', dev: true },
  });
  expect(packages.map(({ name, tool }) => [name, tool])).toEqual([
    ['a', false],
    ['b', false],
    ['vite', true],
  ]);
  expect(licenseProblems(packages)).toEqual([expect.stringContaining('b 1.0.0 has the license "MPL-2.0"')]);
});

test('a package that ships in one place and builds in another ships', () => {
  const [entry] = licensedPackages({
    'node_modules/a': { version: '2.0.0', license: 'MIT', dev: true },
    'node_modules/b/node_modules/a': { version: '2.0.0', license: 'MIT' },
  });
  expect(entry?.tool).toBe(false);
  expect(page([entry as NonNullable<typeof entry>])).toContain('| MIT | a 2.0.0 |');
});
