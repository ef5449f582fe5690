import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { permissionView } from '../../permissions/view.ts';
import { answerer, type HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { offsetOf, pageOf } from '../page.ts';

export function permissionRoutes(app: Hono<HttpEnv>, { sessions, store }: AppDeps): void {
  mount(app, routes.listPermissions, async ({ query }) => {
    const { permissions, cursor } = await store.pendingPermissions();
    const { limit = permissions.length } = query;
    // Oldest first, and few at any time: the offset of the next page is cursor enough.
    const offset = query.cursor === undefined ? 0 : offsetOf(query.cursor);
    const from = permissions.slice(offset).map(permissionView);
    return { ...pageOf('permissions', from, limit, () => String(offset + limit)), cursor };
  });

  mount(app, routes.respondPermission, async ({ params, body }, c) => {
    const session = await sessions.get(params.session_id);
    await session.broker.respond(body, answerer(c.get('principal')));
    return { status: 'ok' };
  });
}
