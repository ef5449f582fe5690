import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { script } from '../../server/test/support/api.ts';
import { type PushService, startPushService } from '../../server/test/support/push-service.ts';
import { expectAccessible, openConsole, screenshot, type TestConsole } from './support/console.ts';

let console: TestConsole;
let service: PushService;
beforeAll(async () => {
  service = await startPushService();
  console = await openConsole({
    config: { push_contact: 'mailto:ops@example.org', allow_push_urls: 'loopback' },
  });
});
afterAll(async () => {
  await console.close();
  await service.close();
});
afterEach(async () => {
  for (const context of console.browser.contexts()) await context.close();
});

/** A page of a browser that lets the console notify, and whose push service is ours. */
async function open(init: () => void = () => undefined): Promise<Page> {
  const page = await console.open('inbox', {
    permissions: ['notifications'],
    // The page that says that there is no connection.
    allowErrors: /503/,
  });
  const { body } = await console.server.call<{ public_key: string }>('GET', '/push');
  const subscription = service.subscribe(body.public_key);
  await page.addInitScript((given) => {
    let own: unknown = null;
    const made = {
      endpoint: given.endpoint,
      toJSON: () => given,
      unsubscribe: async () => {
        own = null;
        return true;
      },
    };
    PushManager.prototype.subscribe = async () => {
      own = made;
      return made as unknown as PushSubscription;
    };
    PushManager.prototype.getSubscription = async () => own as PushSubscription | null;
  }, subscription);
  await page.addInitScript(init);
  await page.reload();
  await page.evaluate(() => navigator.serviceWorker.ready);
  return page;
}

async function ask(title: string) {
  const { body } = await console.server.call<{ session_id: string }>('POST', '/sessions', { title });
  const message = script({ tools: [{ name: 'Bash', input: { command: 'touch pushed' } }] }, { say: 'done' });
  await console.server.call(
    'POST',
    `/sessions/${body.session_id}/messages`,
    { message },
    {
      headers: { prefer: 'respond-async' },
    },
  );
  return body.session_id;
}
const stop = (session: string) => console.server.call('POST', `/sessions/${session}/interrupt`, {});

interface Note {
  title: string;
  body: string;
  path: string;
}
const notes = (page: Page): Promise<Note[]> =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const shown = await registration.getNotifications();
    return shown.map(({ title, body, data }) => ({ title, body, path: (data as { path: string }).path }));
  });

/** As the browser's push service hands a message over. */
async function deliver(context: BrowserContext, page: Page, message: unknown): Promise<void> {
  const session = await context.newCDPSession(page);
  const found = Promise.withResolvers<string>();
  session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
    const [registration] = registrations;
    if (registration) found.resolve(registration.registrationId);
  });
  await session.send('ServiceWorker.enable');
  await session.send('ServiceWorker.deliverPushMessage', {
    origin: new URL(page.url()).origin,
    registrationId: await found.promise,
    data: JSON.stringify(message),
  });
}

test('the console can be installed', async () => {
  const page = await open();
  const session = await page.context().newCDPSession(page);
  const { errors, url } = await session.send('Page.getAppManifest');
  expect([errors, new URL(url).pathname]).toEqual([[], '/console/manifest.webmanifest']);
  // A window of a test is a private one, which installs nothing.
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(['in-incognito']);
});

test('a push is switched on by the reader, arrives encrypted, and a click on it opens the request', async () => {
  const page = await open(() => Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' }));
  await page.getByRole('button', { name: 'Notifications' }).click();
  const push = page.getByRole('checkbox', { name: /^Also when the console is closed/ });
  expect(await push.isChecked()).toBe(false);
  await push.click();
  await page.getByRole('button', { name: 'Send a test' }).waitFor();
  await screenshot(page, 'notifications');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Send a test' }).click();
  await expect.poll(() => service.all.map(({ message }) => message.type)).toEqual(['test']);
  await page.getByRole('button', { name: 'Close', exact: true }).first().click();

  const session = await ask('Ship it');
  await expect.poll(() => service.all.length, { timeout: 15_000 }).toBe(2);
  const { message } = service.all[1] ?? {};
  expect(message).toMatchObject({ session_title: 'Ship it', tool_name: 'Bash' });
  expect(JSON.stringify(message)).not.toContain('touch');
  // The window must not be seen for a push to be shown: another one is in front.
  const path = `inbox/${session}/${String(message?.request_id)}`;
  const worker = page.context().serviceWorkers()[0];
  await worker?.evaluate(() => {
    const { clients } = self as unknown as { clients: { matchAll(): Promise<{ url: string }[]> } };
    const all = clients.matchAll.bind(clients);
    clients.matchAll = async () =>
      (await all()).map(
        (each) =>
          new Proxy(each, {
            get: (target, name) => {
              if (name === 'visibilityState') return 'hidden';
              const value: unknown = Reflect.get(target, name);
              return typeof value === 'function' ? value.bind(target) : value;
            },
          }),
      );
  });
  await deliver(page.context(), page, message);
  await expect
    .poll(() => notes(page))
    .toEqual([{ title: 'Ship it', body: 'Bash waits for your answer', path }]);
  await worker?.evaluate(async () => {
    const scope = self as unknown as { registration: ServiceWorkerRegistration };
    const [notification] = await scope.registration.getNotifications();
    const click = new Event('notificationclick');
    Object.assign(click, { notification, waitUntil: () => undefined });
    self.dispatchEvent(click);
  });
  await page.waitForURL(`**/console/${path}`);
  await page.getByRole('article', { name: 'Run a command' }).waitFor();
  expect(await notes(page)).toEqual([]);
  await stop(session);
  expect(service.refused).toEqual([]);
});

test('a page in the background says what waits, when its reader wants it', async () => {
  const page = await open(() => Object.defineProperty(document, 'hidden', { get: () => true }));
  const first = await ask('Unheard');
  await page.getByText('Unheard').waitFor();
  expect(await notes(page)).toEqual([]);
  await stop(first);
  await page.getByRole('button', { name: 'Notifications' }).click();
  await page.getByRole('checkbox', { name: /^While the console is open/ }).click();
  const session = await ask('Heard');
  await expect
    .poll(() => notes(page), { timeout: 10_000 })
    .toMatchObject([
      { body: 'Bash waits for your answer', path: expect.stringContaining(`inbox/${session}/`) },
    ]);
  await stop(session);
});

test('without a connection the console says so, and keeps nothing of the server', async () => {
  const page = await open();
  await page.getByRole('heading', { level: 1, name: 'Inbox' }).waitFor();
  expect(await page.evaluate(() => caches.keys())).toEqual([]);
  const offline = await page.evaluate(async () => {
    const { scope } = await navigator.serviceWorker.ready;
    return scope;
  });
  expect(new URL(offline).pathname).toBe('/console/');
  // Its own answer for a page that cannot be had.
  await page.context().setOffline(true);
  await page.goto(page.url()).catch(() => undefined);
  await page.getByRole('heading', { name: 'Offline' }).waitFor();
  await page.context().setOffline(false);
  await page.getByRole('link', { name: 'Try again' }).click();
  await page.getByRole('heading', { level: 1, name: 'Inbox' }).waitFor();
});
