/** A small file system that can be filled. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface SmallDisk {
  /** Until nothing more fits. */
  fill(): void;
  free(): void;
  unmount(): void;
}

/** Mounts one on a folder; undefined where this user may not. */
export function mountSmall(folder: string, megabytes = 64): SmallDisk | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const filler = join(folder, 'filler');
  return {
    fill() {
      for (let size = 1_048_576; size >= 64; size /= 2) {
        try {
          for (;;) appendFileSync(filler, Buffer.alloc(size));
        } catch {
          // full, for this size
        }
      }
    },
    free: () => rmSync(filler, { force: true }),
    unmount: () => void execFileSync('umount', ['-l', folder]),
  };
}
