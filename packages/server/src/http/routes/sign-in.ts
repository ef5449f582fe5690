import { type Output, routes } from 'claude-agent-protocol';
import type { Context, Hono } from 'hono';
import { SignInFailure } from '../../access/oidc/provider.ts';
import { pageOfConsole, withError } from '../../access/oidc/return-to.ts';
import type { Principal } from '../../access/principal.ts';
import { callerIn, type SignedInUser } from '../../access/sign-in.ts';
import { problem } from '../../errors.ts';
import { cookieOf, type HttpEnv } from '../auth.ts';
import type { AddressOf } from '../client-address.ts';
import type { AppDeps } from '../deps.ts';
import { mount, reply } from '../mount.ts';

/** Who calls, and the cookie of the server's own pages. */
export function signInRoutes(app: Hono<HttpEnv>, deps: AppDeps, addressOf: AddressOf): void {
  const { identifyFrom, signIn, oidc, keys } = deps;

  const describe = async (principal: Principal): Promise<Output<'me'>> => {
    if (principal.kind === 'session') throw problem('forbidden');
    const { kind, id, tenant, role, expiresAt } = principal;
    const name = (await keys.nameOf(id)) ?? principal.name ?? null;
    const ends = expiresAt === undefined ? null : new Date(expiresAt).toISOString();
    return { kind, id, name, tenant, role, expires_at: ends };
  };
  const userOf = async (c: Context<HttpEnv>): Promise<SignedInUser | undefined> => {
    const found = await cookieOf(c, signIn);
    return found && 'user' in found ? found.user : undefined;
  };

  mount(app, routes.me, (_, c) => describe(c.get('principal')));

  mount(app, routes.getSignIn, async (_, c) => ({
    oidc: oidc ? { name: oidc.name } : null,
    renewable: oidc !== undefined && (await userOf(c))?.refreshToken !== undefined,
  }));

  mount(app, routes.signIn, async ({ body }, c) => {
    const principal = await identifyFrom({ authorization: `Bearer ${body.key}` }, addressOf(c));
    // A token of one session is for a page that follows that session.
    if (principal?.kind !== 'key' || principal.sessionId !== undefined) throw problem('sign_in_failed');
    isNow(c, principal);
    const cookie = await signIn.seal({ credential: body.key }, isSecure(c));
    return reply(200, await describe(principal), { 'set-cookie': cookie });
  });

  mount(app, routes.renewSignIn, async (_, c) => {
    const user = await userOf(c);
    if (!oidc || !user) throw problem('sign_in_over');
    const renewed = await oidc.renew(user).catch((error: unknown) => {
      const isLater = error instanceof SignInFailure && error.reason === 'provider_unreachable';
      throw isLater ? problem('provider_unreachable') : problem('sign_in_over');
    });
    const caller = callerIn(renewed);
    if (!caller) throw problem('sign_in_over');
    const cookie = await signIn.seal({ user: renewed }, isSecure(c));
    return reply(200, await describe(caller), { 'set-cookie': cookie });
  });

  mount(app, routes.signOut, async (_, c) => {
    const user = await userOf(c);
    const next = user && (await oidc?.signOut(user, c.req.header('host') ?? ''));
    return reply(
      200,
      { signed_out: true, ...(next !== undefined && { continue_at: next }) },
      { 'set-cookie': await signIn.end() },
    );
  });

  oidcRoutes(app, deps);
}

/** The way to the identity provider and back. A browser shows what these answer, so they send it on to the console in any case. */
function oidcRoutes(app: Hono<HttpEnv>, { oidc, signIn, onError }: AppDeps): void {
  const reasonOf = (error: unknown): string => {
    if (error instanceof SignInFailure) return error.reason;
    onError(error, 'sign somebody in');
    return 'failed';
  };

  mount(app, routes.startOidcSignIn, async (_, c) => {
    const page = c.req.query('return_to');
    try {
      if (!oidc) throw new SignInFailure('not_configured');
      const { url, cookie } = await oidc.begin(page, c.req.header('host') ?? '');
      return redirect(url, [cookie]);
    } catch (error) {
      return redirect(toConsole(c, withError(pageOfConsole(page), reasonOf(error))));
    }
  });

  mount(app, routes.finishOidcSignIn, async (_, c) => {
    let page = '';
    try {
      if (!oidc) throw new SignInFailure('not_configured');
      const login = await oidc.pending(c.req.header('cookie'));
      page = login?.page ?? '';
      const user = await oidc.finish(new URL(c.req.url).search, login);
      const caller = callerIn(user);
      if (!login || !caller) throw new SignInFailure('provider_failed');
      isNow(c, caller);
      const cookie = await signIn.seal({ user }, login.redirectUri.startsWith('https:'));
      return redirect(toConsole(c, page), [cookie, await oidc.forget()]);
    } catch (error) {
      const reason = reasonOf(error);
      c.get('audited')?.note({ reason, ...subjectOf(error) });
      c.get('audited')?.refused('sign_in_failed');
      return redirect(toConsole(c, withError(page, reason)), oidc && [await oidc.forget()]);
    }
  });
}

/** An operator finds the user in the log who has no role. */
const subjectOf = (error: unknown): { subject?: string } =>
  error instanceof SignInFailure && typeof error.cause === 'string' ? { subject: error.cause } : {};

/** The audit log names who has just signed in. */
function isNow(c: Context<HttpEnv>, principal: Principal): void {
  c.set('principal', principal);
  c.set('anonymous', false);
}

const isSecure = (c: Context<HttpEnv>): boolean => c.req.header('origin')?.startsWith('https:') ?? false;

/** A page of the console, relative to the address of the request: a proxy may keep the server below a path. */
const toConsole = (c: Context<HttpEnv>, page: string): string =>
  `${'../'.repeat(new URL(c.req.url).pathname.split('/').length - 2)}console/${page}`;

function redirect(location: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({ location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
  for (const cookie of cookies) headers.append('set-cookie', cookie);
  return new Response(null, { status: 302, headers });
}
