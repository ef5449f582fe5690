import type { DatabaseSync } from 'node:sqlite';

/** What a statement may do although it reads more than it returns. */
export interface Exception {
  /** A part of the statement's text. */
  sql: string;
  /** A part of the line of its plan. */
  plan: string;
  why: string;
}

/** The plan of a statement, one line a step, as `EXPLAIN QUERY PLAN` gives it. */
export const planOf = (db: DatabaseSync, sql: string): string[] =>
  db
    .prepare(`explain query plan ${sql}`)
    .all()
    .map((row) => String(row.detail));

/**
 * Steps that read a whole table or index, or sort what they have read. `SCAN CONSTANT ROW` and JSON values
 * (`VIRTUAL TABLE`) read no table of ours.
 */
export const costlySteps = (plan: readonly string[]): string[] =>
  plan.filter(
    (step) =>
      step.includes('TEMP B-TREE') ||
      step.includes('AUTOMATIC') ||
      (step.startsWith('SCAN') && !step.includes('CONSTANT ROW') && !step.includes('VIRTUAL TABLE')),
  );

/** The costly steps of statements that no exception allows, as `statement: step`. */
export function planProblems(
  db: DatabaseSync,
  statements: Iterable<string>,
  exceptions: readonly Exception[],
): string[] {
  return [...statements].flatMap((sql) =>
    costlySteps(planOf(db, sql))
      .filter((step) => !exceptions.some((each) => sql.includes(each.sql) && step.includes(each.plan)))
      .map((step) => `${sql.replaceAll(/\s+/g, ' ')}: ${step}`),
  );
}
