import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible, screenshot } from './support/console.ts';
import { choose, openSessions, row, rows } from './support/sessions.ts';

const world = openSessions();
const { call, create, send, detail, open, shownSession } = world;
const root = (): string => world.server.root;

describe('a new session', () => {
  test('is made in a folder that was found, and gets the first message', async () => {
    for (const path of ['alpha/deep', 'beta']) mkdirSync(join(root(), path), { recursive: true });
    const page = await open();
    await page.getByText('No open sessions').waitFor();
    await screenshot(page, 'sessions-empty');
    await expectAccessible(page);
    await page.keyboard.press('c');
    const dialog = page.getByRole('dialog', { name: 'New session' });
    await dialog.getByLabel('First message').fill('say I am here');
    await dialog.getByRole('button', { name: 'Browse' }).click();
    await dialog.getByRole('button', { name: root() }).click();
    await dialog.getByRole('button', { name: 'alpha' }).click();
    await dialog.getByRole('button', { name: 'deep' }).waitFor();
    await dialog.getByRole('button', { name: 'Up' }).click();
    await dialog.getByRole('button', { name: 'beta' }).click();
    await expect
      .poll(() => dialog.getByLabel('Folder', { exact: true }).inputValue())
      .toBe(join(root(), 'beta'));
    await screenshot(page, 'sessions-create');
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Create session' }).click();
    const id = await shownSession(page);
    expect(await detail(id)).toMatchObject({ cwd: join(root(), 'beta'), message_count: 1 });
    await expect.poll(async () => (await detail(id)).last_outcome).toBe('completed');
    await page.goBack();
    await rows(page).getByText('Idle').waitFor();
  });

  test('has all that was filled in, with a model of the list', async () => {
    const page = await open('sessions?dialog=create');
    const dialog = page.getByRole('dialog', { name: 'New session' });
    const model = dialog.getByRole('combobox', { name: 'Model' });
    await model.fill('demo');
    const option = dialog.getByRole('option', { name: /demo/ });
    expect(await option.textContent()).toContain('free');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await dialog.getByLabel('Permission mode').selectOption('plan');
    await dialog.getByText('More options').click();
    await dialog.getByLabel('Title').fill('Filled in');
    await dialog.getByLabel('Budget in dollars').fill('2.5');
    await dialog.getByLabel('Tools that it does not have').fill('WebFetch\nWebSearch');
    await dialog.getByLabel('Text of the system prompt').fill('Be brief.');
    await dialog.getByLabel('Tags').fill('team=red');
    await dialog.getByLabel('Other options (JSON)').fill('{"start": "lazy", "on_crash": "resume"}');
    await expectAccessible(page);
    await screenshot(page, 'sessions-create-more');
    await dialog.getByRole('button', { name: 'Create session' }).click();
    const id = await shownSession(page);
    expect(await detail(id)).toMatchObject({
      title: 'Filled in',
      current_model: 'demo',
      permission_mode: 'plan',
      metadata: { team: 'red' },
    });
  });

  test('that the server refuses says why at each field', async () => {
    const page = await open('sessions?dialog=create', { allowErrors: /status of 4\d\d/ });
    const dialog = page.getByRole('dialog', { name: 'New session' });
    const submit = () => dialog.getByRole('button', { name: 'Create session' }).click();
    const wrong = async (label: string, text: string): Promise<void> => {
      const field = dialog.getByLabel(label, { exact: true });
      await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true');
      const described = await field.getAttribute('aria-describedby');
      expect(await page.locator(`[id="${described}"]`).textContent()).toContain(text);
    };
    await dialog.getByText('More options').click();
    await dialog.getByLabel('MCP servers (JSON)').fill('{"docs":');
    await submit();
    await wrong('MCP servers (JSON)', 'This is not JSON');
    await dialog.getByLabel('MCP servers (JSON)').fill('{"docs": {"type": "http", "url": "nowhere"}}');
    await dialog.getByLabel('Budget in dollars').fill('-1');
    await dialog.getByLabel('Other options (JSON)').fill('{"on_crash": "give up"}');
    // The fields with faults are shown again.
    await dialog.getByText('More options').click();
    await submit();
    await wrong('MCP servers (JSON)', 'docs.url');
    await wrong('Budget in dollars', '');
    await wrong('Other options (JSON)', 'on_crash');
    await expectAccessible(page);
    await screenshot(page, 'sessions-create-refused');
    for (const label of ['MCP servers (JSON)', 'Budget in dollars', 'Other options (JSON)']) {
      await dialog.getByLabel(label).fill('');
    }
    await dialog.getByLabel('Folder', { exact: true }).fill('/etc');
    await submit();
    await wrong('Folder', 'outside the allowed roots');
  });
});

