import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../../server/test/support/api.ts';
import {
  expectAccessible,
  expectNoSidewaysScroll,
  openConsole,
  PHONE,
  screenshot,
  type TestConsole,
} from './support/console.ts';

const KEYS = { ada: 'key-of-ada', bob: 'key-of-bob', eve: 'key-of-eve' };
const FORM_SERVER = fileURLToPath(new URL('../../server/test/fixtures/form-server.ts', import.meta.url));

let console: TestConsole;
beforeAll(async () => {
  console = await openConsole({
    config: {
      api_keys: [
        { id: 'ada', key: KEYS.ada, role: 'admin' },
        { id: 'bob', key: KEYS.bob, role: 'approver' },
        { id: 'eve', key: KEYS.eve, role: 'viewer' },
      ],
    },
  });
});
afterAll(() => console.close());
afterEach(async () => {
  for (const context of console.browser.contexts()) await context.close();
  // What a test leaves would wait in the inbox of the next.
  for (const { session_id } of await pending()) await call('POST', `/sessions/${session_id}/interrupt`, {});
});

const call = async <T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> =>
  (
    await console.server.call<T>(method, path, body, {
      headers: { authorization: `Bearer ${KEYS.ada}`, prefer: 'respond-async' },
    })
  ).body;
const pending = async (): Promise<{ session_id: string; request_id: string }[]> =>
  (await call<{ permissions: { session_id: string; request_id: string }[] }>('GET', '/permissions'))
    .permissions;
const create = async (options: Record<string, unknown> = {}): Promise<string> =>
  (await call<{ session_id: string }>('POST', '/sessions', options)).session_id;

interface Turn {
  state: string;
  result: { messages: { type: string; content?: string }[] } | null;
}

/** Sends a message that asks for something; `said` waits for what the agent says in the end. */
async function ask(sessionId: string, ...steps: unknown[]) {
  const { turn_id } = await call<{ turn_id: string }>('POST', `/sessions/${sessionId}/messages`, {
    message: typeof steps[0] === 'string' ? steps[0] : script(...(steps as Parameters<typeof script>)),
  });
  const said = async (): Promise<string> => {
    await expect
      .poll(async () => (await call<Turn>('GET', `/sessions/${sessionId}/turns/${turn_id}`)).state, {
        timeout: 20_000,
      })
      .not.toMatch(/queued|running/);
    const { result } = await call<Turn>('GET', `/sessions/${sessionId}/turns/${turn_id}`);
    return result?.messages.map(({ content = '' }) => content).join('\n') ?? '';
  };
  return { said };
}
const tool = (name: string, input: Record<string, unknown>) => [
  { tools: [{ name, input }] },
  { say: 'after: {{results}}' },
];
const bash = (command: string) => tool('Bash', { command, description: 'of a test' });
const file = (name: string): string => join(console.server.root, name);

const open = (key: keyof typeof KEYS = 'ada', more: Parameters<TestConsole['open']>[1] = {}): Promise<Page> =>
  console.open('inbox', { key: KEYS[key], ...more });
const list = (page: Page) => page.getByRole('list', { name: 'Requests that wait' });
const cards = (page: Page) => page.getByRole('article');
const empty = (page: Page) => page.getByText('Nothing waits for an answer').waitFor();

