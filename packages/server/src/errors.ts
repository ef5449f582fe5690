import {
  type FieldError,
  type ProblemCode,
  type ProblemParams,
  problems,
  sentenceOf,
} from 'claude-agent-protocol/problems';

/** A failure that a caller caused or can act upon: its status and sentence come from the problem catalogue. */
export class AppError extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;

  constructor(code: ProblemCode, detail: string, errors?: readonly FieldError[]) {
    super(detail);
    this.name = 'AppError';
    this.code = code;
    this.status = problems[code].status;
    this.errors = errors;
  }
}

/** The failure `code` with its sentence. Parameters named `errors` are sent along, field by field. */
export function problem<C extends ProblemCode>(code: C, ...params: ProblemParams<C>): AppError {
  const [given] = params as [{ errors?: readonly FieldError[] }?];
  return new AppError(code, sentenceOf(code, ...params), given?.errors);
}

export const storageFailed = (failure: unknown): AppError =>
  problem('storage_failed', { why: messageOf(failure), writing: true });

/** The sentence of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The limit of open files is met wherever one is opened next; each place has words of its own for it. */
export const isOutOfFiles = (words: string): boolean => /EMFILE|too many open files/i.test(words);

export const OUT_OF_FILES =
  'The server has as many files open as it may. Close sessions, or raise the limit (ulimit -n) and start the server again.';
