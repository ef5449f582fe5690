import { type InboxRequest, routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { answerer, scopeOf } from '../../access/principal.ts';
import { problem } from '../../errors.ts';
import { permissionView } from '../../permissions/view.ts';
import type { PermissionRecord } from '../../store/store.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { named } from '../page.ts';

/** Settled requests on a page, unless told. */
const SETTLED_LIMIT = 100;

export function permissionRoutes(app: Hono<HttpEnv>, { sessions, store }: AppDeps): void {
  /** The requests with their sessions; those of a session that was erased meanwhile are left out. */
  const withSessions = async (records: readonly PermissionRecord[]): Promise<InboxRequest[]> => {
    const found = await store.getSessions([...new Set(records.map(({ sessionId }) => sessionId))]);
    return records.flatMap((record) => {
      const session = found.get(record.sessionId);
      if (!session) return [];
      const { title, cwd, model } = session;
      return [{ ...permissionView(record), session: { title, cwd, model } }];
    });
  };

  mount(app, routes.listPermissions, async ({ query: { state, limit, cursor } }, c) => {
    const scope = scopeOf(c.get('principal'));
    const page =
      state === 'pending'
        ? await store.pendingPermissions({ limit, cursor, scope })
        : await store.settledPermissions({ limit: limit ?? SETTLED_LIMIT, cursor, scope });
    const permissions = await withSessions(page.permissions);
    return { ...named('permissions', permissions, page.next), cursor: page.cursor };
  });

  mount(app, routes.getPermission, async ({ params }) => {
    const { id: sessionId } = (await sessions.look(params.session_id)).record;
    const record = await store.getPermission(sessionId, params.request_id);
    const [request] = record ? await withSessions([record]) : [];
    if (request) return request;
    if (!(await store.getSession(sessionId))) throw problem('session_not_found', { id: params.session_id });
    throw problem('permission_not_found', { sessionId, id: params.request_id });
  });

  mount(app, routes.respondPermission, async ({ params, body }, c) => {
    const session = await sessions.get(params.session_id);
    c.get('audited')?.note({ request_id: body.request_id, allowed: body.allowed });
    await session.broker.respond(body, answerer(c.get('principal')));
    return { status: 'ok' };
  });
}
