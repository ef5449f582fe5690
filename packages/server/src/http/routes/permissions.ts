import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { permissionView } from '../../permissions/view.ts';
import { answerer, type HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { named } from '../page.ts';

export function permissionRoutes(app: Hono<HttpEnv>, { sessions, store }: AppDeps): void {
  mount(app, routes.listPermissions, async ({ query }) => {
    const { permissions, next, cursor } = await store.pendingPermissions(query);
    return { ...named('permissions', permissions.map(permissionView), next), cursor };
  });

  mount(app, routes.respondPermission, async ({ params, body }, c) => {
    const session = await sessions.get(params.session_id);
    await session.broker.respond(body, answerer(c.get('principal')));
    return { status: 'ok' };
  });
}
