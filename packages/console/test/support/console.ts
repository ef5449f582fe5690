import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { expect } from 'vitest';
import {
  cleanUp,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from '../../../server/test/support/server.ts';

/** Debian's; CLAUDE_TEST_CHROMIUM names another. */
const CHROMIUM = process.env.CLAUDE_TEST_CHROMIUM ?? '/usr/bin/chromium';
const BUILD = fileURLToPath(new URL('../../build.ts', import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The sizes that pages are looked at in. */
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;
export const WIDE = { viewport: { width: 1440, height: 900 } } as const;

export interface TestConsole {
  server: TestServer;
  browser: Browser;
  /** A new window with its own cookies. Its faults fail the test when the console is closed. */
  open(path?: string, options?: OpenOptions): Promise<Page>;
  close(): Promise<void>;
}

export interface OpenOptions extends BrowserContextOptions {
  /** Signs in with this key first. */
  key?: string;
  /** What the page may say on its console, for a test that breaks something on purpose. */
  allowErrors?: RegExp;
}

/**
 * The real server with the console, and a real browser. At the end it fails for any error on a page's console, for a
 * request to another host, and for a violation of the content security policy.
 */
export async function openConsole(
  options: TestServerOptions & { server?: TestServer } = {},
): Promise<TestConsole> {
  // Quick when nothing has changed. Two test files that start together build one after the other at worst.
  execFileSync(process.execPath, [BUILD, '--if-needed'], { stdio: 'inherit' });
  const server = options.server ?? (await startTestServer(options));
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const faults: string[] = [];
  const contexts: BrowserContext[] = [];

  const open: TestConsole['open'] = async (path = '', { key, allowErrors, ...more } = {}) => {
    const context = await browser.newContext({ ...WIDE, locale: 'en-GB', timezoneId: 'UTC', ...more });
    contexts.push(context);
    const page = await context.newPage();
    watch(page, new URL(server.url).host, (fault) => {
      if (!allowErrors?.test(fault)) faults.push(fault);
    });
    if (key !== undefined) {
      await context.request.post(`${server.url}/sign-in`, { data: { key } });
    }
    await page.goto(`${server.url}/console/${path}`);
    return page;
  };

  return {
    server,
    browser,
    open,
    async close() {
      for (const context of contexts) await context.close();
      await browser.close();
      if (!options.server) await cleanUp(server);
      expect(faults).toEqual([]);
    },
  };
}

function watch(page: Page, host: string, fault: (text: string) => void): void {
  page.on('console', (message) => {
    // The policy's violations are errors too.
    if (message.type() === 'error') fault(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => fault(`${error.stack}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && url.host !== host) fault(`a request to ${url}`);
  });
}

/** Fails for what people with a keyboard, a screen reader or weak eyes cannot use (axe, WCAG 2.2 AA). */
export async function expectAccessible(page: Page): Promise<void> {
  // Past the content security policy: it is the test's script, not the page's. An open menu stands outside of the page's landmarks; the focus
  // goes there by itself ("region" is a best practice, not WCAG).
  const found = await page.evaluate(
    `${AXE};axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
      .then(({ violations }) => violations.filter(({ id }) => id !== 'region' || !document.querySelector('[role=menu]')).map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => html + ' ' + failureSummary) })))`,
  );
  expect(found).toEqual([]);
}

/** Fails when the page is wider than its window. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(content).toBeLessThanOrEqual(window ?? 0);
}

/** Keeps a picture in the folder that CONSOLE_SCREENSHOTS names, for people to look at; without it there is none. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.CONSOLE_SCREENSHOTS;
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
}
