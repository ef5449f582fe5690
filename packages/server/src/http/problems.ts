import { STATUS_CODES } from 'node:http';
import type { Problem } from 'claude-agent-protocol';
import { errorType } from 'claude-agent-protocol/anthropic-errors';
import { AppError, messageOf } from '../errors.ts';

const HEADERS = { 'content-type': 'application/problem+json' };

/** An error as an HTTP answer: problem details (RFC 9457), or Anthropic's envelope under `/v1/`. */
export function problemResponse(error: AppError, path: string): Response {
  if (path.startsWith('/v1/')) return envelope(error);
  const problem: Problem = {
    type: 'about:blank',
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
    instance: path,
    ...(error.errors && { errors: [...error.errors] }),
  };
  return new Response(JSON.stringify(problem), { status: error.status, headers: HEADERS });
}

function envelope(error: AppError): Response {
  const type = errorType(error.status);
  return Response.json({ type: 'error', error: { type, message: error.message } }, { status: error.status });
}

/** Whatever was thrown as an AppError; what we did not foresee is a 500 that tells nothing of the inside. */
export function asAppError(error: unknown, onUnforeseen: (error: unknown) => void): AppError {
  if (error instanceof AppError) return error;
  if (isHangUp(error)) {
    return new AppError('body_incomplete', 400, 'The connection ended before the body did. Send it again.');
  }
  onUnforeseen(error);
  if (isStorageError(error)) {
    return new AppError(
      'storage_failed',
      503,
      `The server cannot use its store: ${messageOf(error)}. Try again later.`,
    );
  }
  return new AppError(
    'internal_error',
    500,
    'The server made a mistake. Its log says more; please report it.',
  );
}

/** The client went away while its body was read: nobody's mistake here, and nobody is left to be answered. */
const isHangUp = (error: unknown): boolean =>
  error instanceof Error &&
  (error.message === 'Client connection prematurely closed.' ||
    (error.message === 'aborted' && 'code' in error && error.code === 'ECONNRESET'));

/** The database failed: full disk, broken file. */
export const isStorageError = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR';
