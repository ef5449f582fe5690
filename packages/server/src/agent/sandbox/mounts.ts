import { isAbsolute, relative } from 'node:path';

/** What a sandbox shows at a path. */
export type Mount =
  /** A folder or file of the machine; `source` when it is another one than its path says. */
  | { kind: 'read' | 'write'; path: string; source?: string }
  /** A folder to write to, which has to be what its path said when it was checked. */
  | { kind: 'work'; path: string }
  /** An empty folder in its place. */
  | { kind: 'hide'; path: string }
  /** An empty file in its place. */
  | { kind: 'blank'; path: string }
  /** An empty folder that is not on the machine. */
  | { kind: 'folder'; path: string }
  | { kind: 'link'; path: string; target: string };

/** Browsers and Python's multiprocessing need some; it is memory of the machine. */
export const SHARED_MEMORY_BYTES = 256 * 1024 ** 2;

/** Of two mounts on one path the later one is seen. */
const ORDER: readonly Mount['kind'][] = ['link', 'read', 'write', 'work', 'hide', 'blank', 'folder'];

/**
 * A mount covers what was mounted below its path before, so folders come before what is in them. What should be hidden
 * needs hiding only where a folder of the machine would show it.
 */
export function inOrder(mounts: readonly Mount[]): Mount[] {
  const shown = mounts.filter(({ kind }) => kind === 'read' || kind === 'write' || kind === 'work');
  return mounts
    .filter(
      ({ kind, path }) =>
        (kind !== 'hide' && kind !== 'blank') ||
        shown.some((mount) => !('source' in mount) && isIn(mount.path, path)),
    )
    .sort((a, b) => depth(a.path) - depth(b.path) || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

const depth = (path: string): number => (path === '/' ? 0 : path.split('/').length);

/** Whether a path is a folder or in it. */
function isIn(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
