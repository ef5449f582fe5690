import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { problem } from '../errors.ts';

/** Decides which folders sessions may work in. */
export interface Folders {
  /** @returns the real path; without a folder, the first root. @throws AppError 422 missing, 403 outside */
  check(cwd: string | undefined): Promise<string>;
  /**
   * Checks again a folder that `check` returned earlier.
   * @throws AppError 409 when it is gone or has become a link; 403 when the roots have changed
   */
  recheck(cwd: string): Promise<void>;
  /** Real paths of the folders that sessions may work in or below. */
  roots: readonly string[];
  /** Whether a folder (as written in a transcript) is inside a root. */
  allows(cwd: string | null): boolean;
}

/** @param roots real paths; the first is the default */
export function createFolders(roots: readonly string[]): Folders {
  const first = roots[0];
  if (first === undefined) throw new Error('at least one root folder is needed');
  const allows = (path: string): boolean => roots.some((root) => isInside(root, path));

  return {
    roots,
    async check(cwd) {
      if (cwd === undefined) return first;
      // Links are followed first: a link inside a root may lead out of it.
      const path = resolve(first, cwd);
      const real = await realpath(path).catch(() => undefined);
      const isFolder = real !== undefined && (await stat(real)).isDirectory();
      // Outside the roots the answer must not reveal whether the folder exists.
      if (!allows(real ?? path)) {
        throw problem('cwd_not_allowed', { cwd, roots, resuming: false });
      }
      if (!isFolder) throw problem('cwd_not_found', { cwd });
      return real;
    },
    async recheck(cwd) {
      const real = await realpath(cwd).catch(() => undefined);
      if (!allows(real ?? cwd)) {
        throw problem('cwd_not_allowed', { cwd, roots, resuming: true });
      }
      if (real === cwd && (await stat(cwd)).isDirectory()) return;
      const how =
        real === undefined ? 'is gone' : real === cwd ? 'is not a folder any more' : 'is now a link';
      throw problem('cwd_gone', { cwd, how, fromOptions: false });
    },
    allows: (cwd) => cwd !== null && allows(cwd),
  };
}

/** Whether a real path is a folder or below it. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
