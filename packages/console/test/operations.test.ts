import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  expectAccessible,
  expectNoSidewaysScroll,
  openConsole,
  PHONE,
  screenshot,
  type TestConsole,
} from './support/console.ts';

const ROOT = 'key-of-the-operator';
const as = { headers: { authorization: `Bearer ${ROOT}` } };

let console: TestConsole;
beforeAll(async () => {
  console = await openConsole({
    args: ['--demo'],
    env: { AGENT_SERVER_API_KEY: ROOT },
    config: { limits: { per_key: { requests_per_minute: 5000 } }, allow_webhook_urls: 'any' },
  });
  const { server } = console;
  const made = await server.call<{ session_id: string }>(
    'POST',
    '/sessions',
    { title: 'the costly one' },
    as,
  );
  await server.call('POST', `/sessions/${made.body.session_id}/messages`, { message: 'hello' }, as);
});
afterAll(() => console.close());

const makeKey = async (role: string, name: string): Promise<string> =>
  (await console.server.call<{ key: string }>('POST', '/keys', { role, name }, as)).body.key;

describe('the page about usage', () => {
  test('shows tokens by model, what sessions cost, and the limits of the reader', async () => {
    const page = await console.open('usage', { key: ROOT });
    await page.getByRole('table', { name: 'By model' }).getByRole('row', { name: /^demo/ }).waitFor();
    await page.getByRole('img', { name: 'Cost of the last 30 days' }).locator('canvas').waitFor();
    await page.getByLabel('Told apart by').selectOption('Tenant');
    await page.getByRole('table', { name: 'Cost of the last 30 days' }).getByText('default').waitFor();
    await page.getByRole('row', { name: /Requests a minute.*\/ 5,000/ }).waitFor();
    await screenshot(page, 'usage');
    await expectAccessible(page);
  });

  test('fits on a phone in the dark', async () => {
    const page = await console.open('usage', { ...PHONE, key: ROOT, colorScheme: 'dark' });
    await page.getByText('Input tokens').first().waitFor();
    await screenshot(page, 'usage-phone-dark');
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
  });
});

describe('the page about the gateway', () => {
  test('shows the models with prices, and the calls that have ended', async () => {
    const page = await console.open('gateway', { key: ROOT });
    const calls = page.getByRole('table', { name: 'Recent calls' });
    await calls
      .getByRole('row', { name: /demo.*Done/ })
      .first()
      .waitFor();
    await page
      .getByRole('table', { name: 'Models of new sessions' })
      .getByText('Default', { exact: true })
      .waitFor();
    await screenshot(page, 'gateway');
    await expectAccessible(page);
  });
});

