import { queryOptions } from '@tanstack/react-query';
import { client } from '../../../api/client.ts';

const PAGE_SIZE = 1_000;

/** All models that new sessions may name. */
export const modelsQuery = queryOptions({
  queryKey: ['offered-models'],
  queryFn: async ({ signal }) => {
    const first = await client.choices.models({ limit: PAGE_SIZE }, { signal });
    const models = [...first.models];
    for (let cursor = first.next_cursor; cursor !== null; ) {
      const page = await client.choices.models({ limit: PAGE_SIZE, cursor }, { signal });
      models.push(...page.models);
      cursor = page.next_cursor;
    }
    return { models, defaultModel: first.default_model };
  },
});
