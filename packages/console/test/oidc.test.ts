/** Signing in at an identity provider: a real one (oidc-provider, certified), in a real browser. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CLIENT_SECRET,
  OTHER_CLIENT,
  startTestProvider,
  type TestProvider,
} from '../../server/test/support/oidc-provider.ts';
import { expectAccessible, openConsole, PHONE, screenshot, type TestConsole } from './support/console.ts';
import { startPrefixProxy } from './support/prefix-proxy.ts';

const ROOT = 'key-of-the-operator';

let provider: TestProvider;
let console: TestConsole;
let proxy: Awaited<ReturnType<typeof startPrefixProxy>>;
beforeAll(async () => {
  provider = await startTestProvider();
  console = await openConsole({
    args: ['--demo'],
    env: { AGENT_SERVER_API_KEY: ROOT },
    config: { oidc: provider.settings },
  });
  proxy = await startPrefixProxy(console.server.url);
  provider.register(console.server.url);
  provider.users.set('anna', { role: ['staff', 'user'], tenant: 'acme' });
  provider.users.set('vera', { role: 'viewer' });
});
afterAll(async () => {
  await proxy.close();
  await console.close();
  await provider.close();
});

/** A browser of its own at a page of the console; it goes to the provider, so its faults are not watched. */
async function browse(path: string, options = {}): Promise<{ context: BrowserContext; page: Page }> {
  const context = await console.browser.newContext(options);
  // A style of the provider's pages comes from elsewhere.
  await context.route(/googleapis/, (route) => route.abort());
  const page = await context.newPage();
  await page.goto(`${console.server.url}/console/${path}`);
  return { context, page };
}

const signInLink = (page: Page) => page.getByRole('link', { name: 'Sign in with Test ID' });
const alert = (page: Page, text: string) => page.getByRole('alert').filter({ hasText: text }).waitFor();

/** The provider's own form. */
async function logIn(page: Page, login: string): Promise<void> {
  await page.getByPlaceholder('Enter any login').fill(login);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
}
const consent = (page: Page) => page.getByRole('button', { name: 'Continue' }).click();

async function signIn(path: string, login: string) {
  const browser = await browse(path);
  await signInLink(browser.page).click();
  await logIn(browser.page, login);
  await consent(browser.page);
  return browser;
}

const me = (page: Page) =>
  page.evaluate(async () => {
    const response = await fetch(new URL('../me', document.baseURI));
    return { status: response.status, body: await response.json() };
  });

const auditOf = async (action: string) =>
  (
    await console.server.call<{ entries: Record<string, unknown>[] }>(
      'GET',
      `/audit?action=${action}`,
      undefined,
      { headers: { authorization: `Bearer ${ROOT}` } },
    )
  ).body.entries;

