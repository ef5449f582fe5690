import type { GatewayConfig } from '../config.ts';
import { refuse } from '../messages/errors.ts';
import type { Catalogue } from './catalogue.ts';
import { profileOf } from './profiles/index.ts';
import type { ProviderRegistry } from './providers.ts';

/** One model in Anthropic's list format. */
export interface CatalogueListing {
  type: 'model';
  id: string;
  display_name: string;
  created_at: string;
}

const unknownDate = '1970-01-01T00:00:00Z';

/** An entry of the list; `released` may be a partial date. */
export function listed(id: string, released: string): CatalogueListing {
  const created_at = released ? `${released.padEnd(10, '-01').slice(0, 10)}T00:00:00Z` : unknownDate;
  return { type: 'model', id, display_name: id, created_at };
}

/** The models that are ready to use: the configuration's names, then those of the providers with credentials. */
export function listModels(
  config: GatewayConfig,
  catalogue: Catalogue,
  registry: ProviderRegistry,
): CatalogueListing[] {
  const list: CatalogueListing[] = [];
  const add = (id: string, released: string) => list.push(listed(id, released));
  for (const name of Object.keys(config.models)) if (!name.includes('*')) add(name, '');
  for (const status of registry.list()) {
    if (!status.ready) continue;
    for (const model of Object.keys(config.providers[status.id]?.models ?? {}))
      add(`${status.id}/${model}`, '');
    const known = catalogue.providers.get(status.id);
    // Local servers and cloud accounts have only the models that their owners installed: a list would be a guess.
    if (!known || status.keyless) continue;
    for (const id of known.modelIds()) {
      const model = known.model(id);
      if (!model || model.deprecated) continue;
      add(profileOf(status.id).hasBareNames ? id : `${status.id}/${id}`, model.released);
    }
  }
  return list;
}

/** A page in Anthropic's format: `limit` (default 20), `after_id`, `before_id`. */
export function pageOf(list: readonly CatalogueListing[], query: URLSearchParams) {
  const asked = Number(query.get('limit') ?? 20);
  const limit = Number.isInteger(asked) ? Math.min(Math.max(asked, 1), 1_000) : 20;
  const after = query.get('after_id');
  const before = query.get('before_id');
  let from = 0;
  let to = list.length;
  if (after) from = positionOf(list, after, 'after_id') + 1;
  if (before) {
    to = positionOf(list, before, 'before_id');
    from = Math.max(0, to - limit);
  }
  const data = list.slice(from, Math.min(to, from + limit));
  return {
    data,
    has_more: before ? from > 0 : from + data.length < to,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
}

/** An unknown cursor is refused: with the first page instead, a reader would loop. */
function positionOf(list: readonly CatalogueListing[], id: string, name: string): number {
  const at = list.findIndex((model) => model.id === id);
  return at >= 0 ? at : refuse(400, `${name}: there is no model ${id} in this list. Start again without it.`);
}
