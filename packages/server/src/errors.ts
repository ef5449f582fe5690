import {
  type FieldError,
  type ProblemCode,
  type ProblemParams,
  problems,
  sentenceOf,
} from 'claude-agent-protocol/problems';

/** What a problem document says besides its sentence. */
interface ProblemDetails {
  errors?: readonly FieldError[];
  params?: Readonly<Record<string, number>>;
  kept?: boolean;
  /** Seconds after which the same request may succeed. */
  retryAfterSeconds?: number;
}

/** A failure that a caller caused or can act upon: its status and sentence come from the problem catalogue. */
export class AppError extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;
  readonly params: Readonly<Record<string, number>> | undefined;
  /** False when nothing of the request was kept because its session goes to another server: it may be sent there. */
  readonly kept: boolean | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ProblemCode, detail: string, more: ProblemDetails = {}) {
    super(detail);
    this.name = 'AppError';
    this.code = code;
    this.status = problems[code].status;
    this.errors = more.errors;
    this.params = more.params;
    this.kept = more.kept;
    this.retryAfterSeconds = more.retryAfterSeconds;
  }
}

/** The failure `code` with its sentence. Of its parameters `errors` (field by field), `params` and `retryAfterSeconds` are sent along. */
export function problem<C extends ProblemCode>(code: C, ...params: ProblemParams<C>): AppError {
  const [given] = params as [ProblemDetails?];
  return new AppError(code, sentenceOf(code, ...params), given);
}

export const storageFailed = (failure: unknown): AppError =>
  problem('storage_failed', { why: messageOf(failure), writing: true });

/** The sentence of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** No agent may run on a node that may own nothing. */
export const LEASE_OVER =
  'This node has lost its lease: it cannot reach its database. Its sessions go on on other nodes.';

/** The limit of open files is met wherever one is opened next; each place has words of its own for it. */
export const isOutOfFiles = (words: string): boolean => /EMFILE|too many open files/i.test(words);

export const OUT_OF_FILES =
  'The server has as many files open as it may. Close sessions, or raise the limit (ulimit -n) and start the server again.';