describe('signing in at an identity provider', () => {
  test('offers it beside the key', async () => {
    const page = await console.open('inbox', { ...PHONE, allowErrors: /401/ });
    await signInLink(page).waitFor();
    await page.getByLabel('Key').waitFor();
    await expectAccessible(page);
    await screenshot(page, 'sign-in-oidc-phone');
  });

  test('comes back to the page that was asked for, as the user with the role of the token', async () => {
    const { page, context } = await signIn('usage?from=2026-01-01', 'anna');
    await page.getByRole('heading', { level: 1, name: 'Usage' }).waitFor();
    expect(page.url()).toBe(`${console.server.url}/console/usage?from=2026-01-01`);
    expect((await me(page)).body).toMatchObject({
      id: 'jwt:anna',
      name: 'Name of anna',
      tenant: 'acme',
      role: 'user',
    });
    await page.getByRole('button', { name: 'Name of anna' }).waitFor();
    // Nothing of it can be read by a script, and nothing of the login is left.
    expect(await page.evaluate(() => document.cookie)).toBe('');
    const cookies = (await context.cookies()).filter(({ name }) => name.startsWith('claude_agent_'));
    expect(cookies).toEqual([expect.objectContaining({ httpOnly: true, sameSite: 'Strict', path: '/' })]);
    expect(await auditOf('finishOidcSignIn')).toContainEqual(
      expect.objectContaining({
        status: 302,
        problem: null,
        actor: { kind: 'jwt', id: 'jwt:anna', role: 'user', tenant: 'acme' },
      }),
    );
    await context.close();
  });

  test('renews the sign-in before it ends, and when the browser has slept longer than that', async () => {
    const { page, context } = await browse('sessions');
    await page.clock.install();
    await signInLink(page).click();
    await logIn(page, 'vera');
    await consent(page);
    const heading = page.getByRole('heading', { level: 1, name: 'Sessions' });
    await heading.waitFor();
    const first = (await me(page)).body.expires_at;
    // Tokens count whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const renewal = () => page.waitForResponse((response) => response.url().endsWith('/sign-in/renew'));
    const renewed = renewal();
    await page.clock.fastForward(280_000);
    expect((await renewed).status()).toBe(200);
    const second = (await me(page)).body.expires_at;
    expect(Date.parse(second)).toBeGreaterThan(Date.parse(first));
    // As the server answers after the token's end; its clock is that of this machine.
    const over = { status: 401, json: { status: 401, code: 'unauthorized', detail: 'over' } };
    await page.route(/\/me$/, (route) => route.fulfill(over), { times: 1 });
    const again = renewal();
    await page.reload();
    expect((await again).status()).toBe(200);
    await heading.waitFor();
    // Who has lost the role is out with the next token.
    provider.users.set('vera', {});
    await page.route(/\/me$/, (route) => route.fulfill(over), { times: 1 });
    await page.reload();
    await signInLink(page).waitFor();
    provider.users.set('vera', { role: 'viewer' });
    await context.close();
  });

  test('signs out here and at the provider', async () => {
    const { page, context } = await signIn('sessions', 'anna');
    await page.getByRole('button', { name: 'Name of anna' }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await signInLink(page).waitFor();
    expect((await me(page)).status).toBe(401);
    expect(await auditOf('signOut')).toContainEqual(
      expect.objectContaining({ actor: expect.objectContaining({ id: 'jwt:anna' }) }),
    );
    // The provider asks who it is again.
    await signInLink(page).click();
    await page.getByPlaceholder('Enter any login').waitFor();
    await context.close();
  });

  test('works below the path prefix of a proxy', async () => {
    // The settings that this needs are the server's own: another one on the same provider would be slower than this test.
    const response = await fetch(`${proxy.url}/agents/sign-in/oidc?return_to=inbox`, { redirect: 'manual' });
    expect(response.headers.get('location')).toContain(provider.issuer);
    const refused = await fetch(`${proxy.url}/agents/sign-in/oidc/callback?code=x`, { redirect: 'manual' });
    const to = new URL(refused.headers.get('location') ?? '', refused.url);
    expect(to.href).toBe(`${proxy.url}/agents/console/?sign_in_error=login_expired`);
    const { page, context } = await browse('');
    await page.goto(`${proxy.url}/agents/console/inbox`);
    expect(await signInLink(page).getAttribute('href')).toBe(
      `${proxy.url}/agents/sign-in/oidc?return_to=inbox`,
    );
    await context.close();
  });
});

describe('nobody is signed in', () => {
  test('who has no role, and is told so where the way led to', async () => {
    const { page, context } = await signIn('inbox', 'eve');
    await alert(page, 'you have no role on this server');
    expect(page.url()).toBe(`${console.server.url}/console/inbox`);
    await expectAccessible(page);
    await screenshot(page, 'sign-in-oidc-error');
    expect(await auditOf('finishOidcSignIn')).toContainEqual(
      expect.objectContaining({
        status: 401,
        problem: 'sign_in_failed',
        actor: { kind: 'unknown', id: null, role: null, tenant: null },
        params: { reason: 'no_role', subject: 'eve' },
      }),
    );
    await context.close();
  });

  test('who says no at the provider', async () => {
    const { page, context } = await browse('gateway');
    await signInLink(page).click();
    await page.getByText('Cancel').click();
    await alert(page, 'the identity provider said no');
    await context.close();
  });

  /** The address to which the provider sends a browser back, which does not go there yet. */
  async function callbackOf(login: string) {
    const { context, page } = await browse('sessions');
    await signInLink(page).click();
    await logIn(page, login);
    await page.getByRole('button', { name: 'Continue' }).waitFor();
    const action = (await page.locator('form').getAttribute('action')) ?? '';
    const form = { prompt: 'consent' };
    const submitted = await context.request.post(new URL(action, page.url()).href, { form, maxRedirects: 0 });
    const resumed = await context.request.get(submitted.headers().location ?? '', { maxRedirects: 0 });
    return { context, page, url: resumed.headers().location ?? '' };
  }

  test('in another browser than the one that began, and with a state or a code of another login', async () => {
    const mine = await callbackOf('anna');
    const victim = await browse('sessions');
    // The attacker's own callback in the victim's browser, which has begun no login, or another one.
    await victim.page.goto(mine.url);
    await alert(victim.page, 'begun in another browser');
    await signInLink(victim.page).click();
    await victim.page.getByPlaceholder('Enter any login').waitFor();
    await victim.page.goto(mine.url);
    await alert(victim.page, 'begun in another browser');
    expect((await me(victim.page)).status).toBe(401);
    // The victim's state with the attacker's code: PKCE and the nonce do not fit.
    const theirs = await callbackOf('vera');
    const mixed = new URL(theirs.url);
    mixed.searchParams.set('code', new URL(mine.url).searchParams.get('code') ?? '');
    await theirs.page.goto(mixed.href);
    await alert(theirs.page, 'Sign in again');
    const changed = new URL(mine.url);
    changed.searchParams.set('state', `${changed.searchParams.get('state')}x`);
    await mine.page.goto(changed.href);
    await alert(mine.page, 'Sign in again');
    for (const { context } of [mine, victim, theirs]) await context.close();
  });

  test('by a callback that was used before, even with the cookies of then', async () => {
    const { page, context, url } = await callbackOf('anna');
    const cookies = await context.cookies();
    await page.goto(url);
    await page.getByRole('heading', { level: 1, name: 'Sessions' }).waitFor();
    const thief = await browse('');
    await thief.context.addCookies(cookies.filter(({ name }) => name.endsWith('_login')));
    await thief.page.goto(url);
    await alert(thief.page, 'was used already');
    expect((await me(thief.page)).status).toBe(401);
    await context.close();
    await thief.context.close();
  });

  test('with a code that the provider gave to another client', async () => {
    const mine = await callbackOf('anna');
    const redirect = new URL(mine.url);
    const state = redirect.searchParams.get('state') ?? '';
    const ask = new URL('/auth', provider.issuer);
    ask.search = new URLSearchParams({
      client_id: OTHER_CLIENT,
      redirect_uri: redirect.origin + redirect.pathname,
      response_type: 'code',
      scope: 'openid',
      state,
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    }).toString();
    await mine.page.goto(ask.href);
    await consent(mine.page);
    await alert(mine.page, 'Sign in again');
    expect((await me(mine.page)).status).toBe(401);
    await mine.context.close();
  });

  test('while the provider is down, which the page says, also when it goes down in between', async () => {
    const { page, context, url } = await callbackOf('anna');
    provider.setDown(true);
    await page.goto(url);
    await alert(page, 'does not answer');
    provider.setDown(false);
    await context.close();
  });

  test('and no link leads to another site', async () => {
    const { page, context } = await browse('');
    await page.goto(
      `${console.server.url}/sign-in/oidc?return_to=${encodeURIComponent('https://evil.example/')}`,
    );
    await page.getByText('Cancel').click();
    await alert(page, 'said no');
    expect(page.url()).toBe(`${console.server.url}/console/sessions`);
    await context.close();
  });
});

test('secrets of the provider are neither shown nor logged', async () => {
  const { body } = await console.server.call('GET', '/operations', undefined, {
    headers: { authorization: `Bearer ${ROOT}` },
  });
  expect(JSON.stringify(body)).toContain('oidc.client_secret');
  expect(JSON.stringify(body)).not.toContain(CLIENT_SECRET);
  expect(console.server.stderr()).not.toContain(CLIENT_SECRET);
});
