import { queryOptions, useSuspenseQuery } from '@tanstack/react-query';
import type { Output } from 'claude-agent-protocol';
import { type Action, allows } from 'claude-agent-protocol/access';
import { client } from './client.ts';

/** Who reads the page. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => client.call('me', {}, { signal }),
  staleTime: Number.POSITIVE_INFINITY,
});

export type Me = Output<'me'>;

/** Who reads the page, and what the reader's role allows. What it does not is not offered. */
export function useMe(): Me & { may(action: Action): boolean } {
  const { data } = useSuspenseQuery(meQuery);
  return { ...data, may: (action) => allows(data.role, action) };
}
