import { createHash, randomBytes } from 'node:crypto';
import { EncryptJWT, type JWTPayload, jwtDecrypt } from 'jose';
import type { Store } from '../store/store.ts';

export interface SealOptions {
  /** How long it is good. */
  seconds: number;
  /** `Strict`: only for the server's own pages. `Lax`: also when another site sends the browser here. */
  sameSite: 'Strict' | 'Lax';
  /** The page came over HTTPS. */
  secure: boolean;
}

/**
 * Cookies that only this server can read (JWE, AES-256-GCM), with a secret of the store: they are good on every node,
 * and no node has to remember anything.
 */
export interface SealedCookies {
  /** The value of `Set-Cookie`. @param use tells cookies of different use apart: one cannot stand for another */
  seal(use: string, content: JWTPayload, options: SealOptions): Promise<string>;
  /** The content of a cookie in a `Cookie` header; undefined without one of ours that is still good. */
  open(use: string, cookies: string | undefined): Promise<JWTPayload | undefined>;
  /** The value of `Set-Cookie` that removes it. */
  remove(use: string, sameSite: SealOptions['sameSite']): Promise<string>;
}

export function createSealedCookies(store: Pick<Store, 'secret'>): SealedCookies {
  let known: Promise<{ key: Uint8Array; prefix: string }> | undefined;
  // Read when it is first needed: most servers have no page open.
  const read = async () => {
    const secret = await store.secret('sign-in', randomBytes(32).toString('base64url'));
    // Browsers send cookies to every port of a host, so each database has a name of its own.
    const prefix = `claude_agent_${createHash('sha256').update(secret).digest('hex').slice(0, 8)}`;
    return { key: Buffer.from(secret, 'base64url'), prefix };
  };
  const secret = () => {
    known ??= read().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
  const attributes = (seconds: number, sameSite: string): string =>
    `Path=/; HttpOnly; SameSite=${sameSite}; Max-Age=${seconds}`;
  const nameOf = (prefix: string, use: string): string => (use === '' ? prefix : `${prefix}_${use}`);

  return {
    async seal(use, content, { seconds, sameSite, secure }) {
      const { key, prefix } = await secret();
      const sealed = await new EncryptJWT({ ...content, use })
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setExpirationTime(Math.floor(Date.now() / 1_000) + seconds)
        .encrypt(key);
      return `${nameOf(prefix, use)}=${sealed}; ${attributes(seconds, sameSite)}${secure ? '; Secure' : ''}`;
    },

    async open(use, cookies) {
      if (!cookies?.includes('claude_agent_')) return undefined;
      const { key, prefix } = await secret();
      const name = `${nameOf(prefix, use)}=`;
      const found = cookies
        .split(';')
        .map((each) => each.trim())
        .find((each) => each.startsWith(name));
      if (found === undefined) return undefined;
      try {
        const { payload } = await jwtDecrypt(found.slice(name.length), key, {
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
        });
        return (payload.use ?? '') === use ? payload : undefined;
      } catch {
        // Over, or sealed by another server: like no cookie.
        return undefined;
      }
    },

    async remove(use, sameSite) {
      const { prefix } = await secret();
      return `${nameOf(prefix, use)}=; ${attributes(0, sameSite)}`;
    },
  };
}
