import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { takeHome } from './lock.ts';

const base = mkdtempSync(join(tmpdir(), 'agent-server-home-'));
afterAll(() => rmSync(base, { recursive: true }));

test('a home is taken once, also when its lock file is removed, and free after its release', async () => {
  const folder = join(base, 'taken');
  const home = await takeHome(folder);
  await expect(takeHome(folder)).rejects.toThrow(`Another server (process ${process.pid}) uses`);
  rmSync(join(folder, 'lock.db'));
  // Other systems have no lock without a file.
  if (process.platform === 'linux') await expect(takeHome(folder)).rejects.toThrow('Another server');
  home.release();
  const again = await takeHome(folder);
  again.release();
  expect(again.instance).toBe(home.instance);
});

test('a copy of a home is another home', async () => {
  const folder = join(base, 'first');
  const first = await takeHome(folder);
  cpSync(folder, join(base, 'copy'), { recursive: true, preserveTimestamps: true });
  const copy = await takeHome(join(base, 'copy'));
  expect(copy.instance).not.toBe(first.instance);
  first.release();
  copy.release();
});

test('what a home has is for its owner alone, also what was there before', async () => {
  const folder = join(base, 'open');
  mkdirSync(folder);
  writeFileSync(join(folder, 'server.db-wal'), '');
  writeFileSync(join(folder, 'instance'), 'a name\n');
  for (const file of ['server.db-wal', 'instance']) chmodSync(join(folder, file), 0o644);
  chmodSync(folder, 0o755);
  const home = await takeHome(folder);
  home.file('server.db');
  home.release();
  const modeOf = (file: string): string => (statSync(join(folder, file)).mode & 0o7777).toString(8);
  expect(modeOf('.')).toBe('700');
  for (const file of ['server.db', 'server.db-wal', 'lock.db', 'instance', 'server.pid']) {
    expect([file, modeOf(file)]).toEqual([file, '600']);
  }
});

test('a folder that everybody shares is not closed to them', async () => {
  const folder = join(base, 'shared');
  mkdirSync(folder);
  chmodSync(folder, 0o1777);
  const home = await takeHome(folder);
  home.release();
  expect(statSync(folder).mode & 0o7777).toBe(0o1777);
});

test('a home that cannot be used is a sentence, and is not kept', async () => {
  const folder = join(base, 'broken');
  mkdirSync(join(folder, 'lock.db'), { recursive: true });
  await expect(takeHome(folder)).rejects.toThrow(`The home folder ${folder} cannot be used: `);
  rmSync(join(folder, 'lock.db'), { recursive: true });
  (await takeHome(folder)).release();
  const file = join(base, 'a-file');
  writeFileSync(file, '');
  await expect(takeHome(file)).rejects.toThrow('choose another with --home');
});
