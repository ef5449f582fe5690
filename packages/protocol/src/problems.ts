import { accessProblems } from './problems/access.ts';
import type { ProblemSpec } from './problems/define.ts';
import { limitProblems } from './problems/limits.ts';
import { requestProblems } from './problems/requests.ts';
import { serverProblems } from './problems/server.ts';
import { sessionProblems } from './problems/sessions.ts';

export type { FieldError, ProblemSpec } from './problems/define.ts';

/**
 * Every failure that the server can answer with, by its code. Statuses and sentences stand here and nowhere else.
 * `/v1/*` answers with Anthropic's error types instead (`anthropic-errors.ts`).
 */
export const problems = {
  ...requestProblems,
  ...accessProblems,
  ...limitProblems,
  ...sessionProblems,
  ...serverProblems,
};

/** The code of a problem: what a program decides by. */
export type ProblemCode = keyof typeof problems;
/** The status of a code, as a literal type. */
export type ProblemStatus<C extends ProblemCode> = (typeof problems)[C]['status'];
/** What the sentence of a code is made from. */
export type ProblemParams<C extends ProblemCode> = Parameters<(typeof problems)[C]['sentence']>;

/** Whether a text is the code of a problem that this version knows. */
export const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(problems, code);

/** The sentence of one failure. */
export function sentenceOf<C extends ProblemCode>(code: C, ...params: ProblemParams<C>): string {
  // The compiler does not follow that the parameters belong to this code's sentence.
  const { sentence } = problems[code] as ProblemSpec<number, unknown[]>;
  return sentence(...params);
}
