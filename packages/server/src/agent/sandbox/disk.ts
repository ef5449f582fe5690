import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Watches what one sandbox keeps on the disk. */
export interface DiskWatch {
  /** Settles with a sentence when that is more than the limit; otherwise never. */
  exceeded: Promise<string>;
  stop(): void;
}

export interface DiskWatchOptions {
  /** Folders that the agent writes to. One may be in another. */
  folders: readonly string[];
  limitBytes: number;
  onError(error: unknown): void;
  /** How often the free space is looked at. */
  everyMs?: number;
}

/** Free space costs 20 µs to ask for. In a second, a fast disk takes 1 to 3 GB. */
const LOOK_MS = 1_000;
/** The folders are measured so often though the free space says nothing: others delete while this one writes. */
const MEASURE_MS = 60_000;
/** `du` over 100,000 files takes 0.2 to 1 s: it runs for a tenth of the time at most. */
const REST_FACTOR = 10;
/**
 * A session that is over the limit at its start may go on, to clean up; it needs a little room even for that (its
 * transcript, files of its tools).
 */
const SLACK_BYTES = 8 * 1024 ** 2;

/**
 * Kernel quotas need a file system that was made for them, so the folders are measured instead. Walking them all the time
 * would cost more than agents do; the free space of their file systems says when nothing can have happened: as long as it
 * has shrunk by less than the session has left, the session is below its limit.
 */
export function watchDisk({ folders, limitBytes, onError, everyMs = LOOK_MS }: DiskWatchOptions): DiskWatch {
  const exceeded = Promise.withResolvers<string>();
  let limit = limitBytes;
  let left = 0;
  let freeThen = 0;
  let measuredAt = Number.NEGATIVE_INFINITY;
  let restMs = 0;
  let isFirst = true;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  const look = async (): Promise<void> => {
    const since = performance.now() - measuredAt;
    const free = await freeBytes(folders);
    const isDue = freeThen - free >= left ? since >= restMs : since >= MEASURE_MS;
    if (!isDue || isStopped) return;
    const begun = performance.now();
    const used = await diskUsage(folders);
    measuredAt = performance.now();
    restMs = (measuredAt - begun) * REST_FACTOR;
    freeThen = free;
    if (isFirst && used > limit) limit = used + SLACK_BYTES;
    isFirst = false;
    left = limit - used;
    if (left < 0) {
      exceeded.resolve(
        `The session's folders hold ${megabytes(used)} MB, more than the ${megabytes(limitBytes)} MB of "sandbox.limits.disk_bytes". Delete files: an agent that starts above the limit may still do that, but not add to them.`,
      );
      isStopped = true;
    }
  };
  const repeat = async (): Promise<void> => {
    await look().catch(onError);
    if (!isStopped) timer = setTimeout(() => void repeat(), everyMs).unref();
  };
  void repeat();

  return {
    exceeded: exceeded.promise,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

const megabytes = (bytes: number): number => Math.round(bytes / 1024 ** 2);

/** Of the file systems that the folders are on; one that is gone has none. */
async function freeBytes(folders: readonly string[]): Promise<number> {
  const free = new Map<string, number>();
  for (const folder of folders) {
    const found = await statfs(folder).catch(() => undefined);
    // Two that look alike in all of this are one.
    if (found)
      free.set(`${found.type} ${found.blocks} ${found.files} ${found.ffree}`, found.bfree * found.bsize);
  }
  return [...free.values()].reduce((sum, each) => sum + each, 0);
}

/** What the folders take on the disk. `du` counts a file once, whatever its names and whichever folders it is in. */
export async function diskUsage(folders: readonly string[]): Promise<number> {
  const options = { maxBuffer: 64 * 1024 ** 2, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
  const { stdout } = await run('du', ['-skc', '--', ...folders], options).catch(
    // A file that vanished meanwhile, or may not be read, is an error, and the rest is counted.
    (error: { stdout?: string }) => {
      if (/\ttotal\n$/.test(error.stdout ?? '')) return { stdout: error.stdout ?? '' };
      throw error;
    },
  );
  return Number(/(\d+)\ttotal\n$/.exec(stdout)?.[1] ?? 0) * 1024;
}
