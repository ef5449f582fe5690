/** Checks that no file grows beyond what is read in one sitting: `npm run check:sizes`. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(fileURLToPath(new URL('.', import.meta.url)));

/** Lines that a file may have. */
const LIMIT = 400;

/** What people write and read. JSON here is generated, or data. */
const WRITTEN = /\.(ts|tsx|md|sql|css|yml)$/;

/** Files that may be longer, and why, by path. */
export const LONGER: Readonly<Record<string, string>> = {};

export interface FileSize {
  path: string;
  lines: number;
}

/** Every file that is too long and not on the list, one sentence each. */
export const sizeProblems = (files: readonly FileSize[], longer = LONGER): string[] =>
  files
    .filter(({ path, lines }) => lines > LIMIT && longer[path] === undefined)
    .map(({ path, lines }) => `${path} has ${lines} lines; split it by subject (the limit is ${LIMIT}).`);

/** Every file on the list that is not too long any more, one sentence each. */
export const needlessExceptions = (files: readonly FileSize[], longer = LONGER): string[] =>
  Object.keys(longer)
    .filter((path) => !files.some((file) => file.path === path && file.lines > LIMIT))
    .map((path) => `${path} is not longer than ${LIMIT} lines. Take it off the list in scripts/sizes.ts.`);

/** The files of the repository, those that are not committed yet included. */
export function readSizes(root = ROOT): FileSize[] {
  return execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
    .split('\0')
    .filter((path) => WRITTEN.test(path))
    .flatMap((path) => {
      const text = read(join(root, path));
      return text === undefined ? [] : [{ path, lines: text.split('\n').length - 1 }];
    });
}

/** A file that was removed and is not committed yet is still listed. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  const files = readSizes();
  const problems = [...sizeProblems(files), ...needlessExceptions(files)];
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
