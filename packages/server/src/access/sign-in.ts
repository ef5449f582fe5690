import { ROLES } from 'claude-agent-protocol';
import { z } from 'zod';
import type { Caller } from './principal.ts';
import type { SealedCookies } from './sealed-cookies.ts';

/** A browser is signed in so long; a key that is revoked before ends it at once, because the cookie holds the key. */
export const LIFETIME_SECONDS = 30 * 86_400;

/** With its name, a browser keeps no more of a cookie. */
const MAX_COOKIE_BYTES = 4_096;

/** A user of the identity provider, as its token said. */
const User = z.object({
  caller: z.object({
    id: z.string(),
    name: z.string().optional(),
    tenant: z.string(),
    role: z.enum(ROLES),
    /** The token's end; asked again of the provider then, if there is a `refreshToken`. */
    expiresAt: z.number(),
  }),
  /** Provider and client. After a change of the configuration nobody is signed in by another. */
  client: z.string(),
  refreshToken: z.string().optional(),
  /** When the browser has to sign in again in any case (ms since 1970). */
  until: z.number(),
});
export type SignedInUser = z.infer<typeof User>;

/** Who a cookie signs in: the caller with a key, or a user of the identity provider. */
export type SignedIn = { credential: string } | { user: SignedInUser };

/**
 * The cookie by which the server's own pages are signed in. With a key it is the key itself: each request opens it and goes on
 * as if it had brought the key, so there is no second rule of who is signed in. Of a user of the identity provider it is what
 * the provider's token said, no longer than that token: tokens with many groups do not fit into a cookie.
 */
export interface SignIn {
  /** The value of `Set-Cookie`. @param secure the page came over HTTPS */
  seal(signedIn: SignedIn, secure: boolean): Promise<string>;
  /** Who is signed in by a `Cookie` header; undefined without a cookie of ours that is still good. The user's token may be over. */
  open(cookies: string | undefined): Promise<SignedIn | undefined>;
  /** The value of `Set-Cookie` that removes it. */
  end(): Promise<string>;
}

/** @param client provider and client of the configuration; undefined: no user of one is signed in */
export function createSignIn(cookies: SealedCookies, client: string | undefined): SignIn {
  const seal = (signedIn: SignedIn, secure: boolean): Promise<string> =>
    cookies.seal('', signedIn, { seconds: secondsOf(signedIn), sameSite: 'Strict', secure });

  return {
    async seal(signedIn, secure) {
      const sealed = await seal(signedIn, secure);
      const length = Buffer.byteLength(sealed.split(';')[0] ?? '');
      if (length <= MAX_COOKIE_BYTES || 'credential' in signedIn) return sealed;
      // Some providers' refresh tokens are long. Without it the user signs in again when the token ends.
      const { refreshToken: _, ...user } = signedIn.user;
      return seal({ user }, secure);
    },

    async open(header) {
      const content = await cookies.open('', header);
      if (content === undefined) return undefined;
      if (typeof content.credential === 'string') return { credential: content.credential };
      const user = User.safeParse(content.user);
      return user.success && user.data.client === client ? { user: user.data } : undefined;
    },

    end: () => cookies.remove('', 'Strict'),
  };
}

/** The caller that a user is, as long as its token is good. */
export const callerIn = ({ caller }: SignedInUser): Caller | undefined =>
  caller.expiresAt > Date.now() ? { kind: 'key', ...caller } : undefined;

/** A user's cookie is of no use after the token, unless another can be had. */
function secondsOf(signedIn: SignedIn): number {
  if ('credential' in signedIn) return LIFETIME_SECONDS;
  const { caller, refreshToken, until } = signedIn.user;
  const end = refreshToken === undefined ? Math.min(until, caller.expiresAt) : until;
  return Math.max(0, Math.floor((end - Date.now()) / 1_000));
}
