/** Writes scripts/public-surface.txt, the names that each package exports; with --check it only says what differs. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

const ROOT = dirname(fileURLToPath(new URL('.', import.meta.url)));
const FILE = join(ROOT, 'scripts/public-surface.txt');

/** An address at which a package can be imported, and the source behind it. */
export interface EntryPoint {
  name: string;
  file: string;
}

/** The entry points of all packages, from their package.json. */
export function entryPoints(root = ROOT): EntryPoint[] {
  return readdirSync(join(root, 'packages')).flatMap((folder) => {
    const home = join(root, 'packages', folder);
    const { name, exports = {} } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
      name: string;
      exports?: Record<string, { 'claude-agent-source': string }>;
    };
    return Object.entries(exports).map(([path, conditions]) => ({
      name: name + path.slice(1),
      file: join(home, conditions['claude-agent-source']),
    }));
  });
}

/** The names that a source file exports, types marked as such. */
export function exportedNames(text: string): string[] {
  const { staticExports } = parseSync('entry.ts', text).module;
  return staticExports
    .flatMap(({ entries }) => entries)
    .map(({ exportName, isType }) => `${isType ? 'type ' : ''}${exportName.name ?? '*'}`)
    .sort();
}

/** One line for each entry point and name. */
export const surfaceText = (entries = entryPoints()): string =>
  entries
    .flatMap(({ name, file }) =>
      exportedNames(readFileSync(file, 'utf8')).map((each) => `${name}: ${each}\n`),
    )
    .join('');

/** What was added (+) and removed (-) since the file was written. */
export function surfaceProblems(written: string, now = surfaceText()): string[] {
  const lines = (text: string): string[] => text.split('\n').filter(Boolean);
  const without = (some: string[], others: string[]): string[] =>
    some.filter((line) => !others.includes(line));
  const [before, after] = [lines(written), lines(now)];
  return [
    ...without(after, before).map((line) => `+ ${line}`),
    ...without(before, after).map((line) => `- ${line}`),
  ];
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const problems = surfaceProblems(existsSync(FILE) ? readFileSync(FILE, 'utf8') : '');
    for (const problem of problems) console.error(problem);
    if (problems.length > 0) {
      console.error(
        'The public surface has changed. If you mean it, run `npm run surface` and commit the file.',
      );
      process.exitCode = 1;
    }
  } else {
    writeFileSync(FILE, surfaceText());
  }
}
