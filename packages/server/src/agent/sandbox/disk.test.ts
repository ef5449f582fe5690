import { linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DiskWatch, diskUsage, watchDisk } from './disk.ts';

const MB = 1024 ** 2;
let base: string;
let watch: DiskWatch | undefined;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'disk-')));
});
afterEach(() => {
  watch?.stop();
  rmSync(base, { recursive: true, force: true });
});

const fill = (name: string, megabytes: number): void =>
  writeFileSync(join(base, name), Buffer.alloc(megabytes * MB, 1));
const watched = (limitBytes: number, folders = [base]): DiskWatch => {
  watch = watchDisk({
    folders,
    limitBytes,
    everyMs: 10,
    onError(error) {
      throw error;
    },
  });
  return watch;
};

test('folders take what their files take on the disk, each counted once', async () => {
  mkdirSync(join(base, 'in'));
  fill('in/a', 3);
  linkSync(join(base, 'in', 'a'), join(base, 'b'));
  const used = await diskUsage([base, join(base, 'in'), join(base, 'gone')]);
  expect(used).toBeGreaterThanOrEqual(3 * MB);
  expect(used).toBeLessThan(3.2 * MB);
});

test('many small files are noticed, with what they take and what is allowed', async () => {
  const { exceeded } = watched(12 * MB);
  let said: string | undefined;
  void exceeded.then((sentence) => {
    said = sentence;
  });
  for (let n = 0; n < 200 && said === undefined; n++) {
    fill(`f${n}`, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(said).toMatch(/hold \d+ MB, more than the 12 MB of "sandbox.limits.disk_bytes"/);
});

test('folders that hold too much from the start may be cleaned up, and no more', async () => {
  fill('before', 20);
  const { exceeded } = watched(12 * MB);
  const soon = new Promise((resolve) => setTimeout(resolve, 300, 'goes on'));
  expect(await Promise.race([exceeded, soon])).toBe('goes on');
  fill('more', 12);
  expect(await exceeded).toMatch(/hold 3\d MB/);
});
