import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../../server/test/support/api.ts';
import { startTestServer } from '../../server/test/support/server.ts';
import {
  expectAccessible,
  expectNoSidewaysScroll,
  openConsole,
  PHONE,
  screenshot,
  type TestConsole,
} from './support/console.ts';
import { assistant, importLog, said, toolCall, turnOf } from './support/imported.ts';

let console: TestConsole;
beforeAll(async () => {
  console = await openConsole();
});
afterAll(() => console.close());

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const field = (page: Page): Locator => page.getByRole('textbox', { name: 'Message to the agent' });
const rows = (page: Page): Locator => page.getByRole('region', { name: 'Conversation' });
const card = (page: Page, tool: string): Locator => page.getByRole('article', { name: tool });

async function send(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await field(page).press('Enter');
}

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
    await subagent.getByRole('article', { name: 'Bash' }).getByText('from-below').first().waitFor();
    await subagent.getByRole('figure', { name: 'Report' }).waitFor();
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
    for (const text of ['say first', 'say second', 'say third']) {
      await send(page, text);
      await page.getByRole('region', { name: 'Queue' }).getByText(text).waitFor();
    }
    const queue = page.getByRole('region', { name: 'Queue' });
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
    await send(page, 'say changed');
    await queue.getByText('say changed').waitFor();
    console.server.demo.model.gates.release('queue');
    await rows(page).getByText('changed', { exact: true }).waitFor();
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
    await rows(page).getByText('Allowed: Bash').waitFor();
    await expect.poll(() => existsSync(join(console.server.root, 'asked.txt'))).toBe(true);
    await page.getByRole('button', { name: /^Permission mode/ }).click();
    await page.getByRole('menuitemcheckbox', { name: 'Plan first' }).click();
    await page.getByRole('button', { name: 'Permission mode: Plan first' }).waitFor();
    expect((await console.server.status(id)).permission_mode).toBe('plan');
    await page.getByRole('button', { name: /^Model/ }).click();
    await page.getByRole('menuitemcheckbox', { name: 'haiku', exact: true }).click();
    await page.getByRole('button', { name: 'Model: haiku' }).waitFor();
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

  test('takes a picture that is pasted', async () => {
    const { page } = await openSession();
    await field(page).evaluate((element, data) => {
      const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
      const files = new DataTransfer();
      files.items.add(new File([bytes], 'dot.png', { type: 'image/png' }));
      element.dispatchEvent(
        new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true }),
      );
    }, PIXEL);
    await page.getByRole('img', { name: 'dot.png' }).waitFor();
    await send(page, 'say seen');
    await rows(page).getByRole('img', { name: 'Attached image' }).waitFor();
    await rows(page).getByText('seen', { exact: true }).waitFor();
  });
});

/** What Chromium says of a connection that a test breaks. */
const BROKEN = /ERR_/;

/** Stands between the browser and the server, and can be a network that is down. */
async function startCuttableProxy(target: string) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isDown = false;
  const server = createServer((socket) => {
    const upstream = connect(Number(port), hostname);
    for (const each of [socket, upstream]) {
      sockets.add(each);
      each.on('error', () => undefined).on('close', () => sockets.delete(each));
    }
    if (isDown) socket.destroy();
    socket.pipe(upstream).pipe(socket);
    socket.on('close', () => upstream.destroy());
    upstream.on('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      isDown = true;
      breakAll();
    },
    mend() {
      isDown = false;
    },
    close() {
      breakAll();
      server.close();
    },
  };
}

describe('the log is the truth', () => {
  const texts = (page: Page): Promise<string[]> => rows(page).locator('p').allTextContents();

  test('a lost connection loses nothing and doubles nothing', async () => {
    const proxy = await startCuttableProxy(console.server.url);
    const there = await openConsole({ server: { ...console.server, url: proxy.url } });
    const { session_id: id } = await console.server.createSession();
    const page = await there.open(`sessions/${id}`, { allowErrors: BROKEN });
    await send(page, script({ say: 'alpha {{hold:cut}} omega' }));
    await rows(page).getByText('alpha', { exact: true }).waitFor();
    proxy.cut();
    await page.getByText('No connection to this session').waitFor();
    console.server.demo.model.gates.release('cut');
    await expect.poll(async () => (await console.server.status(id)).state).toBe('idle');
    proxy.mend();
    await rows(page).getByText('alpha omega', { exact: true }).waitFor();
    await rows(page).getByText('Done').waitFor();
    const before = await texts(page);
    expect(before.filter((text) => text.startsWith('alpha'))).toHaveLength(1);
    await page.reload();
    await rows(page).getByText('Done').waitFor();
    await expect.poll(() => texts(page)).toEqual(before);
    await there.close();
    proxy.close();
  });

  test('a page that is reloaded in the middle of an answer goes on with it', async () => {
    const { page } = await openSession();
    await send(page, script({ say: 'first half {{hold:reload}} second half' }));
    await rows(page).getByText('first half', { exact: true }).waitFor();
    await page.reload();
    await rows(page).getByText('first half', { exact: true }).waitFor();
    console.server.demo.model.gates.release('reload');
    await rows(page).getByText('first half second half', { exact: true }).waitFor();
    await rows(page).getByText('Done').waitFor();
    expect(await rows(page).getByText('first half second half', { exact: true }).count()).toBe(1);
  });

  test('a server that is killed in the middle of a turn and started again shows it once', async () => {
    const own = await startTestServer();
    const port = new URL(own.url).port;
    const there = await openConsole({ server: own });
    const { session_id: id } = await own.createSession({ on_crash: 'resume' });
    writeFileSync(join(own.root, 'a.txt'), 'inside');
    const page = await there.open(`sessions/${id}`, { allowErrors: BROKEN });
    await send(
      page,
      script(
        { say: 'before', tools: [{ name: 'Read', input: { file_path: 'a.txt' } }] },
        { hold: 'crash', say: 'after the crash' },
      ),
    );
    await rows(page).getByText('before', { exact: true }).waitFor();
    await own.demo.model.gates.reached('crash');
    await own.kill();
    await page.getByText('No connection to this session').waitFor();
    own.demo.model.gates.release('crash', Number.POSITIVE_INFINITY);
    const again = await startTestServer({ on: own, args: ['--port', port] });
    await rows(page).getByText('The server was restarted. The turn goes on.').waitFor();
    await rows(page).getByText('Done').waitFor();
    const before = await texts(page);
    expect(before.filter((text) => text === 'before')).toHaveLength(1);
    await page.reload();
    await rows(page).getByText('Done').waitFor();
    await expect.poll(() => texts(page)).toEqual(before);
    await there.close();
    await again.stop();
    await own.demo.close();
  });
});

