import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFolders } from './folders.ts';

let base: string;
beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'folders-test-')));
  mkdirSync(join(base, 'root', 'inside'), { recursive: true });
  mkdirSync(join(base, 'root-beside'));
  mkdirSync(join(base, 'second'));
  writeFileSync(join(base, 'root', 'file'), '');
  symlinkSync(join(base, 'root-beside'), join(base, 'root', 'way-out'));
  symlinkSync(join(base, 'root', 'inside'), join(base, 'way-in'));
  symlinkSync(join(base, 'root', 'inside'), join(base, 'root', 'link-inside'));
});
afterAll(() => rmSync(base, { recursive: true }));

const folders = () => createFolders([join(base, 'root'), join(base, 'second')]);

describe('a folder that was allowed before', () => {
  test.each([
    ['goes on while it is there', 'root/inside', undefined],
    ['is gone', 'root/nowhere', 'cwd_gone'],
    ['is a link by now', 'root/link-inside', 'cwd_gone'],
    ['is a file by now', 'root/file', 'cwd_gone'],
    ['leads out by now', 'root/way-out', 'cwd_not_allowed'],
    ['is outside other roots', 'root-beside', 'cwd_not_allowed'],
  ])('%s', async (_, given, code) => {
    const answer = await folders()
      .recheck(join(base, given))
      .catch((error: { code: string }) => error.code);
    expect(answer).toBe(code);
  });
});

describe('a folder', () => {
  test.each([
    ['that is not given is the first root', undefined, 'root'],
    ['may be a root', 'second', 'second'],
    ['may be inside a root', 'root/inside', 'root/inside'],
    ['may be reached through a link from outside', 'way-in', 'root/inside'],
  ])('%s', async (_, given, real) => {
    expect(await folders().check(given && join(base, given))).toBe(join(base, real));
  });

  test('that is relative is looked for in the first root', async () => {
    expect(await folders().check('inside')).toBe(join(base, 'root', 'inside'));
  });

  test.each([
    ['beside a root whose name it begins with', 'root-beside'],
    ['above the roots', '.'],
    ['behind a link that leads out', 'root/way-out'],
    ['outside that does not exist: the answer does not tell', 'nowhere'],
    ['that climbs out', 'root/../root-beside'],
  ])('%s is forbidden', async (_, given) => {
    await expect(folders().check(join(base, given))).rejects.toMatchObject({
      status: 403,
      code: 'cwd_not_allowed',
    });
  });

  test.each([
    ['that does not exist', 'root/nowhere'],
    ['that is a file', 'root/file'],
  ])('%s is a 422', async (_, given) => {
    await expect(folders().check(join(base, given))).rejects.toMatchObject({
      status: 422,
      code: 'cwd_not_found',
    });
  });
});