describe('the page about operations', () => {
  test('shows the server, its settings without secrets, and who changed what', async () => {
    const page = await console.open('operations', { key: ROOT });
    await page
      .getByText('Sessions that are open', { exact: false })
      .or(page.getByText('Open sessions'))
      .first()
      .waitFor();
    await page.getByRole('table', { name: 'Configuration' }).getByText('allow_commands').waitFor();
    await page.getByRole('table', { name: 'Audit log' }).getByText('createSession').first().waitFor();
    expect(await page.content()).not.toContain(ROOT);
    await screenshot(page, 'operations');
    await expectAccessible(page);
  });

  test('changes the name and the limits of a key', async () => {
    const key = await makeKey('user', 'of a worker');
    const page = await console.open('operations', { key: ROOT });
    await page
      .getByRole('row', { name: /of a worker/ })
      .getByRole('button', { name: 'Change' })
      .click();
    const dialog = page.getByRole('dialog', { name: 'Change this key' });
    await dialog.getByLabel('Name').fill('of a slow worker');
    await dialog.getByLabel('Budget in dollars').fill('2.5');
    await dialog.getByLabel('Requests a minute').fill('1');
    await screenshot(page, 'change-key');
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('row', { name: /of a slow worker/ }).waitFor();
    const { body } = await console.server.call<{ limits: Record<string, unknown>[] }>(
      'GET',
      '/limits',
      undefined,
      {
        headers: { authorization: `Bearer ${key}` },
      },
    );
    expect(body.limits).toMatchObject([{ limit: 'requests_per_minute', of: 'key', max: 1 }]);
  });

  test('revokes a key, after a question', async () => {
    const key = await makeKey('user', 'of a robot');
    const page = await console.open('operations', { key: ROOT });
    const row = page.getByRole('row', { name: /of a robot/ });
    await row.getByRole('button', { name: 'Revoke' }).click();
    const question = page.getByRole('dialog', { name: 'Revoke this key?' });
    await expectAccessible(page);
    await question.getByRole('button', { name: 'Revoke' }).click();
    await row.getByText('Revoked').waitFor();
    const answer = await console.server.call('GET', '/me', undefined, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(answer.status).toBe(401);
  });

  test('makes a key and shows it this once', async () => {
    const page = await console.open('operations', { key: ROOT });
    await page.getByRole('button', { name: 'New key' }).click();
    const dialog = page.getByRole('dialog', { name: 'New key' });
    await dialog.getByLabel('Name').fill('of the build');
    await dialog.getByLabel('Role').selectOption('viewer');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    const key = (await dialog.getByText(/^cak_/).textContent()) ?? '';
    await expectAccessible(page);
    const me = await console.server.call<{ role: string }>('GET', '/me', undefined, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(me.body.role).toBe('viewer');
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByRole('row', { name: /of the build.*Viewer/ }).waitFor();
    expect(await page.content()).not.toContain(key);
  });

  test('shows what webhooks were sent, and sends it again', async () => {
    const got: string[] = [];
    const receiver = createServer((request, response) => {
      got.push(String(request.headers['webhook-id']));
      request.resume().on('end', () => response.end());
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    await console.server.call('POST', '/webhooks', { url, events: ['session.created'] }, as);
    await console.server.call('POST', '/sessions', { start: 'lazy' }, as);
    await vi.waitFor(() => expect(got).toHaveLength(1), 20_000);
    const page = await console.open('operations', { key: ROOT });
    await page.getByRole('row', { name: url }).getByRole('button', { name: 'Deliveries' }).click();
    const row = page.getByRole('dialog').getByRole('row', { name: /session.created.*Delivered/ });
    await row.waitFor();
    await expectAccessible(page);
    await row.getByRole('button', { name: 'Send again' }).click();
    await vi.waitFor(() => expect(got).toHaveLength(2), 20_000);
    expect(got[1]).toBe(got[0]);
    receiver.closeAllConnections();
    receiver.close();
  });

  test('is not for viewers, and fits on a phone', async () => {
    const viewer = await makeKey('viewer', 'of a guest');
    const page = await console.open('operations', { key: viewer });
    await page.getByText('Your role does not allow this page.').waitFor();
    const phone = await console.open('operations', { ...PHONE, key: ROOT });
    await phone.getByText('Open sessions').waitFor();
    await screenshot(phone, 'operations-phone');
    await expectNoSidewaysScroll(phone);
  });
});

describe('signing in', () => {
  test('asks for a key, keeps it out of the page, and signs out', async () => {
    const key = await makeKey('approver', 'the phone');
    // A browser reports answers of 401 on its console by itself.
    const page = await console.open('inbox', { allowErrors: /401/ });
    await page.getByLabel('Key').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This key cannot sign in', { exact: false }).waitFor();
    await expectAccessible(page);
    await screenshot(page, 'sign-in');
    await page.getByLabel('Key').fill(key);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { level: 1, name: 'Inbox' }).waitFor();
    const seen = await page.evaluate(() => [
      document.cookie,
      JSON.stringify(localStorage),
      JSON.stringify(sessionStorage),
      document.documentElement.outerHTML,
    ]);
    expect(seen.join()).not.toContain(key);
    expect(seen[0]).toBe('');
    await page.getByRole('button', { name: 'the phone' }).click();
    await page.getByRole('menu').waitFor();
    await expectAccessible(page);
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByLabel('Key').waitFor();
  });
});
