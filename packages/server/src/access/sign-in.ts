import { createHash, randomBytes } from 'node:crypto';
import { EncryptJWT, jwtDecrypt } from 'jose';
import type { Store } from '../store/store.ts';

/** A browser is signed in so long; a key that is revoked before ends it at once, because the cookie holds the key. */
const LIFETIME_SECONDS = 30 * 86_400;

/**
 * The cookie by which the server's own pages are signed in: the caller's credential, sealed (JWE, AES-256-GCM) with a
 * secret of the store. Each request opens it and goes on as if it had brought the credential itself, so there is
 * no second rule of who is signed in. It is good on every node, and for nobody else.
 */
export interface SignIn {
  /** The value of `Set-Cookie`. @param secure the page came over HTTPS */
  seal(credential: string, secure: boolean): Promise<string>;
  /** The credential in a `Cookie` header; undefined without one of ours that is still good. */
  open(cookies: string | undefined): Promise<string | undefined>;
  /** The value of `Set-Cookie` that removes it. */
  end(): Promise<string>;
}

export function createSignIn(store: Pick<Store, 'secret'>): SignIn {
  let known: Promise<{ key: Uint8Array; cookie: string }> | undefined;
  // Read when it is first needed: most servers have no page open.
  const read = async () => {
    const secret = await store.secret('sign-in', randomBytes(32).toString('base64url'));
    // Browsers send cookies to every port of a host, so each database has a name of its own.
    const cookie = `claude_agent_${createHash('sha256').update(secret).digest('hex').slice(0, 8)}`;
    return { key: Buffer.from(secret, 'base64url'), cookie };
  };
  const secret = () => {
    known ??= read().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
  const attributes = (seconds: number): string => `Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}`;

  return {
    async seal(credential, secure) {
      const { key, cookie } = await secret();
      const sealed = await new EncryptJWT({ credential })
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setExpirationTime(Math.floor(Date.now() / 1_000) + LIFETIME_SECONDS)
        .encrypt(key);
      return `${cookie}=${sealed}; ${attributes(LIFETIME_SECONDS)}${secure ? '; Secure' : ''}`;
    },

    async open(cookies) {
      if (!cookies?.includes('claude_agent_')) return undefined;
      const { key, cookie } = await secret();
      const found = cookies
        .split(';')
        .map((each) => each.trim())
        .find((each) => each.startsWith(`${cookie}=`));
      if (found === undefined) return undefined;
      try {
        const { payload } = await jwtDecrypt(found.slice(cookie.length + 1), key, {
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
        });
        return typeof payload.credential === 'string' ? payload.credential : undefined;
      } catch {
        // Over, or sealed by another server: like no cookie.
        return undefined;
      }
    },

    async end() {
      return `${(await secret()).cookie}=; ${attributes(0)}`;
    },
  };
}
