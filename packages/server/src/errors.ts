/** A failure that a caller caused or can act upon: it carries its code, its HTTP status and a sentence. */
export class AppError extends Error {
  readonly code: string;
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;

  constructor(code: string, status: number, detail: string, errors?: readonly FieldError[]) {
    super(detail);
    this.name = 'AppError';
    this.code = code;
    this.status = status;
    this.errors = errors;
  }
}

/** What is wrong with one field of a request. */
export interface FieldError {
  path: string;
  message: string;
}

export const sessionNotFound = (id: string): AppError =>
  new AppError(
    'session_not_found',
    404,
    `There is no session ${id} here. List sessions with GET /sessions, or what can be resumed with GET /sessions/available.`,
  );

export const sessionClosed = (id: string): AppError =>
  new AppError(
    'session_closed',
    409,
    `Session ${id} is closed. Reopen it with POST /sessions {"resume_session_id": "${id}"}.`,
  );

export const storageFailed = (failure: unknown): AppError =>
  new AppError(
    'storage_failed',
    503,
    `The server cannot write to its store: ${messageOf(failure)}. What it accepted before is safe; try again later.`,
  );

/** The sentence of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @param whose budget it is: "this session", say */
export const budgetSpent = (whose: string, spent: number, budget: number): string =>
  `The budget of ${whose} is spent: $${spent.toFixed(4)} of $${budget.toFixed(2)}.`;

/** The limit of open files is met wherever one is opened next; each place has words of its own for it. */
export const isOutOfFiles = (words: string): boolean => /EMFILE|too many open files/i.test(words);

export const OUT_OF_FILES =
  'The server has as many files open as it may. Close sessions, or raise the limit (ulimit -n) and start the server again.';
