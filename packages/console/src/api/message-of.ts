/** What the reader is told about a failure: errors of the client have a sentence that says what to do. */
export const messageOf = (problem: unknown): string =>
  problem instanceof Error ? problem.message : String(problem);
