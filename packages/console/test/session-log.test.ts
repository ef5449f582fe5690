import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
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
import { card, PIXEL, rows, send } from './support/session.ts';

let console: TestConsole;
beforeAll(async () => {
  console = await openConsole();
});
afterAll(() => console.close());

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

  /** The page of a session at another address than the console's own: what breaks there is meant to. */
  const openAt = async (url: string, id: string): Promise<Page> => {
    const page = await (await console.browser.newContext({ locale: 'en-GB' })).newPage();
    await page.goto(`${url}/console/sessions/${id}`);
    return page;
  };

  test('a page whose files are loaded in a lost connection is whole when the connection is back', async () => {
    const { session_id: id } = await console.server.createSession();
    const context = await console.browser.newContext({ locale: 'en-GB' });
    const page = await context.newPage();
    let refused = 0;
    await page.route(/\/assets\/markdown-.*\.js$/, async (route) => {
      refused += 1;
      await (refused <= 2 ? route.abort('connectionreset') : route.continue());
    });
    await page.goto(`${console.server.url}/console/sessions/${id}`);
    await send(page, script({ say: 'some **bold** words' }));
    await rows(page).locator('strong', { hasText: 'bold' }).waitFor();
    expect(refused).toBeGreaterThan(1);
    await context.close();
  });

  test('a lost connection loses nothing and doubles nothing', async () => {
    const proxy = await startCuttableProxy(console.server.url);
    const { session_id: id } = await console.server.createSession();
    const page = await openAt(proxy.url, id);
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
    await page.context().close();
    proxy.close();
  });

  test('a page that is reloaded in the middle of an answer goes on with it', async () => {
    const { session_id: id } = await console.server.createSession();
    const page = await console.open(`sessions/${id}`);
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
    const { session_id: id } = await own.createSession({ on_crash: 'resume' });
    writeFileSync(join(own.root, 'a.txt'), 'inside');
    const page = await openAt(own.url, id);
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
    await page.context().close();
    await again.stop();
    await own.demo.close();
    // A server is killed, and two are started.
  }, 120_000);
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
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('HeapProfiler.collectGarbage');
    const { usedSize } = await devtools.send('Runtime.getHeapUsage');
    process.stdout.write(`a page with 2,000 events: ${(usedSize / 1e6).toFixed(1)} MB of JavaScript heap\n`);
    expect(usedSize).toBeLessThan(64e6);
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
