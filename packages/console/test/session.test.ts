import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../../server/test/support/api.ts';
import { expectAccessible, openConsole, screenshot, type TestConsole } from './support/console.ts';
import { card, field, PIXEL, rows, send } from './support/session.ts';

let console: TestConsole;
beforeAll(async () => {
  console = await openConsole();
});
afterAll(() => console.close());

/** A session of its own with its page. */
async function openSession(
  options: Record<string, unknown> = {},
  where = {},
): Promise<{ id: string; page: Page }> {
  const { session_id: id } = await console.server.createSession(options);
  const page = await console.open(`sessions/${id}`, where);
  await field(page).waitFor();
  return { id, page };
}

const pastePicture = (page: Page): Promise<void> =>
  field(page).evaluate((element, data) => {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], 'dot.png', { type: 'image/png' }));
    element.dispatchEvent(
      new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true }),
    );
  }, PIXEL);

describe('a conversation', () => {
  test('is written, answered and shown with what was done to files', async () => {
    const { page } = await openSession({ permission_mode: 'acceptEdits' });
    await page.getByText('Nothing was said yet').waitFor();
    await send(page, 'write src/app.ts with export const answer = 42;');
    await card(page, 'Write').getByText('export const answer = 42;').waitFor();
    await rows(page).getByText('Done').waitFor();
    expect(readFileSync(join(console.server.root, 'src/app.ts'), 'utf8')).toContain('answer = 42');
    await send(page, 'edit src/app.ts: replace 42 with 43');
    const edit = card(page, 'Edit');
    await edit.getByText('43').waitFor();
    expect(await edit.locator('.diff-removed').textContent()).toBe('42');
    expect(await edit.locator('.diff-added').textContent()).toBe('43');
    await send(page, 'start a subagent to run echo from-below');
    const subagent = card(page, 'Agent').first();
    await subagent.getByRole('figure', { name: 'Report' }).waitFor();
    await subagent.getByRole('button', { name: 'What it did' }).click();
    await subagent.getByRole('article', { name: 'Bash' }).getByText('from-below').first().waitFor();
    // The newest row is in sight, and the page says what it cost.
    await expect.poll(() => rows(page).getByText('Done').last().isVisible()).toBe(true);
    await page.getByTitle('Cost of the session').waitFor();
    await screenshot(page, 'session-wide');
    await expectAccessible(page);
  });

  test('streams Markdown without its HTML, and its pictures of other hosts are only named', async () => {
    const { page } = await openSession();
    const text = [
      '# Head',
      'Some *words* and `code`.',
      '```ts\nconst a: number = 1;\n```',
      '| a | b |\n|---|---|\n| 1 | 2 |',
      '- one\n- [two](https://example.com/)',
      '![picture](https://example.com/x.png) <b onclick="x()">raw</b> [bad](javascript:alert(1))',
    ].join('\n\n');
    await send(page, script({ thinking: 'Let me see.', say: `${text} {{hold:more}}\n\nThe end.` }));
    await rows(page).getByRole('heading', { name: 'Head' }).waitFor();
    await rows(page).getByText('<b onclick="x()">raw').waitFor();
    console.server.demo.model.gates.release('more');
    await rows(page).getByText('The end.', { exact: true }).waitFor();
    await rows(page).getByRole('cell', { name: '2' }).waitFor();
    const link = rows(page).getByRole('link', { name: 'two' });
    expect(await link.getAttribute('rel')).toContain('noopener');
    expect(await rows(page).getByRole('link', { name: 'picture' }).getAttribute('href')).toContain('x.png');
    expect(await rows(page).getByRole('link', { name: 'bad' }).count()).toBe(0);
    expect(await rows(page).locator('img, b').count()).toBe(0);
    // Colours of the grammar come when it is loaded.
    await rows(page).locator('pre span[style*="--code-token-keyword"]').first().waitFor();
    await page.getByRole('button', { name: 'Thought' }).click();
    await rows(page).getByText('Let me see.', { exact: true }).waitFor();
  });

  test('is stopped with Escape, and goes on', async () => {
    const { page } = await openSession();
    await send(page, script({ say: 'begun {{hold:never}}' }));
    await rows(page).getByText('begun', { exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await rows(page).getByText('Interrupted').waitFor();
    await send(page, script({ say: 'next answer' }));
    await rows(page).getByText('next answer', { exact: true }).waitFor();
  });

  test('has a queue: messages in it are taken back, edited, and sent in their order', async () => {
    const { page } = await openSession();
    await send(page, script({ say: 'one {{hold:queue}} done' }));
    await rows(page).getByText('one', { exact: true }).waitFor();
    // One after the other, without waiting: what is written while another is on its way is not lost.
    const queue = page.getByRole('region', { name: 'Queue' });
    const texts = ['say first', 'say second', 'say third'];
    for (const text of texts) await send(page, text);
    await expect.poll(() => queue.getByRole('listitem').allTextContents()).toEqual(texts);
    await expectAccessible(page);
    await queue
      .getByRole('listitem')
      .filter({ hasText: 'say second' })
      .getByRole('button', { name: 'Take back', exact: true })
      .click();
    await queue.getByText('say second').waitFor({ state: 'hidden' });
    await queue
      .getByRole('listitem')
      .filter({ hasText: 'say third' })
      .getByRole('button', { name: 'Take back to edit' })
      .click();
    await expect.poll(() => field(page).inputValue()).toBe('say third');
    // A picture that is pasted goes along, and comes back with its message.
    await pastePicture(page);
    await page.getByRole('img', { name: 'dot.png' }).waitFor();
    await send(page, 'say pictured');
    await queue
      .getByRole('listitem')
      .filter({ hasText: 'say pictured' })
      .getByRole('button', { name: 'Take back to edit' })
      .click();
    await page.locator('form').getByRole('img', { name: 'Attached image' }).waitFor();
    await expect.poll(() => field(page).inputValue()).toBe('say pictured');
    await send(page, 'say changed');
    await queue.getByText('say changed').waitFor();
    console.server.demo.model.gates.release('queue');
    await rows(page).getByText('changed', { exact: true }).waitFor();
    // Once struck through, where it was taken back, and once sent.
    expect(await rows(page).getByRole('img', { name: 'Attached image' }).count()).toBe(2);
    expect(await rows(page).getByText('first', { exact: true }).count()).toBe(1);
    expect(await rows(page).getByText('second', { exact: true }).count()).toBe(0);
  });

  test('asks for permission in its place, and the mode says when', async () => {
    const { id, page } = await openSession();
    await send(page, 'run touch asked.txt');
    const request = rows(page)
      .getByRole('button', { name: /^Allow/ })
      .first();
    await request.waitFor();
    await expectAccessible(page);
    await request.click();
    await rows(page).getByText('Bash: Allowed by you').waitFor();
    await expect.poll(() => existsSync(join(console.server.root, 'asked.txt'))).toBe(true);
    await page.getByRole('button', { name: /^Permission mode/ }).click();
    await page.getByRole('menuitemcheckbox', { name: 'Plan first' }).click();
    await page.getByRole('button', { name: 'Permission mode: Plan first' }).waitFor();
    expect((await console.server.status(id)).permission_mode).toBe('plan');
    await page.getByRole('button', { name: /^Model/ }).click();
    await page.getByRole('menuitemcheckbox', { name: 'haiku', exact: true }).click();
    await page.getByRole('button', { name: 'Model: haiku' }).waitFor();
  });

  test('gives a message to the running turn, and follows what is written only at the end', async () => {
    const { page } = await openSession();
    const lines = Array.from({ length: 60 }, (_, n) => `line ${n}`).join('\n\n');
    const steps = [
      { say: lines, tools: [{ name: 'Bash', input: { command: 'true' } }], hold: 'steer' },
      { say: 'not reached' },
    ];
    await send(page, script(...steps));
    await page.getByRole('combobox', { name: 'While a turn runs' }).selectOption('Give to this turn');
    await send(page, script({ say: `steered {{hold:rest}}\n\n${lines}\n\nall of it` }));
    await page.getByRole('region', { name: 'Queue' }).getByText('For the running turn').waitFor();
    console.server.demo.model.gates.release('steer');
    await rows(page).getByText('Given to the running turn').waitFor();
    await rows(page).getByText('steered', { exact: true }).waitFor();
    // A reader who has scrolled up stays there; the button goes to what is new.
    await rows(page).evaluate((element) => element.scrollBy(0, -500));
    await page.getByRole('button', { name: 'Go to the end' }).waitFor();
    const top = await rows(page).evaluate((element) => element.scrollTop);
    console.server.demo.model.gates.release('rest');
    await page.getByRole('button', { name: 'New messages' }).click();
    await rows(page).getByText('all of it', { exact: true }).waitFor();
    await rows(page).getByText('Done').last().waitFor();
    const end = await rows(page).evaluate(({ scrollTop, scrollHeight, clientHeight }) => [
      scrollTop,
      scrollHeight - scrollTop - clientHeight,
    ]);
    expect(end[0]).toBeGreaterThan(top + 500);
    expect(end[1]).toBeLessThan(2);
  });

  test('offers commands after a slash, and keeps what is being written over a reload', async () => {
    const { page } = await openSession();
    await send(page, 'say hello');
    await rows(page).getByText('hello', { exact: true }).waitFor();
    await field(page).fill('/conte');
    await page.getByRole('option', { name: '/context' }).waitFor();
    await expectAccessible(page);
    await field(page).press('Tab');
    expect(await field(page).inputValue()).toBe('/context ');
    await page.reload();
    await expect.poll(() => field(page).inputValue()).toBe('/context ');
  });
});
