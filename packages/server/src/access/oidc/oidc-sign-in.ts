import { isLoopback } from 'claude-agent-protocol';
import { endpoints } from 'claude-agent-protocol/endpoints';
import { z } from 'zod';
import { callerOf } from '../jwt.ts';
import { sameText } from '../same-text.ts';
import type { SealedCookies } from '../sealed-cookies.ts';
import { LIFETIME_SECONDS, type SignedInUser } from '../sign-in.ts';
import type { OidcConfig } from './oidc-config.ts';
import { type Issued, type Provider, SignInFailure } from './provider.ts';
import { pageOfConsole } from './return-to.ts';

/** A login that takes longer is begun again: people look for their second factor. */
const LOGIN_SECONDS = 600;
const LOGIN = 'login';

const Login = z.object({
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  redirectUri: z.string(),
  page: z.string(),
});
export type Login = z.infer<typeof Login>;

/**
 * Signing in at an identity provider: authorization code with PKCE, state and nonce (RFC 9700). The server remembers nothing
 * of a login: a sealed cookie of the browser that began it does, so any node can end it, and no other browser.
 */
export interface OidcSignIn {
  /** What people call the provider. */
  name: string;
  /**
   * @param page where the user was going, as the link says
   * @param host as the browser names this server
   * @returns the provider's address, and the value of `Set-Cookie`
   * @throws SignInFailure
   */
  begin(page: string | undefined, host: string): Promise<{ url: string; cookie: string }>;
  /** The login that this browser has begun. */
  pending(cookies: string | undefined): Promise<Login | undefined>;
  /**
   * @param search the query with which the provider sends the browser back
   * @throws SignInFailure
   */
  finish(search: string, login: Login | undefined): Promise<SignedInUser>;
  /** The value of `Set-Cookie` that removes what a login has kept. */
  forget(): Promise<string>;
  /** The user as the provider knows it now. @throws SignInFailure when the provider does not any more */
  renew(user: SignedInUser): Promise<SignedInUser>;
  /**
   * Ends what the provider has given.
   * @returns where the browser goes on to sign out there; undefined: nowhere
   */
  signOut(user: SignedInUser, host: string): Promise<string | undefined>;
}

/** Names provider and client in cookies. */
export const clientOf = (config: OidcConfig | undefined): string | undefined =>
  config && `${config.clientId} at ${config.issuer}`;

interface OidcSignInDeps {
  config: OidcConfig;
  cookies: SealedCookies;
  provider: Provider;
  /** Told what an operator has to know. */
  onError(error: unknown, what: string): void;
}

export function createOidcSignIn({ config, cookies, provider, onError }: OidcSignInDeps): OidcSignIn {
  const { name, claims, publicUrl } = config;
  const client = clientOf(config) ?? '';

  /** This server as the provider has registered it. Only names of this machine are taken from a request: others could be anybody's. */
  const baseOf = (host: string): string => {
    if (publicUrl !== undefined) return publicUrl;
    if (isLoopback(host.replace(/:\d+$/, ''))) return `http://${host}`;
    onError(
      new Error(`The address of this server is not known: a browser calls it ${host}. Set oidc.public_url.`),
      'sign in at the identity provider',
    );
    throw new SignInFailure('not_configured');
  };

  const userOf = ({ claims: said, refreshToken }: Issued, until: number): SignedInUser => {
    const { id, name: called, tenant, role, expiresAt } = callerOf(said, claims) ?? {};
    if (id === undefined || tenant === undefined || role === undefined || expiresAt === undefined) {
      throw new SignInFailure('no_role', said.sub);
    }
    const caller = { id, tenant, role, expiresAt, ...(called !== undefined && { name: called }) };
    return { caller, client, ...(refreshToken !== undefined && { refreshToken }), until };
  };

  return {
    name,

    async begin(page, host) {
      const base = baseOf(host);
      const { checks, url } = await provider.begin(base + endpoints.finishOidcSignIn.path);
      const login: Login = { ...checks, page: pageOfConsole(page) };
      const cookie = await cookies.seal(LOGIN, login, {
        seconds: LOGIN_SECONDS,
        // The provider's site sends the browser back.
        sameSite: 'Lax',
        secure: base.startsWith('https:'),
      });
      return { url, cookie };
    },

    async pending(header) {
      const login = Login.safeParse(await cookies.open(LOGIN, header));
      return login.success ? login.data : undefined;
    },

    async finish(search, login) {
      const state = new URLSearchParams(search).get('state') ?? '';
      // Somebody else's callback must not sign this browser in, so nothing is asked of the provider for it.
      if (!login || !sameText(state, login.state)) throw new SignInFailure('login_expired');
      return userOf(await provider.finish(search, login), Date.now() + LIFETIME_SECONDS * 1_000);
    },

    forget: () => cookies.remove(LOGIN, 'Lax'),

    async renew(user) {
      if (user.refreshToken === undefined) throw new SignInFailure('login_expired');
      const renewed = userOf(await provider.refresh(user.refreshToken), user.until);
      if (renewed.caller.id !== user.caller.id) throw new SignInFailure('provider_failed');
      return renewed;
    },

    async signOut({ refreshToken }, host) {
      // Without the provider the browser is signed out here all the same.
      const given = (): undefined => undefined;
      if (refreshToken !== undefined) await provider.revoke(refreshToken).catch(given);
      if (!config.endSession) return undefined;
      return (async () => provider.endSession(`${baseOf(host)}${endpoints.console.path}/`))().catch(given);
    },
  };
}
