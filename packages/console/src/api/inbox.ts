import { queryOptions } from '@tanstack/react-query';
import { client } from './client.ts';

/** All requests that wait for an answer, oldest first. */
export const inboxQuery = queryOptions({
  queryKey: ['inbox'],
  queryFn: ({ signal }) => client.call('listPermissions', {}, { signal }),
});
