import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { changedFields, keyView } from '../../access/keys.ts';
import { problem } from '../../errors.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { pageOf } from '../page.ts';

/** Keys, and tokens of one session. */
export function keyRoutes(app: Hono<HttpEnv>, { keys, limits, store }: AppDeps): void {
  mount(app, routes.createKey, async ({ body }, c) => {
    const { record, secret } = await keys.create(c.get('principal'), body);
    c.get('audited')?.note({ key_id: record.id, role: record.role, tenant: record.tenant });
    return { ...keyView(record), key: secret };
  });

  mount(app, routes.listKeys, async ({ query: { tenant, limit, cursor } }, c) => {
    const records = await keys.list(c.get('principal'), { tenant, after: cursor, limit: limit + 1 });
    return pageOf('keys', records.map(keyView), limit, (last) => last.key_id);
  });

  mount(app, routes.patchKey, async ({ params, body }, c) => {
    const record = await keys.patch(c.get('principal'), params.key_id, body);
    c.get('audited')?.note({ tenant: record.tenant, ...changedFields(body) });
    return keyView(record);
  });

  mount(app, routes.rotateKey, async ({ params, body }, c) => {
    const { record, secret } = await keys.rotate(c.get('principal'), params.key_id, body.keep_seconds);
    c.get('audited')?.note({ tenant: record.tenant });
    return { ...keyView(record), key: secret };
  });

  mount(app, routes.revokeKey, async ({ params }, c) => {
    const record = await keys.revoke(c.get('principal'), params.key_id);
    c.get('audited')?.note({ tenant: record.tenant });
    return keyView(record);
  });

  mount(app, routes.getLimits, async (_, c) => ({ limits: await limits.show(c.get('principal')) }));

  mount(app, routes.createToken, async ({ params, body }, c) => {
    const session = await store.whose(params.session_id);
    // One that is being erased is not there any more.
    if (!session || !(await store.getSession(session.id))) {
      throw problem('session_not_found', { id: params.session_id });
    }
    const { record, secret } = await keys.createToken(c.get('principal'), session, body);
    c.get('audited')?.note({ token_id: record.id, scope: body.scope });
    return {
      token_id: record.id,
      session_id: session.id,
      scope: body.scope,
      expires_at: record.expiresAt ?? record.createdAt,
      token: secret,
    };
  });
}
