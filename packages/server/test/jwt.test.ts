import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// Tokens of an identity provider: a real JWKS endpoint on loopback, and keys made here.

const ISSUER = 'https://id.example';
const AUDIENCE = 'agents';

let issuer: Server;
let server: TestServer;
/** What the issuer publishes. */
let published: JWK[] = [];
let asked = 0;
let first: { privateKey: CryptoKey; publicKey: CryptoKey };

async function newKey(kid: string) {
  const pair = await generateKeyPair('RS256', { extractable: true });
  return { ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg: 'RS256', use: 'sig' } };
}

beforeAll(async () => {
  const key = await newKey('one');
  first = key;
  published = [key.jwk];
  issuer = createServer((_, response) => {
    asked++;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published }));
  });
  issuer.listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  server = await startTestServer({
    args: ['--demo'],
    config: {
      jwt: {
        issuer: ISSUER,
        audience: AUDIENCE,
        jwks_url: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`,
        role_claim: 'realm.roles',
      },
    },
  });
});
afterAll(async () => {
  await cleanUp(server);
  issuer.close();
});

interface Claims {
  tenant?: unknown;
  realm?: unknown;
  [name: string]: unknown;
}

const sign = (
  claims: Claims = {},
  {
    key = first.privateKey,
    kid = 'one',
    issuedBy = ISSUER,
    audience = AUDIENCE,
    subject = 'anna',
    expires = '5m' as string | number,
  } = {},
): Promise<string> =>
  new SignJWT({ tenant: 'acme', realm: { roles: ['offline_access', 'user'] }, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid })
    .setIssuer(issuedBy)
    .setAudience(audience)
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(key);

const call = (token: string | undefined, method = 'GET', path = '/sessions', body?: unknown) =>
  server.call<Record<string, unknown>>(method, path, body, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });

test('a token is its subject, with the tenant and the role that its claims name', async () => {
  const anna = await sign();
  const { status, body } = await call(anna, 'POST', '/sessions', { start: 'lazy' });
  expect(status).toBe(200);
  const path = `/sessions/${body.session_id}`;
  expect((await call(anna, 'GET', path)).status).toBe(200);
  const bert = await sign({}, { subject: 'bert' });
  expect((await call(bert, 'GET', path)).status).toBe(404);
  const admin = await sign({ realm: { roles: ['user', 'admin'] } }, { subject: 'bert' });
  expect((await call(admin, 'GET', path)).status).toBe(200);
  const foreign = await sign({ tenant: 'other', realm: { roles: ['admin'] } });
  expect((await call(foreign, 'GET', path)).status).toBe(404);
  const viewer = await sign({ realm: { roles: ['viewer'] } });
  expect((await call(viewer, 'POST', '/sessions', { start: 'lazy' })).body.code).toBe('role_insufficient');
});

test('without a key or a token nobody is let in', async () => {
  expect((await call(undefined)).status).toBe(401);
});

describe('a token is refused', () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const payload = () => ({
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'eve',
    tenant: 'acme',
    realm: { roles: ['operator'] },
    exp: Math.floor(Date.now() / 1000) + 300,
  });

  test.each<[string, () => Promise<string>]>([
    ['that has expired', () => sign({}, { expires: Math.floor(Date.now() / 1000) - 120 })],
    ['of another issuer', () => sign({}, { issuedBy: 'https://evil.example' })],
    ['for another audience', () => sign({}, { audience: 'elsewhere' })],
    [
      'signed by another key under the same id',
      async () => sign({}, { key: (await newKey('one')).privateKey }),
    ],
    ['without a role', () => sign({ realm: { roles: ['something'] } })],
    ['whose tenant is no name', () => sign({ tenant: '../x' })],
    ['whose tenant is a list', () => sign({ tenant: ['acme'] })],
    ['that is not valid yet', () => sign({ nbf: Math.floor(Date.now() / 1000) + 600 })],
    ['with alg none', async () => `${part({ alg: 'none' })}.${part(payload())}.`],
    ['with alg none and a signature', async () => `${part({ alg: 'none' })}.${part(payload())}.eA`],
    [
      'signed with the public key as a shared secret (key confusion)',
      async () => {
        const text = `${part({ alg: 'HS256', kid: 'one' })}.${part(payload())}`;
        const secret = await exportSPKI(first.publicKey);
        return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
      },
    ],
    [
      'that brings its own key',
      async () => {
        const evil = await newKey('evil');
        return new SignJWT(payload())
          .setProtectedHeader({ alg: 'RS256', jwk: evil.jwk })
          .sign(evil.privateKey);
      },
    ],
    [
      'whose payload was changed',
      async () => {
        const [head, , signature] = (await sign()).split('.');
        return `${head}.${part(payload())}.${signature}`;
      },
    ],
    ['that is none', async () => 'ey.ey.ey'],
  ])('%s', async (_, make) => {
    expect((await call(await make())).status).toBe(401);
  });

  test('and one that never expires', async () => {
    const token = await new SignJWT({ tenant: 'acme', realm: { roles: ['user'] } })
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject('anna')
      .sign(first.privateKey);
    expect((await call(token)).status).toBe(401);
  });
});

test('a stream ends with its token', async () => {
  // The clocks' tolerance of 30 s counts here too.
  const token = await sign({}, { expires: Math.floor(Date.now() / 1000) - 28 });
  const stream = await server.openStream('/events', { headers: { authorization: `Bearer ${token}` } });
  await expect(
    (async () => {
      while (!(await stream.next()).done);
      throw new Error('the end of the stream');
    })(),
  ).rejects.toThrow();
  expect((await call(token)).status).toBe(401);
}, 15_000);

test('the keys are fetched once, and again only for a token that names another', async () => {
  const before = asked;
  for (let n = 0; n < 5; n++) expect((await call(await sign())).status).toBe(200);
  expect(asked).toBe(before);
});
