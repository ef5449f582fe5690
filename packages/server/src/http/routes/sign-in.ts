import { type Output, routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import type { Principal } from '../../access/principal.ts';
import { problem } from '../../errors.ts';
import type { HttpEnv } from '../auth.ts';
import type { AddressOf } from '../client-address.ts';
import type { AppDeps } from '../deps.ts';
import { mount, reply } from '../mount.ts';

/** Who calls, and the cookie of the server's own pages. */
export function signInRoutes(
  app: Hono<HttpEnv>,
  { identifyFrom, signIn, keys }: AppDeps,
  addressOf: AddressOf,
): void {
  const describe = async (principal: Principal): Promise<Output<'me'>> => {
    if (principal.kind === 'session') throw problem('forbidden');
    const { kind, id, tenant, role, expiresAt } = principal;
    const name = (await keys.nameOf(id)) ?? null;
    const ends = expiresAt === undefined ? null : new Date(expiresAt).toISOString();
    return { kind, id, name, tenant, role, expires_at: ends };
  };

  mount(app, routes.me, (_, c) => describe(c.get('principal')));

  mount(app, routes.signIn, async ({ body }, c) => {
    const principal = await identifyFrom({ authorization: `Bearer ${body.key}` }, addressOf(c));
    // A token of one session is for a page that follows that session.
    if (principal?.kind !== 'key' || principal.sessionId !== undefined) throw problem('sign_in_failed');
    const isSecure = c.req.header('origin')?.startsWith('https:') ?? false;
    return reply(200, await describe(principal), { 'set-cookie': await signIn.seal(body.key, isSecure) });
  });

  mount(app, routes.signOut, async () =>
    reply(200, { signed_out: true }, { 'set-cookie': await signIn.end() }),
  );
}
