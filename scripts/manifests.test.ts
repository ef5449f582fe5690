import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const PACKAGES = readdirSync(join(ROOT, 'packages'));

const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
/** The lowest Node that everything runs on. The root's manifest is the one place to change it. */
const { engines } = manifestOf('.');

test.each(PACKAGES)('the package %s needs the same Node as the root', (name) => {
  expect(manifestOf(`packages/${name}`).engines).toEqual(engines);
});

test.each(PACKAGES)('the README of %s names no other Node than its manifest', (name) => {
  const readme = readFileSync(join(ROOT, 'packages', name, 'README.md'), 'utf8');
  const named = [...readme.matchAll(/Node (\d+(?:\.\d+)*) or newer/g)].map(([, floor]) => `>=${floor}`);
  expect(named.filter((floor) => floor !== engines.node)).toEqual([]);
});