describe('a request in the inbox', () => {
  test('is a command, and is allowed with one tap on a phone', async () => {
    const session = await create({ title: 'Ship the release' });
    const { said } = await ask(session, ...bash('touch tapped'));
    const page = await open('ada', PHONE);
    const card = page.getByRole('article', { name: 'Run a command' });
    await card.getByRole('group', { name: 'Command' }).getByText('touch tapped').waitFor();
    await card.getByRole('link', { name: 'Ship the release' }).waitFor();
    const box = await card.getByRole('button', { name: 'Allow', exact: true }).boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(44);
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await screenshot(page, 'inbox-phone');
    await card.getByRole('button', { name: 'Allow', exact: true }).tap();
    await list(page).getByText('Allowed by you').waitFor();
    await said();
    expect(existsSync(file('tapped'))).toBe(true);
    await empty(page);
  });

  test('is a change of a file, whose "always" is spelled out and applied', async () => {
    const session = await create({ title: 'Tidy up' });
    writeFileSync(file('notes.txt'), 'old words\n');
    const input = { file_path: file('notes.txt'), old_string: 'old words', new_string: 'new words' };
    const read = { name: 'Read', input: { file_path: file('notes.txt') } };
    const { said } = await ask(
      session,
      { tools: [read] },
      { tools: [{ name: 'Edit', input }] },
      { say: 'done' },
    );
    const page = await open();
    const card = page.getByRole('article', { name: 'Change a file' });
    await card.getByText('old words').waitFor();
    await card.getByText('new words').waitFor();
    await card.getByText('Make file changes without asking, until this session ends').waitFor();
    await screenshot(page, 'inbox-wide');
    await expectAccessible(page);
    await card.getByRole('button', { name: 'Always' }).click();
    await list(page).getByText('Allowed by you').waitFor();
    await said();
    expect(readFileSync(file('notes.txt'), 'utf8')).toBe('new words\n');
    const { permission_mode } = await call('GET', `/sessions/${session}`);
    expect(permission_mode).toBe('acceptEdits');
  });

  test('is a question, answered by a tap on a choice', async () => {
    const session = await create();
    const questions = [
      {
        question: 'Which colour?',
        header: 'Colour',
        multiSelect: false,
        options: [
          { label: 'Red', description: 'Like fire' },
          { label: 'Blue', description: 'Like the sea' },
        ],
      },
    ];
    const { said } = await ask(session, ...tool('AskUserQuestion', { questions }));
    const page = await open();
    const card = page.getByRole('article', { name: 'Answer a question' });
    await card.getByRole('button', { name: 'Send' }).click();
    await card.getByText('Choose an answer, or write one.').waitFor();
    await expectAccessible(page);
    await card.getByRole('button', { name: 'Blue' }).click();
    await list(page).getByText('Answered by you').waitFor();
    expect(await said()).toContain('Blue');
  });

  test('is a plan, sent back with a message and then approved', async () => {
    const session = await create({ permission_mode: 'plan' });
    const { said } = await ask(session, ...tool('ExitPlanMode', { plan: '1. Delete everything' }));
    const page = await open();
    const card = page.getByRole('article', { name: 'Approve a plan' });
    await card.getByRole('group', { name: 'Plan' }).waitFor();
    await card.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Deny with a message' }).click();
    await card.getByRole('textbox').fill('Keep the tests');
    await card.getByRole('button', { name: 'Deny' }).click();
    await list(page).getByText('Denied by you: "Keep the tests"').waitFor();
    expect(await said()).toContain('Keep the tests');
    expect((await call('GET', `/sessions/${session}`)).permission_mode).toBe('plan');

    await ask(session, 'plan write planned.txt with a line');
    await card.getByRole('button', { name: 'Approve' }).click();
    await list(page).getByText('Allowed by you').waitFor();
    await page.getByRole('article', { name: 'Write a file' }).waitFor();
    await page.getByRole('article').getByText('planned.txt').first().waitFor();
    await page.keyboard.press('y');
    await expect.poll(() => existsSync(file('planned.txt')), { timeout: 15_000 }).toBe(true);
  });

  test('is a form, checked before it is sent', async () => {
    const session = await create({
      mcp_servers: { forms: { command: process.execPath, args: [FORM_SERVER] } },
      allowed_tools: ['mcp__forms__order'],
    });
    const { said } = await ask(session, ...tool('mcp__forms__order', {}));
    const page = await open();
    const card = page.getByRole('article', { name: 'Fill in a form of forms' });
    await card.getByText('How many?').first().waitFor();
    await card.getByRole('textbox').first().fill('1.5');
    await card.getByRole('button', { name: 'Send' }).click();
    await card.getByText('This must be a whole number.').waitFor();
    await expectAccessible(page);
    await card.getByRole('textbox').first().fill('3');
    await card.getByRole('button', { name: 'Send' }).click();
    await list(page).getByText('Answered by you').waitFor();
    expect(await said()).toContain('"count":3');
  });
});

