import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { permissionView } from '../../permissions/view.ts';
import { answerer, type HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';

export function permissionRoutes(app: Hono<HttpEnv>, { sessions, store }: AppDeps): void {
  mount(app, routes.listPermissions, async () => {
    const { permissions, cursor } = await store.pendingPermissions();
    return { permissions: permissions.map(permissionView), cursor };
  });

  mount(app, routes.respondPermission, async ({ params, body }, c) => {
    const session = await sessions.get(params.session_id);
    await session.broker.respond(body, answerer(c.get('principal')));
    return { status: 'ok' };
  });
}
