import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createSealedCookies } from '../sealed-cookies.ts';
import { createSignIn } from '../sign-in.ts';
import { readOidcConfig } from './oidc-config.ts';
import { clientOf, createOidcSignIn, type Login, type OidcSignIn } from './oidc-sign-in.ts';
import { createProvider, SignInFailure } from './provider.ts';
import { pageOfConsole, withError } from './return-to.ts';

// A provider that does wrong what a real one does not: packages/console/test/oidc.test.ts has that.

const HOST = '127.0.0.1:8000';
const SECRET = Buffer.alloc(32, 7).toString('base64url');
const store = { secret: async () => SECRET };

let http: Server;
let issuer: string;
let key: Awaited<ReturnType<typeof generateKeyPair>>;
let claims: JWTPayload;
/** What the next token answer is made of. */
let answer: (good: JWTPayload) => Promise<Record<string, unknown>> | Record<string, unknown>;
let metadata: Record<string, unknown>;
let isSilent = false;
let asked: URLSearchParams[] = [];
let authorized: (string | undefined)[] = [];
let reported: string[] = [];

const sign = (payload: JWTPayload, by = key.privateKey): Promise<string> =>
  new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(by);
const later = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

beforeAll(async () => {
  key = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(key.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  http = createServer(async (request, response) => {
    if (isSilent) return;
    let body = '';
    for await (const chunk of request) body += chunk;
    const json = async (): Promise<unknown> => {
      if (request.url === '/keys') return { keys: [jwk] };
      if (request.url !== '/token') return metadata;
      asked.push(new URLSearchParams(body));
      authorized.push(request.headers.authorization);
      return { access_token: 'a', token_type: 'bearer', ...(await answer(claims)) };
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(await json()));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterAll(() => {
  http.closeAllConnections();
  http.close();
});

beforeEach(() => {
  asked = [];
  authorized = [];
  reported = [];
  answer = async (good) => ({ id_token: await sign(good) });
  metadata = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ['code'],
  };
});

function open(more: Record<string, unknown> = {}, timeoutSeconds?: number): OidcSignIn {
  const config = readOidcConfig({ issuer, client_id: 'console', client_secret: 'x', ...more }, undefined);
  if (!config) throw new Error('no configuration');
  const onError = (error: unknown, what: string): void => void reported.push(`${what}: ${error}`);
  const cookies = createSealedCookies(store);
  const provider = createProvider(config, onError, timeoutSeconds);
  return createOidcSignIn({ config, cookies, provider, onError });
}

const cookieOf = (setCookie: string): string => setCookie.split(';')[0] ?? '';

/** Begins a login, and lets the provider say yes. */
async function begin(on: OidcSignIn, page?: string): Promise<{ login: Login; search: string; sent: URL }> {
  const { url, cookie } = await on.begin(page, HOST);
  const sent = new URL(url);
  const login = await on.pending(cookieOf(cookie));
  if (!login) throw new Error('no login');
  const now = Math.floor(Date.now() / 1_000);
  claims = {
    iss: issuer,
    aud: 'console',
    sub: 'anna',
    name: 'Anna',
    role: 'user',
    nonce: sent.searchParams.get('nonce') ?? '',
    iat: now,
    exp: now + 300,
  };
  return { login, search: `?code=c&state=${sent.searchParams.get('state')}`, sent };
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'signed in';
  } catch (error) {
    if (error instanceof SignInFailure) return error.reason;
    throw error;
  }
}

describe('signing in at a provider', () => {
  test('sends state, nonce and PKCE along, and the code with the verifier and the secret', async () => {
    const oidc = open({ scopes: ['email'] });
    const { login, search, sent } = await begin(oidc, 'inbox?x=1');
    expect(Object.fromEntries(sent.searchParams)).toMatchObject({
      client_id: 'console',
      redirect_uri: `http://${HOST}/sign-in/oidc/callback`,
      response_type: 'code',
      scope: 'openid email',
      code_challenge_method: 'S256',
    });
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect(sent.searchParams.get(name)?.length, name).toBeGreaterThan(40);
    const user = await oidc.finish(search, login);
    expect(user.caller).toMatchObject({ id: 'jwt:anna', name: 'Anna', role: 'user', tenant: 'default' });
    expect(login.page).toBe('inbox?x=1');
    expect(Object.fromEntries(asked[0] ?? [])).toMatchObject({
      code: 'c',
      code_verifier: login.codeVerifier,
    });
    expect(reported).toEqual([]);
  });

  test.each([
    ['in the header', {}, undefined, true],
    ['in the body where the provider takes it there only', {}, ['client_secret_post'], false],
    ['as the configuration says', { client_auth: 'post' }, ['client_secret_basic'], false],
    ['not at all as a public client', { client_secret: undefined }, undefined, undefined],
  ] as const)('sends its secret %s', async (_, settings, methods, isInHeader) => {
    metadata.token_endpoint_auth_methods_supported = methods;
    const oidc = open(settings);
    const { login, search } = await begin(oidc);
    await oidc.finish(search, login);
    expect(authorized[0]?.startsWith('Basic ') ?? false).toBe(isInHeader === true);
    expect(asked[0]?.get('client_secret') ?? undefined).toBe(isInHeader === false ? 'x' : undefined);
  });

  test('takes its own address from the configuration; from a browser only names of this machine', async () => {
    const behind = open({ public_url: 'https://agents.example/a/' });
    const { url, cookie } = await behind.begin(undefined, 'evil.example');
    expect(new URL(url).searchParams.get('redirect_uri')).toBe(
      'https://agents.example/a/sign-in/oidc/callback',
    );
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600; Secure$/);
    expect(await reasonOf(open().begin(undefined, 'evil.example'))).toBe('not_configured');
    expect(reported.join()).toContain('Set oidc.public_url');
  });

  test('ends only a login of the same browser, with its own state', async () => {
    const oidc = open();
    const [one, two] = [await begin(oidc), await begin(oidc)];
    expect(await reasonOf(oidc.finish(one.search, undefined))).toBe('login_expired');
    expect(await reasonOf(oidc.finish(one.search, two.login))).toBe('login_expired');
    expect(await reasonOf(oidc.finish('?code=c', two.login))).toBe('login_expired');
    expect(await reasonOf(oidc.finish(`${two.search}x`, two.login))).toBe('login_expired');
    // Nothing was asked of the provider, and nobody can fill the log.
    expect([asked, reported]).toEqual([[], []]);
  });

  test('takes no cookie of another use for that of a login, nor the other way round', async () => {
    const oidc = open();
    const { cookie } = await oidc.begin(undefined, HOST);
    const signIn = createSignIn(createSealedCookies(store), 'any');
    const [name, value] = cookieOf(cookie).split(/=(.*)/s);
    expect(await signIn.open(`${name?.replace('_login', '')}=${value}`)).toBeUndefined();
    const session = cookieOf(await signIn.seal({ credential: 'k' }, false)).replace('=', '_login=');
    expect(await oidc.pending(session)).toBeUndefined();
  });

  test.each<[string, (good: JWTPayload) => unknown]>([
    ['with another nonce', (good) => sign({ ...good, nonce: 'another' })],
    ['without a nonce', ({ nonce: _, ...good }) => sign(good)],
    ['of another issuer', (good) => sign({ ...good, iss: 'https://evil.example' })],
    ['for another client', (good) => sign({ ...good, aud: 'other' })],
    ['that is over', (good) => sign({ ...good, exp: later(-120) })],
    ['signed by another key', async (good) => sign(good, (await generateKeyPair('RS256')).privateKey)],
    ['with alg none', (good) => `${part({ alg: 'none' })}.${part(good)}.`],
    ['with alg none and a signature', (good) => `${part({ alg: 'none' })}.${part(good)}.eA`],
    [
      'signed with the secret of the client',
      (good) => new SignJWT(good).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32, 'x')),
    ],
    ['that is none', () => 'ey.ey.ey'],
    ['that is missing', () => undefined],
  ])('refuses an ID token %s', async (_, make) => {
    const oidc = open();
    const { login, search } = await begin(oidc);
    answer = async (good) => ({ id_token: await make(good) });
    expect(await reasonOf(oidc.finish(search, login))).toBe('provider_failed');
    expect(reported).not.toEqual([]);
  });

  test('tells users without a role, and those who said no, from failures', async () => {
    const oidc = open();
    const { login, search } = await begin(oidc);
    answer = async ({ role: _, ...good }) => ({ id_token: await sign(good) });
    expect(await reasonOf(oidc.finish(search, login))).toBe('no_role');
    const state = login.state;
    expect(await reasonOf(oidc.finish(`?error=access_denied&state=${state}`, login))).toBe('access_denied');
    expect(reported).toEqual([]);
    expect(await reasonOf(oidc.finish(`?error=server_error&state=${state}`, login))).toBe('provider_failed');
  });

  test('reads tenant and role where the configuration says', async () => {
    const oidc = open({ role_claim: 'groups', tenant_claim: 'org.name', default_role: 'viewer' });
    const { login, search } = await begin(oidc);
    answer = async (good) => ({ id_token: await sign({ ...good, org: { name: 'acme' } }) });
    expect((await oidc.finish(search, login)).caller).toMatchObject({ tenant: 'acme', role: 'viewer' });
  });

  test('gives up on a provider that does not answer, or does not listen', async () => {
    isSilent = true;
    expect(await reasonOf(open({}, 0.1).begin(undefined, HOST))).toBe('provider_unreachable');
    isSilent = false;
    expect(await reasonOf(open({ issuer: 'http://127.0.0.1:9' }).begin(undefined, HOST))).toBe(
      'provider_unreachable',
    );
  });

  test('does not believe a provider that calls itself another one', async () => {
    metadata.issuer = 'https://evil.example';
    expect(await reasonOf(open().begin(undefined, HOST))).toBe('provider_failed');
  });
});

