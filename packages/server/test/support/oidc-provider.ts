import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import { type Configuration, Provider } from 'oidc-provider';
import { vi } from 'vitest';

export interface TestProvider {
  issuer: string;
  /** What the configuration of a server says to sign in here. */
  settings: Record<string, unknown>;
  /** Registers the servers, by the addresses that browsers reach them at. */
  register(...servers: string[]): void;
  /** What the provider knows of its users besides their name, by the login. */
  users: Map<string, Record<string, unknown>>;
  /** While it is down, connections are cut. */
  setDown(isDown: boolean): void;
  close(): Promise<void>;
}

export const CLIENT_SECRET = 'the-secret-of-the-client-is-long-enough';
/** Also of another client, which the provider knows as well. */
export const OTHER_CLIENT = 'other';

/** A real provider (certified by the OpenID Foundation) with its own pages for login and consent. */
export async function startTestProvider(): Promise<TestProvider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256' };
  const users = new Map<string, Record<string, unknown>>();
  // It warns of what is for development only.
  const quiet = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'info')];
  for (const spy of quiet) spy.mockImplementation(() => undefined);
  let answer: ReturnType<Provider['callback']> | undefined;
  let isDown = false;
  const http = createServer((request, response) => {
    if (isDown || !answer) request.socket.destroy();
    else answer(request, response);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  // Another site than 127.0.0.1, where servers are: browsers send cookies across sites as they say.
  const issuer = `http://localhost:${(http.address() as AddressInfo).port}`;

  const configuration = (servers: string[]): Configuration => {
    const client = {
      client_secret: CLIENT_SECRET,
      redirect_uris: servers.map((url) => `${url}/sign-in/oidc/callback`),
      post_logout_redirect_uris: servers.map((url) => `${url}/console/`),
      grant_types: ['authorization_code', 'refresh_token'],
    };
    return {
      clients: [
        { client_id: 'console', ...client },
        { client_id: OTHER_CLIENT, ...client },
      ],
      jwks: { keys: [jwk] },
      cookies: { keys: ['a key for the cookies of the provider'] },
      claims: { openid: ['sub', 'role', 'tenant'], profile: ['name'] },
      conformIdTokenClaims: false,
      findAccount: (_, sub) => ({
        accountId: sub,
        claims: () => ({ sub, name: `Name of ${sub}`, ...users.get(sub) }),
      }),
      features: { revocation: { enabled: true } },
      issueRefreshToken: async () => true,
      rotateRefreshToken: true,
      ttl: { IdToken: 300 },
    };
  };

  return {
    issuer,
    settings: { issuer, client_id: 'console', client_secret: CLIENT_SECRET, name: 'Test ID' },
    register(...servers) {
      answer = new Provider(issuer, configuration(servers)).callback();
    },
    users,
    setDown(is) {
      isDown = is;
      if (is) http.closeAllConnections();
    },
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
      for (const spy of quiet) spy.mockRestore();
    },
  };
}

/**
 * What a browser does at the provider: fills in the form for the login, says yes, and is sent back.
 * @param url where a server has sent the browser
 * @returns where the provider sends it
 */
export async function passProvider({ issuer }: TestProvider, url: string, login: string): Promise<string> {
  const jar = new Map<string, string>();
  const go = async (to: string, form?: Record<string, string>): Promise<Response> => {
    const response = await fetch(to, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const each of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(each) ?? [];
      jar.set(name, value);
    }
    return response;
  };
  let next = url;
  let form: Record<string, string> | undefined;
  while (next.startsWith(issuer)) {
    const response = await go(next, form);
    form = undefined;
    const location = response.headers.get('location');
    const page = await response.text();
    if (location === null) {
      const [, action = ''] = /<form[^>]* action="([^"]+)"/.exec(page) ?? [];
      form = page.includes('name="login"')
        ? { prompt: 'login', login, password: 'any' }
        : { prompt: 'consent' };
      next = new URL(action, next).href;
    } else next = new URL(location, next).href;
  }
  return next;
}
