import type { Item } from './items.ts';

/**
 * Rows without those that the next one says again: the agent writes the error of the model's API as an answer, and the end of
 * the turn has it too; each new try of a call has a notice.
 */
export const condense = (items: readonly Item[]): Item[] =>
  items.filter((item, at) => !isSaidAgain(item, items[at + 1]));

function isSaidAgain(item: Item, next: Item | undefined): boolean {
  if (item.kind === 'text')
    return next?.kind === 'end' && next.error !== undefined && next.error.message.trim() === item.text.trim();
  return isRetry(item) && next !== undefined && isRetry(next);
}

const isRetry = (item: Item): boolean => item.kind === 'notice' && item.notice.type === 'api_retry';