describe('a user who is signed in', () => {
  const renewing = async () => {
    const oidc = open();
    const { login, search } = await begin(oidc);
    answer = async (good) => ({ id_token: await sign(good), refresh_token: 'r1' });
    return { oidc, user: await oidc.finish(search, login) };
  };

  test('is renewed as the provider knows the user now, and not as somebody else', async () => {
    const { oidc, user } = await renewing();
    const refreshed = ({ nonce: _, ...good }: JWTPayload): JWTPayload => ({ ...good, exp: later(900) });
    answer = async (good) => ({
      id_token: await sign({ ...refreshed(good), role: 'viewer' }),
      refresh_token: 'r2',
    });
    const renewed = await oidc.renew(user);
    expect(renewed).toMatchObject({
      caller: { id: 'jwt:anna', role: 'viewer' },
      refreshToken: 'r2',
      until: user.until,
    });
    expect(renewed.caller.expiresAt).toBeGreaterThan(user.caller.expiresAt);
    expect(asked.at(-1)?.get('refresh_token')).toBe('r1');
    answer = async (good) => ({ id_token: await sign({ ...refreshed(good), sub: 'bert' }) });
    expect(await reasonOf(oidc.renew(user))).toBe('provider_failed');
    answer = async ({ role: _, ...good }) => ({ id_token: await sign(refreshed(good)) });
    expect(await reasonOf(oidc.renew(user))).toBe('no_role');
    answer = () => ({});
    expect(await reasonOf(oidc.renew(user))).toBe('provider_failed');
  });

  test('has a cookie that fits into a browser, without what renews it if need be', async () => {
    const { oidc, user } = await renewing();
    const config = readOidcConfig({ issuer, client_id: 'console' }, undefined);
    const signIn = createSignIn(createSealedCookies(store), clientOf(config));
    const sealed = await signIn.seal({ user }, true);
    expect(sealed).toMatch(/; HttpOnly; SameSite=Strict; Max-Age=(2592000|25919\d\d); Secure$/);
    expect(await signIn.open(cookieOf(sealed))).toEqual({ user });
    const long = await signIn.seal({ user: { ...user, refreshToken: 'r'.repeat(4_000) } }, true);
    expect(cookieOf(long).length).toBeLessThan(4_096);
    const { refreshToken: _, ...without } = user;
    expect(await signIn.open(cookieOf(long))).toEqual({ user: without });
    expect(long).toMatch(/; Max-Age=3[23]\d;/);
    // Nobody is signed in by a provider or client of an earlier configuration.
    for (const client of [undefined, `other at ${issuer}`, 'console at https://other.example'])
      expect(await createSignIn(createSealedCookies(store), client).open(cookieOf(sealed))).toBeUndefined();
    expect(await oidc.signOut(user, HOST)).toBeUndefined();
  });
});

