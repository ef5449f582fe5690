import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const PACKAGES = readdirSync(join(ROOT, 'packages'));

const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
/** The lowest Node that everything runs on: the root's manifest says it. */
const { engines } = manifestOf('.');

test.each(PACKAGES)('the package %s wants the same Node as all others', (name) => {
  expect(manifestOf(`packages/${name}`).engines).toEqual(engines);
});

test.each(['.', ...PACKAGES.map((name) => `packages/${name}`)])(
  'the README of %s names no other Node than the one that is wanted',
  (folder) => {
    const readme = readFileSync(join(ROOT, folder, 'README.md'), 'utf8');
    const named = [...readme.matchAll(/Node (\d+(?:\.\d+)*) or newer/g)].map(([, floor]) => `>=${floor}`);
    expect(named.filter((floor) => floor !== engines.node)).toEqual([]);
  },
);
