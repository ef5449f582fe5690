import { z } from 'zod';
import { queryInteger } from './common.ts';

/** Query parameters of every paged list. */
export const pageQuery = {
  limit: queryInteger(1, 1000).default(100).meta({ description: 'Items per page' }),
  cursor: z.string().optional().meta({ description: 'The `next_cursor` of the page before' }),
};

/** For lists that were paged by offset before there were cursors. */
export const pageOffset = queryInteger(0, 1_000_000)
  .default(0)
  .meta({ description: 'Items to skip; `cursor` takes precedence' });

/** One page of a list: its items under the list's own name, and where the next page begins. */
export const page = <N extends string, T extends z.ZodType>(name: N, item: T) => {
  const items = { [name]: z.array(item) } as Record<N, z.ZodArray<T>>;
  return z.object({
    ...items,
    next_cursor: z.string().nullable().meta({ description: '`cursor` of the next page; null on the last' }),
    has_more: z.boolean(),
  });
};
