import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  expectAccessible,
  expectNoSidewaysScroll,
  openConsole,
  PHONE,
  screenshot,
  type TestConsole,
} from './support/console.ts';
import { startPrefixProxy } from './support/prefix-proxy.ts';

/** Compressed JavaScript that a page may load before it can be used. */
const FIRST_LOAD_BYTES = 250 * 1024;

let console: TestConsole;
beforeAll(async () => {
  console = await openConsole({ args: ['--demo'] });
});
afterAll(() => console.close());

const navigation = (page: Page) => page.getByRole('navigation', { name: 'Main' });

describe('the shell of the console', () => {
  test('opens on the sessions, without a key on a server without keys', async () => {
    const page = await console.open();
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/console/sessions');
    await screenshot(page, 'shell-wide');
    await expectAccessible(page);
  });

  test('offers three things to try where only the demo model is, and shows the first at work', async () => {
    const page = await console.open();
    await page.getByRole('heading', { name: 'Three things to try' }).waitFor();
    await screenshot(page, 'first-run');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'write hello.txt' }).click();
    await page.waitForURL(/\/console\/sessions\/[0-9a-f-]{36}/);
    await page.getByRole('button', { name: 'Allow', exact: false }).first().click();
    await vi.waitFor(
      () => expect(readFileSync(join(console.server.root, 'hello.txt'), 'utf8')).toContain('Hello from'),
      30_000,
    );
    await screenshot(page, 'first-session');
  });

  test('goes to the pages by their links, by keys and by the command palette', async () => {
    const page = await console.open();
    await navigation(page).getByRole('link', { name: 'Inbox' }).click();
    await page.getByRole('heading', { level: 1, name: 'Inbox' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('u');
    await page.getByRole('heading', { level: 1, name: 'Usage' }).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').waitFor();
    await expectAccessible(page);
    await page.keyboard.type('operat');
    await page.getByRole('option', { name: 'Operations', selected: true }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Operations' }).waitFor();
  });

  test('fits on a phone, in the dark too', async () => {
    const page = await console.open('', { ...PHONE, colorScheme: 'dark' });
    await page.getByRole('heading', { level: 1 }).waitFor();
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
    await screenshot(page, 'shell-phone-dark');
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
  });

  test('says that a page does not exist', async () => {
    const page = await console.open('no/such/page');
    await page.getByText('This page does not exist').waitFor();
    await page.getByRole('link', { name: 'Go to the sessions' }).click();
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  });

  test('loads less than 250 KB of JavaScript before it can be used', async () => {
    const page = await console.open();
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    const loaded = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .filter(({ name }) => name.endsWith('.js'))
        .map((entry) => (entry as PerformanceResourceTiming).encodedBodySize),
    );
    expect(loaded.length).toBeGreaterThan(0);
    const total = loaded.reduce((sum, bytes) => sum + bytes, 0);
    expect(total).toBeGreaterThan(0);
    expect(total).toBeLessThan(FIRST_LOAD_BYTES);
  });
});

describe('the files of the console', () => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${console.server.url}${path}`, { headers, redirect: 'manual' });

  test('come compressed, and those with a hash to be kept', async () => {
    const html = await (await get('/console/')).text();
    const [, script = ''] = /src="\.\/(assets\/[^"]+\.js)"/.exec(html) ?? [];
    const response = await get(`/console/${script}`, { 'accept-encoding': 'br' });
    expect(response.headers.get('content-encoding')).toBe('br');
    expect(response.headers.get('cache-control')).toContain('immutable');
    expect(response.headers.get('content-type')).toContain('javascript');
  });

  test('are found under a path prefix of a proxy', async () => {
    const proxy = await startPrefixProxy(console.server.url);
    try {
      const page = await (await console.browser.newContext()).newPage();
      await page.goto(`${proxy.url}/agents/console`);
      await page.getByRole('heading', { name: 'Sessions' }).waitFor();
      expect(page.url()).toBe(`${proxy.url}/agents/console/sessions`);
      await page.goto(`${proxy.url}/agents/console/inbox`);
      await page.getByRole('heading', { level: 1, name: 'Inbox' }).waitFor();
      const under = `${proxy.url}/agents/console/`;
      expect(
        await page.evaluate(async () => {
          const { scope, active } = await navigator.serviceWorker.ready;
          return { scope, worker: active?.scriptURL };
        }),
      ).toEqual({ scope: under, worker: `${under}sw.js` });
      const session = await page.context().newCDPSession(page);
      const { errors, url, manifest } = await session.send('Page.getAppManifest');
      expect({ errors, url }).toEqual({ errors: [], url: `${under}manifest.webmanifest` });
      expect(manifest).toMatchObject({ scope: under, startUrl: `${under}inbox` });
      await page.context().close();
    } finally {
      await proxy.close();
    }
  });

  test('are those of the build, and no others', async () => {
    for (const path of [
      '/console/assets/none.js',
      '/console/../package.json',
      '/console/%2e%2e/package.json',
    ]) {
      expect((await get(path)).status).toBe(404);
    }
  });
});
