/**
 * Checks the import graph (ARCHITECTURE.md, "Which way the arrows point"): no arrow that the rules forbid, and no circle,
 * neither of files nor of floors; types and what is loaded later count too. `npm run check:imports` prints what is wrong.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { circles, type Import, readImports } from './import-graph.ts';
import { PACKAGES, placeOf, problemOf, waysToZod } from './import-rules.ts';

const ROOT = dirname(fileURLToPath(new URL('.', import.meta.url)));

interface FloorArrow {
  from: string;
  to: string;
  /** Both ends are on one floor. */
  level: boolean;
}

/** The arrows between the entries of a package's floors, each once. */
export function floorArrows(imports: readonly Import[], packages = PACKAGES): FloorArrow[] {
  const all = imports.flatMap(({ from, to }) => {
    const home = Object.keys(packages).find((folder) => from.startsWith(`${folder}/`));
    const [upper, lower] = [placeOf(from, packages), placeOf(to, packages)];
    return upper && lower && upper.entry !== lower.entry && to.startsWith(`${home}/`)
      ? [
          {
            from: `${home}/src/${upper.entry}`,
            to: `${home}/src/${lower.entry}`,
            level: upper.floor === lower.floor,
          },
        ]
      : [];
  });
  return [...new Map(all.map((arrow) => [`${arrow.from} ${arrow.to}`, arrow])).values()];
}

/** Every rule that these imports break, one sentence each. */
export function importProblems(imports: readonly Import[], packages = PACKAGES): string[] {
  const arrows = imports.flatMap((each) => {
    const problem = problemOf(each, packages);
    return problem ? [`${each.from} imports ${each.to}: ${problem}`] : [];
  });
  // A circle of several floors has an arrow that points up, which is reported already.
  const level = floorArrows(imports, packages).filter((arrow) => arrow.level);
  const round = [...circles(imports), ...circles(level)];
  return [
    ...arrows,
    ...round.map((nodes) => `a circle: ${nodes.join(' -> ')}`),
    ...waysToZod(imports).map((nodes) => `must not load zod: ${nodes.join(' -> ')}`),
  ];
}

if (import.meta.main) {
  const problems = importProblems(readImports(ROOT, Object.keys(PACKAGES)));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
