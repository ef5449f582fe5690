import { createECDH, createPublicKey, generateKeyPairSync } from 'node:crypto';
import ece from 'http_ece';
import { importJWK, type JWK, SignJWT } from 'jose';
import type { PushSubscriptionRecord, VapidKeys } from '../store/push.ts';

const HOUR = 3_600;
/** Push services take tokens of at most 24 hours. */
const TOKEN_SECONDS = 12 * HOUR;
/** An uncompressed point on P-256. */
const POINT_BYTES = 65;
const SECRET_BYTES = 16;

export function makeVapidKeys(): VapidKeys {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = privateKey.export({ format: 'jwk' });
  const [x, y] = [jwk.x ?? '', jwk.y ?? ''].map((part) => Buffer.from(part, 'base64url'));
  const point = Buffer.concat([Buffer.from([4]), x ?? Buffer.alloc(0), y ?? Buffer.alloc(0)]);
  return { publicKey: point.toString('base64url'), privateJwk: JSON.stringify(jwk) };
}

/** Whether a browser's keys can be encrypted for. */
export function isKeyOfBrowser({ p256dh, auth }: { p256dh: string; auth: string }): boolean {
  const point = Buffer.from(p256dh, 'base64url');
  if (point.length !== POINT_BYTES || point[0] !== 4) return false;
  if (Buffer.from(auth, 'base64url').length !== SECRET_BYTES) return false;
  try {
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'));
    createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' } });
    return true;
  } catch {
    return false;
  }
}

export interface PushMessage {
  text: string;
  /** How long the push service keeps it for a browser that is not there. */
  ttlSeconds: number;
  /** A later message of the same topic replaces one that was not delivered yet; at most 32 letters of base64url. */
  topic?: string | undefined;
}

/** What a push service is sent: encrypted for the browser (RFC 8291), signed with the server's key (RFC 8292). */
export async function encodePush(
  { endpoint, p256dh, auth }: Pick<PushSubscriptionRecord, 'endpoint' | 'p256dh' | 'auth'>,
  { text, ttlSeconds, topic }: PushMessage,
  { keys, contact }: { keys: VapidKeys; contact: string },
): Promise<{ headers: Record<string, string>; body: Buffer }> {
  const own = createECDH('prime256v1');
  own.generateKeys();
  const body = ece.encrypt(Buffer.from(text), {
    version: 'aes128gcm',
    privateKey: own,
    dh: p256dh,
    authSecret: auth,
  });
  const token = await new SignJWT()
    .setProtectedHeader({ typ: 'JWT', alg: 'ES256' })
    .setAudience(new URL(endpoint).origin)
    .setSubject(contact)
    .setExpirationTime(Math.floor(Date.now() / 1000) + TOKEN_SECONDS)
    .sign(await importJWK(JSON.parse(keys.privateJwk) as JWK, 'ES256'));
  const headers = {
    'content-type': 'application/octet-stream',
    'content-encoding': 'aes128gcm',
    ttl: String(ttlSeconds),
    urgency: 'high',
    ...(topic !== undefined && { topic }),
    authorization: `vapid t=${token}, k=${keys.publicKey}`,
  };
  return { headers, body };
}
