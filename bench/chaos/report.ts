import { printTable } from '../support/table.ts';
import type { Findings } from './checker.ts';

/** Sentences printed of each kind of finding. */
const SHOWN = 20;

/** Prints what happened, and what must not have. */
export function printFindings(title: string, counts: Record<string, number>, findings: Findings): void {
  const lists: [string, string[]][] = Object.entries(findings);
  printTable(
    title,
    ['', 'count'],
    Object.entries(counts).map(([name, count]) => [name, String(count)]),
  );
  printTable(
    'must be 0',
    ['', 'count'],
    lists.map(([name, list]) => [name, String(list.length)]),
  );
  for (const [name, list] of lists)
    for (const sentence of list.slice(0, SHOWN)) console.log(`${name}: ${sentence}`);
}

/** Prints how often each answer came. */
export function printAnswers(told: Iterable<[string, number]>): void {
  printTable(
    'answers',
    ['', 'count'],
    [...told].sort(([a], [b]) => a.localeCompare(b)).map(([label, count]) => [label, String(count)]),
  );
}

/** Nothing was found. */
export const isClean = (findings: Findings): boolean =>
  Object.values(findings).every((list) => list.length === 0);
