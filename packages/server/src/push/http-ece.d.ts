declare module 'http_ece' {
  import type { ECDH } from 'node:crypto';

  /** Encrypted content coding (RFC 8188), with the keys of Web Push (RFC 8291). */
  const ece: {
    encrypt(
      plain: Buffer,
      how: { version: 'aes128gcm'; privateKey: ECDH; dh: string; authSecret: string },
    ): Buffer;
    decrypt(coded: Buffer, how: { version: 'aes128gcm'; privateKey: ECDH; authSecret: string }): Buffer;
  };
  export default ece;
}
