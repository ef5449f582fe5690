import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Item } from './archive.ts';

/** Two changes within one tick of the kernel's clock leave the same times; on Linux it is 1 to 10 ms long. */
const TICK_MS = 20;
/** A file system with a clock of its own may be ahead of this machine's by so much. */
const CLOCK_AHEAD_MS = 2_000;

/**
 * What a folder's entries look like, without reading any: names, sizes, inodes, and the times of the last change, which
 * programs cannot set. Settles when every later change is visible in them.
 * @param texts anything else that belongs to the state
 * @returns undefined where the file system's times are too coarse to tell
 */
export async function fingerprintOf(
  items: AsyncIterable<Item>,
  texts: readonly string[],
): Promise<string | undefined> {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text.length}:${text}`);
  let newest = 0n;
  let isFine = false;
  for await (const { name, path } of items) {
    const info = await lstat(path, { bigint: true });
    const { mode, size, mtimeNs, ctimeNs, ino } = info;
    // A folder's own times change with files that come and go in it, such as locks.
    const rest = info.isDirectory() ? [] : [size, mtimeNs, ctimeNs, ino];
    hash.update(`${[name, mode, ...rest].join('\0')}\n`);
    if (info.isDirectory()) continue;
    if (ctimeNs > newest) newest = ctimeNs;
    isFine ||= ctimeNs % 1_000_000_000n !== 0n;
  }
  if (newest > 0n && !isFine) return undefined;
  const wait = Number(newest / 1_000_000n) + TICK_MS - Date.now();
  if (wait > CLOCK_AHEAD_MS) return undefined;
  if (wait > 0) await sleep(wait);
  return hash.digest('hex');
}