test('a page to go on to is one of the console, whatever the link says', () => {
  for (const page of ['sessions', 'sessions/1?view=all#turn-2', 'inbox/a/b%2Fc'])
    expect(pageOfConsole(page)).toBe(page);
  expect(pageOfConsole('./a/../inbox')).toBe('inbox');
  for (const other of [
    undefined,
    '',
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/console2',
    '/sign-in/oidc',
    '../sessions',
    '%2e%2e/x/../..',
    'javascript:alert(1)',
    'https://console.invalid.evil.example/console/',
    'https://user@console.invalid/console/',
    'x'.repeat(2_001),
  ])
    expect(pageOfConsole(other), other).toBe('');
  // Below "../console/" this is still a path of this server.
  expect(`../console/${pageOfConsole('.//evil.example')}`).toBe('../console//evil.example');
  expect(withError('inbox?x=1#y', 'no_role')).toBe('inbox?x=1&sign_in_error=no_role#y');
  expect(withError('', 'no_role')).toBe('?sign_in_error=no_role');
});

describe('the settings of a provider', () => {
  const read = (settings: Parameters<typeof readOidcConfig>[0], jwt?: Parameters<typeof readOidcConfig>[1]) =>
    readOidcConfig(settings, jwt);
  const jwt = { issuer: 'https://id.example', audience: 'a', jwks_url: 'https://id.example/k' };

  test('need issuer and client, and one secret at most', () => {
    expect(read(undefined)).toBeUndefined();
    expect(() => read({ issuer: 'https://id.example' })).toThrow('oidc.client_id');
    const both = {
      issuer: 'https://id.example',
      client_id: 'a',
      client_secret: 'b',
      client_secret_file: 'c',
    };
    expect(() => read(both)).toThrow('Remove one');
    expect(() => read({ ...both, client_secret: undefined, client_secret_file: '/none' })).toThrow('/none');
  });

  test('go together with tokens of the same provider only, and take their claims from there', () => {
    expect(() => read({ issuer: 'https://other.example', client_id: 'a' }, jwt)).toThrow('must be the same');
    expect(
      read(
        { issuer: 'https://id.example', client_id: 'a', tenant_claim: 't' },
        { ...jwt, role_claim: 'groups', tenant_claim: 'org' },
      ),
    ).toMatchObject({ name: 'id.example', claims: { role_claim: 'groups', tenant_claim: 't' } });
  });
});
