import { problem } from '../errors.ts';
import { permissionFromRow, type ReadRow, sessionFromRow } from './rows.ts';
import type { PermissionRecord, SessionRecord } from './store.ts';

/** Where a page of sessions ended, as text for its caller. */
const encodeCursor = (activity: string, id: string): string =>
  Buffer.from(`${activity} ${id}`).toString('base64url');

/**
 * The position of a cursor; without one, a position in front of every session.
 * @throws AppError 422 for a cursor that no page returned
 */
export function decodeCursor(cursor: string | undefined): [string, string] {
  if (cursor === undefined) return ['~', '~'];
  const [activity, id] = Buffer.from(cursor, 'base64url').toString().split(' ');
  if (activity && id && encodeCursor(activity, id) === cursor) return [activity, id];
  throw problem('cursor_invalid');
}

/** A page of sessions from its rows, of which there is one more when another page follows. */
export function sessionPage(
  rows: readonly ReadRow[],
  limit: number,
): { sessions: SessionRecord[]; next: string | null } {
  const sessions = rows.slice(0, limit).map(sessionFromRow);
  const last = sessions.at(-1);
  return {
    sessions,
    next: rows.length > limit && last ? encodeCursor(last.lastActivity, last.id) : null,
  };
}

/** The position that a page of pending requests ended with. @throws AppError 422 for one that no page returned */
export function decodePosition(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (!/^\d{1,15}$/.test(cursor)) throw problem('cursor_invalid');
  return Number(cursor);
}

/** Where a page of settled requests ended: time and id. @throws AppError 422 for one that no page returned */
export function decodeSettled(cursor: string | undefined): [string, string] {
  if (cursor === undefined) return ['~', '~'];
  const [at, id, ...more] = cursor.split('~');
  if (!at || !id || more.length > 0) throw problem('cursor_invalid');
  return [at, id];
}

/** A page of settled requests from its rows, of which there is one more when another page follows. */
export function settledPage(
  rows: readonly ReadRow[],
  limit: number,
): { permissions: PermissionRecord[]; next: string | null } {
  const permissions = rows.slice(0, limit).map(permissionFromRow);
  const last = permissions.at(-1);
  return { permissions, next: rows.length > limit && last ? `${last.resolvedAt}~${last.id}` : null };
}

/** A pattern for `like … escape '\\'` that finds the text anywhere. */
export const likeText = (text: string): string => `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
