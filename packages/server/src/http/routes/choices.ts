import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { makerOf } from '../../access/principal.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { named, offsetOf, pageOf } from '../page.ts';

/** What new sessions can be given. */
export function choiceRoutes(app: Hono<HttpEnv>, { choices, defaultModel }: AppDeps): void {
  mount(app, routes.listFolders, async ({ query }, c) => {
    const found = await choices.folders(query, makerOf(c.get('principal')));
    return { ...named('folders', found.folders, found.next), path: found.path, parent: found.parent };
  });

  mount(app, routes.listOfferedModels, async ({ query: { limit, cursor } }, c) => {
    const from = cursor === undefined ? 0 : offsetOf(cursor);
    const names = choices.models(makerOf(c.get('principal'))).slice(from, from + limit + 1);
    const models = await Promise.all(names.map(choices.describe));
    return {
      ...pageOf('models', models, limit, () => String(from + limit)),
      default_model: defaultModel ?? null,
    };
  });
}
