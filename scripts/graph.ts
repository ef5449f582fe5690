/** Prints the import graph of each package, the highest floor first: `npm run graph`, or `npm run graph gateway`. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Import, readImports } from './import-graph.ts';
import { PACKAGES, type PackageRules } from './import-rules.ts';
import { floorArrows, importProblems } from './imports.ts';

const ROOT = dirname(fileURLToPath(new URL('.', import.meta.url)));

/** The floors of one package with the arrows of each entry, as text. */
export function drawPackage(folder: string, { floors }: PackageRules, imports: readonly Import[]): string {
  const mine = imports.filter(({ from }) => from.startsWith(`${folder}/`));
  const arrows = Map.groupBy(floorArrows(mine, { [folder]: { mayImport: [], floors } }), ({ from }) => from);
  const others = [...new Set(mine.map(({ to }) => to).filter((to) => to.startsWith('claude-agent-')))].sort();
  const order = floors.flat().toReversed();
  const width = Math.max(...order.map((entry) => entry.length));
  const lines = floors.flatMap((entries, floor) =>
    entries.map((entry, index) => {
      const below = new Set(arrows.get(`${folder}/src/${entry}`)?.map(({ to }) => to));
      const names = order.filter((each) => below.has(`${folder}/src/${each}`));
      const number = index === entries.length - 1 ? String(floor + 1) : '';
      return `  ${number.padStart(2)}  ${entry.padEnd(width)}  -> ${names.join(' ')}`.replace(/ +-> $/, '');
    }),
  );
  return [`${folder}${others.length > 0 ? `  -> ${others.join(' ')}` : ''}`, ...lines.toReversed()].join(
    '\n',
  );
}

if (import.meta.main) {
  const imports = readImports(ROOT, Object.keys(PACKAGES));
  const wanted = process.argv[2];
  for (const [folder, rules] of Object.entries(PACKAGES)) {
    if (wanted === undefined || folder.endsWith(`/${wanted}`))
      console.log(`${drawPackage(folder, rules, imports)}\n`);
  }
  const problems = importProblems(imports);
  for (const problem of problems) console.log(problem);
  console.log(`${imports.length} imports, ${problems.length} that break a rule`);
}
