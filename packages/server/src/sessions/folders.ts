import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { AppError } from '../errors.ts';

/** Decides which folders sessions may work in. */
export interface Folders {
  /** @returns the real path; without a folder, the first root. @throws AppError 422 missing, 403 outside */
  check(cwd: string | undefined): Promise<string>;
  /**
   * Checks a folder that was allowed before, as check gave it.
   * @throws AppError 409 when it is gone, or a link by now; 403 when the roots are others by now
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
      // Outside the roots the answer is the same whether the folder exists or not.
      if (!allows(real ?? path)) {
        throw new AppError(
          'cwd_not_allowed',
          403,
          `The folder ${cwd} is outside the allowed roots. Start the server with --root for it, or choose a folder in one of: ${roots.join(', ')}.`,
        );
      }
      if (!isFolder)
        throw new AppError('cwd_not_found', 422, `The folder ${cwd} does not exist. Create it first.`);
      return real;
    },
    async recheck(cwd) {
      const real = await realpath(cwd).catch(() => undefined);
      if (!allows(real ?? cwd)) {
        throw new AppError(
          'cwd_not_allowed',
          403,
          `The session's folder ${cwd} is outside the allowed roots by now. Start the server with --root for it, or begin a session in one of: ${roots.join(', ')}.`,
        );
      }
      if (real === cwd && (await stat(cwd)).isDirectory()) return;
      const how = real === undefined ? 'is gone' : real === cwd ? 'is no folder any more' : 'is a link now';
      throw new AppError(
        'cwd_gone',
        409,
        `The session's folder ${cwd} ${how}, so its agent does not start. Put the folder back, or begin a session in another.`,
      );
    },
    allows: (cwd) => cwd !== null && allows(cwd),
  };
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
