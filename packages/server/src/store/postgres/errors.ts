import { DatabaseError } from 'pg';
import { StorageError } from '../storage-error.ts';

/** What a failed statement means for the one who sent it. */
export type Failure =
  /** The condition of a change did not hold (CA001 of apply_writes). */
  | 'refused'
  /** The statement itself: a taken id, an unknown session. Another one may succeed. */
  | 'statement'
  /** Another transaction was in the way; the same statement can succeed. */
  | 'conflict'
  /** The database took nothing: full, read-only, out of memory, cancelled. */
  | 'database'
  /** The connection is gone, and perhaps nobody knows whether the statement took effect. */
  | 'connection';

const STATEMENT_CLASSES = new Set(['20', '22', '23', '42', '54', 'P0']);

/** Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function classify(error: unknown): Failure {
  if (!(error instanceof DatabaseError) || error.code === undefined) return 'connection';
  const { code } = error;
  if (code === 'CA001') return 'refused';
  if (code === '40001' || code === '40P01') return 'conflict';
  // FATAL and PANIC end the connection: shutdown, too many connections, a failed login.
  if (error.severity !== 'ERROR' || code.startsWith('08')) return 'connection';
  return STATEMENT_CLASSES.has(code.slice(0, 2)) ? 'statement' : 'database';
}

/** Whether the server refuses writes: a standby, or a primary that became one. Another connection may lead elsewhere. */
export const isReadOnly = (error: unknown): boolean =>
  error instanceof DatabaseError && error.code === '25006';

/** The error as callers of the store get it. */
export function asStorageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const said =
    error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error);
  return new StorageError(`PostgreSQL: ${said}`, { cause: error });
}
