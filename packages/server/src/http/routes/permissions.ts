import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { answerer, scopeOf } from '../../access/principal.ts';
import { permissionView } from '../../permissions/view.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { named } from '../page.ts';

export function permissionRoutes(app: Hono<HttpEnv>, { sessions, store }: AppDeps): void {
  mount(app, routes.listPermissions, async ({ query }, c) => {
    const scope = scopeOf(c.get('principal'));
    const { permissions, next, cursor } = await store.pendingPermissions({ ...query, scope });
    return { ...named('permissions', permissions.map(permissionView), next), cursor };
  });

  mount(app, routes.respondPermission, async ({ params, body }, c) => {
    const session = await sessions.get(params.session_id);
    await session.broker.respond(body, answerer(c.get('principal')));
    return { status: 'ok' };
  });
}