describe('a long log', () => {
  test('of 2,000 events in one turn is drawn a window at a time, and read back to its beginning', async () => {
    const steps = Array.from({ length: 1_000 }, (_, n) =>
      toolCall('Bash', { command: `echo step-${n}` }, `step-${n}`),
    );
    const id = await importLog(console.server, turnOf('begin here', steps.flat()));
    const page = await console.open(`sessions/${id}`);
    await rows(page).getByText('step-999').first().waitFor();
    expect(await rows(page).getByRole('article').count()).toBeLessThan(60);
    // Older pages come above, and what is read stays where it is.
    const scroller = rows(page);
    await expect
      .poll(async () => {
        await scroller.evaluate((element) => element.scrollTo(0, 0));
        return rows(page).getByText('begin here').isVisible();
      })
      .toBe(true);
    expect(await rows(page).getByRole('article').count()).toBeLessThan(60);
    await page.getByRole('button', { name: 'Go to the end' }).click();
    await rows(page).getByText('step-999').first().waitFor();
  });

  test('opens at the turn that its address names, and shows the events behind a row', async () => {
    const linked = randomUUID();
    const turns = Array.from({ length: 300 }, (_, n) =>
      turnOf(`ask ${n}`, [said(`answer ${n}`)], n === 12 ? linked : undefined),
    );
    const id = await importLog(console.server, turns.flat());
    const page = await console.open(`sessions/${id}#turn-${linked}`);
    await rows(page).getByText('ask 12', { exact: true }).waitFor();
    await expect.poll(() => rows(page).getByText('ask 12', { exact: true }).isVisible()).toBe(true);
    const row = rows(page).locator(`#turn-${linked}`);
    await row.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Raw event' }).click();
    await page.getByRole('dialog').getByText('"turn.started"').waitFor();
    await expectAccessible(page);
  });
});

describe('cards of tools that this agent does not have', () => {
  const events = () =>
    turnOf('show everything', [
      ...toolCall(
        'TodoWrite',
        {
          todos: [
            { content: 'done thing', status: 'completed' },
            { content: 'open thing', status: 'in_progress' },
          ],
        },
        'ok',
      ),
      ...toolCall('Grep', { pattern: 'needle', path: 'src' }, 'src/a.ts:1:needle'),
      ...toolCall(
        'MultiEdit',
        {
          file_path: '/w/a.py',
          edits: [
            { old_string: 'x = 1', new_string: 'x = 2' },
            { old_string: 'y = 1', new_string: 'y = 3' },
          ],
        },
        'ok',
      ),
      ...toolCall('WebFetch', { url: 'https://example.com/', prompt: 'What is it?' }, 'An **example**.'),
      ...toolCall('mcp__github__create_issue', { title: 'Broken' }, 'issue 7'),
      ...toolCall('Screenshot', {}, [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
      ]),
      assistant({ type: 'tool_use', id: 'toolu_open', name: 'Bash', input: { command: 'sleep 1' } }),
      { type: 'agent.message', data: { type: 'system', subtype: 'compact_boundary' } },
    ]);

  test('show todos, searches, changes, pages, pictures, and calls without a result', async () => {
    const id = await importLog(console.server, events());
    const page = await console.open(`sessions/${id}`, { viewport: { width: 1440, height: 2_400 } });
    const todos = card(page, 'TodoWrite');
    await todos.getByRole('img', { name: 'done', exact: true }).waitFor();
    await todos.getByText('open thing').waitFor();
    for (const tool of ['Grep', 'WebFetch', 'github: create_issue', 'Screenshot'])
      await card(page, tool).getByRole('button', { expanded: false }).first().click();
    await card(page, 'Grep').getByText('src/a.ts:1:needle').waitFor();
    await card(page, 'MultiEdit').getByText('y = 3').waitFor();
    await card(page, 'WebFetch').getByText('example', { exact: true }).waitFor();
    await card(page, 'github: create_issue').getByText('issue 7').waitFor();
    await card(page, 'Screenshot').getByRole('img', { name: 'Picture in the result' }).waitFor();
    await card(page, 'Bash').getByRole('img', { name: 'No result' }).waitFor();
    await rows(page).getByText('The conversation was compacted').waitFor();
    await page.getByText('This session is closed.').waitFor();
    await screenshot(page, 'session-tools');
    await expectAccessible(page);
  });

  test('fit on a phone, in the dark too', async () => {
    const id = await importLog(console.server, events());
    const page = await console.open(`sessions/${id}`, { ...PHONE, colorScheme: 'dark' });
    await rows(page).getByText('The conversation was compacted').waitFor();
    await screenshot(page, 'session-phone-dark');
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  });
});
