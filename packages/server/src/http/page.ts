import { problem } from '../errors.ts';

/** One page of a list, in the form that `page` of the contract describes. */
type Page<N extends string, T> = Record<N, T[]> & { next_cursor: string | null; has_more: boolean };

/**
 * One page from items of which one more was read than the page holds, if there was one.
 * @param cursorOf where the next page begins, told by the last item of this one
 */
export function pageOf<N extends string, T>(
  name: N,
  more: readonly T[],
  limit: number,
  cursorOf: (last: T) => string,
): Page<N, T> {
  const items = more.slice(0, limit);
  const last = items.at(-1);
  const hasMore = more.length > limit;
  return named(name, items, hasMore && last !== undefined ? cursorOf(last) : null);
}

/** One page of a list that counts for itself. */
export function named<N extends string, T>(name: N, items: T[], next: string | null): Page<N, T> {
  // The compiler widens a computed name to any text.
  return { [name]: items, next_cursor: next, has_more: next !== null } as Page<N, T>;
}

/** A cursor that is a number: how many items came before the page. @throws AppError 422 for anything else */
export function offsetOf(cursor: string): number {
  if (!/^\d{1,9}$/.test(cursor)) throw problem('cursor_invalid');
  return Number(cursor);
}