describe('a session of the list', () => {
  let id: string;
  const file = (): string => join(root(), 'rewound.txt');
  beforeAll(async () => {
    id = await create({ title: 'To work on', start: 'now', permission_mode: 'acceptEdits' });
    world.keep();
    await send(id, 'write rewound.txt with first');
    await send(id, 'edit rewound.txt: replace first with second');
  }, 60_000);

  test('is renamed', async () => {
    const page = await open();
    await choose(page, 'To work on', 'Rename');
    const dialog = page.getByRole('dialog', { name: 'Rename the session' });
    await dialog.getByLabel('Title').fill('Renamed');
    await expectAccessible(page);
    await page.keyboard.press('Enter');
    await row(page, 'Renamed').waitFor();
    expect(await detail(id)).toMatchObject({ title: 'Renamed' });
  });

  test('rewinds files after a look at which', async () => {
    expect(readFileSync(file(), 'utf8')).toContain('second');
    const page = await open();
    await choose(page, 'Renamed', 'Rewind files');
    const dialog = page.getByRole('dialog', { name: 'Rewind files' });
    const action = dialog.getByRole('button', { name: 'Rewind files' });
    expect(await action.isDisabled()).toBe(true);
    const messages = dialog.getByLabel('Back to before this message');
    await messages.selectOption({ label: 'edit rewound.txt: replace first with second' });
    await dialog.getByRole('region', { name: 'Files that change' }).getByText('rewound.txt').waitFor();
    await expectAccessible(page);
    await screenshot(page, 'sessions-rewind');
    expect(readFileSync(file(), 'utf8')).toContain('second');
    await action.click();
    await page.getByText('1 file rewound', { exact: true }).waitFor();
    expect(readFileSync(file(), 'utf8')).toContain('first');
  });

  test('is forked up to a message', async () => {
    const page = await open();
    await choose(page, 'Renamed', 'Fork');
    const dialog = page.getByRole('dialog', { name: 'Fork the session' });
    await dialog.getByLabel('Title of the new session').fill('The fork');
    const keep = dialog.getByLabel('Keep the conversation');
    await expect.poll(() => keep.locator('option').count()).toBeGreaterThan(2);
    await keep.selectOption({ index: 1 });
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Fork', exact: true }).click();
    const fork = await shownSession(page);
    expect(await detail(fork)).toMatchObject({ title: 'The fork', forked_from: id });
  });

  test('is exported, closed, erased and imported again', async () => {
    const page = await open();
    const download = page.waitForEvent('download');
    await choose(page, 'Renamed', 'Export');
    const exported = await (await download).path();
    const taken = join(world.server.home, 'exported.jsonl');
    writeFileSync(taken, readFileSync(exported));
    expect((await download).suggestedFilename()).toBe(`${id}.jsonl`);

    await choose(page, 'Renamed', 'Close');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Close session' }).click();
    await dialog.waitFor({ state: 'detached' });
    await row(page, 'Renamed').waitFor({ state: 'detached' });
    expect(await detail(id)).toMatchObject({ status: 'closed' });

    await page.goto(`${world.server.url}/console/sessions?status=all`);
    await choose(page, 'Renamed', 'Erase');
    const erase = dialog.getByRole('button', { name: 'Erase for good' });
    expect(await erase.isDisabled()).toBe(true);
    await expectAccessible(page);
    await dialog.getByLabel('Type "erase" to confirm').fill('erase');
    await erase.click();
    await dialog.waitFor({ state: 'detached' });
    await row(page, 'Renamed').waitFor({ state: 'detached' });
    expect((await call('GET', `/sessions/${id}`)).status).toBe(404);

    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Import' }).click();
    const importing = page.getByRole('dialog', { name: 'Import a session' });
    await importing.getByLabel('Exported file (.jsonl)').setInputFiles(taken);
    await expectAccessible(page);
    await importing.getByRole('button', { name: 'Import', exact: true }).click();
    expect(await shownSession(page)).toBe(id);
    world.keep();
    expect(await detail(id)).toMatchObject({ title: 'Renamed', status: 'closed' });
  });

  test('is resumed from the list, and from the disk', async () => {
    const page = await open('sessions?status=all');
    await choose(page, 'Renamed', 'Resume');
    expect(await shownSession(page)).toBe(id);
    expect(await detail(id)).toMatchObject({ status: 'connected' });
    await call('DELETE', `/sessions/${id}`);
    await page.goto(`${world.server.url}/console/sessions?dialog=resume`);
    const dialog = page.getByRole('dialog', { name: 'Resume a conversation from disk' });
    await dialog
      .getByRole('button', { name: /^Resume: / })
      .first()
      .waitFor();
    await expectAccessible(page);
    await screenshot(page, 'sessions-resume');
    await dialog.getByRole('button', { name: 'Resume: Renamed' }).click();
    expect(await shownSession(page)).toBe(id);
  });
});
