/** What is wrong with one field of a request. */
export interface FieldError {
  path: string;
  message: string;
}

/** One kind of failure that the server answers with. */
export interface ProblemSpec<S extends number = number, P extends unknown[] = never[]> {
  status: S;
  /** What it means in general, for the documentation. */
  summary: string;
  /** What happened and what to do about it, for one failure. */
  sentence(...params: P): string;
  /** The same request may succeed later, with nothing changed. */
  retryable: boolean;
}

/** A line of the catalogue, its status and parameters kept as types. */
export const define = <const S extends number, P extends unknown[]>(
  status: S,
  summary: string,
  sentence: (...params: P) => string,
  { retryable = false }: { retryable?: boolean } = {},
): ProblemSpec<S, P> => ({ status, summary, sentence, retryable });

export const RETRYABLE = { retryable: true };

/** The errors of single fields, as one sentence says them. */
export const saidOf = (errors: readonly FieldError[]): string =>
  errors.map(({ path, message }) => `${path}: ${message}`).join('; ');