test('two people on one inbox: the slower one sees who was quicker, and cannot answer any more', async () => {
  const session = await create({ title: 'For two' });
  const { said } = await ask(session, ...bash('touch quick'));
  const [quick, slow] = [await open('ada'), await open('bob', { allowErrors: /409|ERR_FAILED/ })];
  const button = (page: Page) => cards(page).getByRole('button', { name: 'Allow', exact: true });
  await button(slow).waitFor();
  await button(quick).click();
  await list(slow).getByText('Allowed by ada').waitFor();
  expect(await button(slow).count()).toBe(0);
  await said();

  // Both at the same moment: what the server refuses becomes the same sentence.
  const again = await ask(session, ...bash('touch late'));
  await button(slow).waitFor();
  await slow.route('**/events*', (route) => route.abort());
  const held = Promise.withResolvers<void>();
  await slow.route('**/permissions/respond', async (route) => {
    await held.promise;
    await route.continue();
  });
  await button(slow).click();
  await cards(quick).getByRole('button', { name: 'Deny', exact: true }).click();
  await list(quick).getByText('Denied by you').waitFor();
  held.resolve();
  await list(slow).getByText('Denied by ada').waitFor();
  await again.said();
  expect(existsSync(file('late'))).toBe(false);
});

test('keys answer: j and k move, n denies, m denies with a message, y allows, Enter opens the session', async () => {
  const first = await create({ title: 'First' });
  const one = await ask(first, ...bash('touch one'));
  const page = await open();
  await cards(page).first().waitFor();
  const second = await create({ title: 'Second' });
  const two = await ask(second, ...bash('touch two'));
  const third = await create({ title: 'Third' });
  const three = await ask(third, ...bash('touch three'));
  await expect.poll(() => cards(page).count()).toBe(3);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('j');
  await page.keyboard.press('m');
  await page.keyboard.type('Not in this folder');
  await page.keyboard.press('Control+Enter');
  await list(page).getByText('Denied by you: "Not in this folder"').waitFor();
  expect(await two.said()).toContain('Not in this folder');
  await page.keyboard.press('n');
  await expect.poll(() => cards(page).count()).toBe(1);
  expect(existsSync(file('three'))).toBe(false);
  await three.said();
  await page.keyboard.press('k');
  await page.keyboard.press('y');
  await one.said();
  expect([existsSync(file('one')), existsSync(file('two'))]).toEqual([true, false]);
  await empty(page);

  await ask(first, ...bash('touch four'));
  await cards(page).first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL(`**/console/sessions/${first}`);
  await call('POST', `/sessions/${first}/interrupt`, {});
});

test('a link leads to one request, also when it is answered; its input can be edited', async () => {
  const session = await create({ title: 'Linked' });
  const { said } = await ask(session, ...bash('touch wrong'));
  await expect.poll(pending, { timeout: 10_000 }).toMatchObject([{ session_id: session }]);
  const path = `inbox/${session}/${(await pending())[0]?.request_id}`;
  const page = await console.open(path, { key: KEYS.ada });
  await cards(page).getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
  await page.getByLabel('Command').last().fill('touch right');
  await page.getByRole('button', { name: 'Allow as edited' }).click();
  await page.getByText('Allowed by you').waitFor();
  await said();
  expect([existsSync(file('wrong')), existsSync(file('right'))]).toEqual([false, true]);

  const later = await console.open(path, { key: KEYS.bob });
  await later.getByText('Allowed by ada').waitFor();
  expect(await later.getByRole('button', { name: 'Allow' }).count()).toBe(0);
  const bobs = await open('bob');
  await bobs.getByText('Answered lately').click();
  await bobs.getByText('Allowed by ada').first().waitFor();
  const gone = await console.open(`inbox/${session}/none`, { key: KEYS.ada, allowErrors: /404/ });
  await gone.getByText('This request does not exist').waitFor();
});

test('a viewer looks and cannot answer; in the dark', async () => {
  const session = await create({ title: 'Watched' });
  await ask(session, ...bash('touch seen'));
  const page = await open('eve', { ...PHONE, colorScheme: 'dark' });
  await cards(page).getByRole('group', { name: 'Command' }).getByText('touch seen').waitFor();
  await page.getByText('Your role lets you look, not answer.').waitFor();
  expect(await cards(page).getByRole('button', { name: 'Allow' }).count()).toBe(0);
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);
  await screenshot(page, 'inbox-phone-dark');
  await call('POST', `/sessions/${session}/interrupt`, {});
  await list(page).getByText('The turn was stopped before anybody answered').waitFor();
});
