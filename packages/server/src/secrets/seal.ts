import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts texts, each bound to what it belongs to. */
export interface Seal {
  seal(text: string, belongsTo: string): string;
  /** @returns undefined when none of the keys opens it, or it belongs to something else */
  open(sealed: string, belongsTo: string): string | undefined;
}

/** @param keys the first seals, all open */
export function createSeal(keys: readonly [string, ...string[]]): Seal {
  const derived = keys.map((key) =>
    Buffer.from(hkdfSync('sha256', key, '', 'claude-agent-server secrets', 32)),
  );
  const [first] = derived;
  return {
    seal(text, belongsTo) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(CIPHER, first as Buffer, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(belongsTo));
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
    },
    open(sealed, belongsTo) {
      const bytes = Buffer.from(sealed, 'base64');
      const [iv, tag] = [bytes.subarray(0, IV_BYTES), bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)];
      if (tag.length < TAG_BYTES) return undefined;
      for (const key of derived) {
        const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
        decipher.setAAD(Buffer.from(belongsTo));
        decipher.setAuthTag(tag);
        try {
          return (
            decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
          );
        } catch {
          // Another key's.
        }
      }
      return undefined;
    },
  };
}
