import { createECDH, createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import ece from 'http_ece';
import { importJWK, jwtVerify } from 'jose';

/** A push message, as the browser gets it. */
export interface Pushed {
  to: string;
  headers: IncomingHttpHeaders;
  message: Record<string, unknown>;
  /** Who sent it, by the token. */
  contact: string | undefined;
}

/** A push service with browsers, on loopback: it refuses what the real ones refuse. */
export interface PushService {
  /** A subscription, as `PushSubscription.toJSON()` gives it. */
  subscribe(applicationServerKey: string): {
    endpoint: string;
    keys: { p256dh: string; auth: string };
  };
  all: Pushed[];
  /** What was refused, and why. */
  refused: string[];
  /** Answers with this status from now on. */
  answer(status: number): void;
  close(): Promise<void>;
}

interface Browser {
  ecdh: ReturnType<typeof createECDH>;
  auth: string;
  serverKey: string;
}

export async function startPushService(): Promise<PushService> {
  const browsers = new Map<string, Browser>();
  const all: Pushed[] = [];
  const refused: string[] = [];
  let status = 201;
  let origin = '';

  const receive = async (path: string, headers: IncomingHttpHeaders, body: Buffer): Promise<number> => {
    const browser = browsers.get(path);
    if (!browser) return 410;
    const contact = await checkVapid(headers, { origin, serverKey: browser.serverKey });
    if (headers['content-encoding'] !== 'aes128gcm') throw new Error('another encoding');
    if (!/^\d+$/.test(headers.ttl as string)) throw new Error('no TTL');
    if (headers.topic !== undefined && !/^[\w-]{1,32}$/.test(headers.topic as string))
      throw new Error('a topic that is none');
    if (body.length > 4096) throw new Error('too large');
    const plain = ece.decrypt(body, {
      version: 'aes128gcm',
      privateKey: browser.ecdh,
      authSecret: browser.auth,
    });
    const message = JSON.parse(plain.toString()) as Pushed['message'];
    all.push({ to: origin + path, headers, message, contact });
    return status;
  };

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answered = receive(request.url ?? '', request.headers, Buffer.concat(chunks));
    response.writeHead(
      await answered.catch((error: unknown) => {
        refused.push(String(error));
        return 403;
      }),
    );
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    all,
    refused,
    subscribe(serverKey) {
      const ecdh = createECDH('prime256v1');
      const p256dh = ecdh.generateKeys('base64url');
      const auth = randomBytes(16).toString('base64url');
      const path = `/push/${createHash('sha256').update(p256dh).digest('base64url')}`;
      browsers.set(path, { ecdh, auth, serverKey });
      return { endpoint: origin + path, keys: { p256dh, auth } };
    },
    answer(next) {
      status = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** RFC 8292: the token is for this origin, of the key that the browser subscribed with, and good for a day at most. */
async function checkVapid(
  headers: IncomingHttpHeaders,
  { origin, serverKey }: { origin: string; serverKey: string },
): Promise<string | undefined> {
  const [, token = '', key = ''] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(headers.authorization ?? '') ?? [];
  if (key !== serverKey) throw new Error('the key is not that of the subscription');
  const point = Buffer.from(key, 'base64url');
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  };
  const { payload } = await jwtVerify(token, await importJWK(jwk, 'ES256'), {
    audience: origin,
    algorithms: ['ES256'],
    requiredClaims: ['exp', 'sub'],
  });
  if ((payload.exp ?? 0) > Date.now() / 1000 + 24 * 3_600) throw new Error('the token is good for too long');
  return payload.sub;
}
