import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Problem } from 'claude-agent-protocol';
import { errorBody, errorType } from 'claude-agent-protocol/anthropic-errors';
import { problems } from 'claude-agent-protocol/problems';
import { AppError, messageOf, problem } from '../errors.ts';
import { StorageError } from '../store/storage-error.ts';

/** A restart, or the recovery of the store, takes at least this long; clients wait for it before they retry. */
const RETRY_AFTER_SECONDS = 2;

/** Converts an error into a response: problem details (RFC 9457), or Anthropic's envelope under `/v1/`. */
export function problemResponse(error: AppError, path: string): Response {
  const { status } = error;
  const headers: Record<string, string> =
    error.retryAfterSeconds !== undefined || (status === 503 && problems[error.code].retryable)
      ? { 'retry-after': String(error.retryAfterSeconds ?? RETRY_AFTER_SECONDS) }
      : {};
  if (path.startsWith('/v1/')) {
    const requestId = `req_${randomUUID().replaceAll('-', '')}`;
    return new Response(errorBody({ type: errorType(status), message: error.message }, requestId), {
      status,
      headers: { ...headers, 'content-type': 'application/json', 'request-id': requestId },
    });
  }
  const body: Problem = {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: error.message,
    code: error.code,
    instance: path,
    ...(error.errors && { errors: [...error.errors] }),
    ...(error.params && { params: error.params }),
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
  });
}

/**
 * Converts anything thrown into an AppError; an unexpected error is a 500 without internals.
 * @param isGone the client has disconnected
 */
export function asAppError(
  error: unknown,
  onUnexpected: (error: unknown) => void,
  isGone: boolean,
): AppError {
  if (error instanceof AppError) return error;
  if (isHangUp(error) || (isGone && isAbort(error))) return problem('body_incomplete');
  onUnexpected(error);
  if (isStorageError(error)) return problem('storage_failed', { why: messageOf(error), writing: false });
  return problem('internal_error');
}

/** The client disconnected while its body was read: not an error, and there is nobody to answer. */
const isHangUp = (error: unknown): boolean =>
  error instanceof Error &&
  (error.message === 'Client connection prematurely closed.' ||
    (error.message === 'aborted' && 'code' in error && error.code === 'ECONNRESET'));

/** Work for a client that has gone was stopped. */
const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

/** The database failed: full disk, damaged file, no connection. */
export const isStorageError = (error: unknown): error is Error =>
  error instanceof StorageError ||
  (error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR');
