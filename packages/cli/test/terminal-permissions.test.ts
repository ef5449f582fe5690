import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../../client/test/support/server.ts';
import { type Chats, DONE, READY, startChats } from './support/chats.ts';

let chats: Chats;
beforeAll(async () => {
  chats = await startChats();
});
afterEach(() => chats.closeTerminals());
afterAll(() => chats.end());

describe('a permission prompt', () => {
  test('shows the file and the change, and looks as it should', async () => {
    const terminal = await chats.ready();
    await terminal.enter('write looks.txt with some words');
    await terminal.shows('Allow?');
    const screen = chats.stable(await terminal.screen());
    expect(screen.slice(screen.indexOf('⚠'))).toBe(
      [
        '⚠ Permission Request',
        'Tool: Write',
        'File: ROOT/looks.txt',
        '  +1 -0',
        '  1 + some words',
        '  a: switch to acceptEdits mode',
        'Allow? [Y/n/a(apply suggestions)/d(details)]:',
        '────',
        '  demo · ROOT',
      ].join('\n'),
    );
  });

  test('takes y, n, their words, Enter and Escape; nothing of an answer becomes a message', async () => {
    const answers: [keys: string[], isAllowed: boolean][] = [
      [['y'], true],
      [['y', 'Enter'], true],
      [['y', 'e', 's', 'Enter'], true],
      [['Enter'], true],
      [['n'], false],
      [['n', 'o', 'Enter'], false],
      [['Escape'], false],
    ];
    const terminal = await chats.ready({ rows: 24 });
    for (const [keys, isAllowed] of answers) {
      const file = `answer-${keys.join('-')}.txt`;
      await terminal.enter(chats.writeFile(file));
      await terminal.shows(`File: ${join(chats.server.root, file)}`);
      await terminal.press(...keys);
      // The prompt is gone and the turn over, so the input is there again, and empty.
      await terminal.hides('Allow?');
      await terminal.hides('Ctrl-C interrupts');
      await terminal.shows(READY);
      expect(existsSync(join(chats.server.root, file)), file).toBe(isAllowed);
    }
    expect((await (await chats.shownSession()).info()).message_count).toBe(answers.length);
  });

  test('a applies the suggestions: the next edit is not asked for', async () => {
    const terminal = await chats.ready();
    await terminal.enter(chats.writeFile('applied-1.txt'));
    await terminal.shows('Allow?');
    await terminal.press('a');
    await terminal.shows('demo · acceptEdits');
    await terminal.enter(chats.writeFile('applied-2.txt'));
    await terminal.shows(/applied-2[\s\S]*tokens · \$[\d.]+\n/);
    expect(existsSync(join(chats.server.root, 'applied-2.txt'))).toBe(true);
  });

  test('d shows the details and asks again', async () => {
    const terminal = await chats.ready({ rows: 45 });
    await terminal.enter(chats.writeFile('details.txt'));
    await terminal.shows('Allow?');
    await terminal.press('d');
    await terminal.shows('Request: ');
    await terminal.shows('"content": "x"');
    // A letter and Enter, out of habit: Enter shows the details (here: hides them again) and allows nothing.
    await terminal.press('d', 'Enter');
    await terminal.hides('"content": "x"');
    await terminal.press('d', 'Enter');
    await terminal.shows('"content": "x"');
    expect((await (await chats.shownSession()).info()).pending_permissions).toHaveLength(1);
    await terminal.press('n', 'Enter');
    await terminal.shows(DONE);
    expect(existsSync(join(chats.server.root, 'details.txt'))).toBe(false);
  });

  test('marks a dangerous command', async () => {
    const terminal = await chats.ready();
    await terminal.enter('run rm -rf /tmp/there-is-no-such-folder');
    await terminal.shows('Command: rm -rf /tmp/there-is-no-such-folder');
    await terminal.shows('Dangerous: deletes files without asking');
    await terminal.press('n');
    await terminal.shows(DONE);
  });

  test('a sentence typed into it answers nothing', async () => {
    const terminal = await chats.ready();
    await terminal.enter(chats.writeFile('sentence.txt'));
    await terminal.shows('Allow?');
    await terminal.enter('you may not, any day');
    await terminal.shows('Allow?');
    expect((await (await chats.shownSession()).info()).pending_permissions).toHaveLength(1);
    await terminal.press('Escape');
    await terminal.shows(DONE);
    expect(existsSync(join(chats.server.root, 'sentence.txt'))).toBe(false);
  });

  test('several at once are asked one after the other, each with its own answer', async () => {
    const files = ['/etc/hostname', '/etc/hosts', '/etc/passwd'];
    const tools = files.map((file_path) => ({ name: 'Read', input: { file_path } }));
    const terminal = await chats.ready({ rows: 40 });
    await terminal.enter(script({ tools }, { say: 'Done.' }));
    await terminal.shows('Permission Request (1 of 3)');
    await terminal.press('y');
    await terminal.shows('Permission Request (1 of 2)');
    await terminal.shows('file path: /etc/hosts');
    await terminal.press('n');
    await terminal.shows('file path: /etc/passwd');
    await terminal.press('y');
    const screen = await terminal.shows(DONE);
    expect(screen).toMatch(/Read\(\/etc\/hosts\)\n {2}⎿ The user denied this/);
    expect(screen).toMatch(/Read\(\/etc\/passwd\)\n {2}⎿ \d+ lines/);
  });

  test('Ctrl-C interrupts the turn that asks', async () => {
    const terminal = await chats.ready();
    await terminal.enter(chats.writeFile('interrupted.txt'));
    await terminal.shows('Allow?');
    await terminal.press('C-c');
    await terminal.shows('■ Interrupted');
    await terminal.shows(READY);
    expect(existsSync(join(chats.server.root, 'interrupted.txt'))).toBe(false);
  });

  test('answered elsewhere, it goes away', async () => {
    const terminal = await chats.ready();
    await terminal.enter(chats.writeFile('elsewhere.txt'));
    await terminal.shows('Allow?');
    const session = await chats.shownSession();
    const [request] = (await session.info()).pending_permissions;
    await session.respond({ request_id: request?.request_id ?? '', allowed: true });
    await terminal.hides('Allow?');
    await terminal.shows(DONE);
    expect(existsSync(join(chats.server.root, 'elsewhere.txt'))).toBe(true);
  });

  test('a question shows its choices; one and several can be chosen', async () => {
    const terminal = await chats.ready();
    await terminal.enter('ask me a question');
    await terminal.shows('(1 of 2)');
    await terminal.press('Down', 'Enter');
    await terminal.shows('(2 of 2)');
    await terminal.press('1', 'Down', 'Down', 'Space', 'Enter');
    const screen = await terminal.shows(DONE);
    expect(screen).toMatch(/⎿ Which colour.* → Green/);
    expect(screen).toMatch(/Which meals.* → Breakfast, Dinner/);
  });

  test('a plan is shown and approved, and changes are asked for, whatever the mode before it', async () => {
    const terminal = await chats.ready({ rows: 50 });
    await terminal.enter('mode acceptEdits');
    await terminal.shows('Mode: acceptEdits');
    await terminal.enter('mode plan');
    await terminal.shows('Mode: plan');
    await terminal.enter('plan write asked.txt with words');
    await terminal.shows('Go on with this plan?');
    await terminal.press('1');
    await terminal.shows('The plan was approved');
    await terminal.shows(`File: ${join(chats.server.root, 'asked.txt')}`);
    await terminal.press('n');
    await terminal.shows(DONE);
    expect(existsSync(join(chats.server.root, 'asked.txt'))).toBe(false);
  });

  test('a plan can be approved together with its edits', async () => {
    const terminal = await chats.ready({ rows: 50 });
    await terminal.enter('mode plan');
    await terminal.shows('Mode: plan');
    await terminal.enter('plan write planned.txt with words');
    await terminal.shows('Go on with this plan?');
    await terminal.press('2');
    await terminal.shows(DONE);
    expect(existsSync(join(chats.server.root, 'planned.txt'))).toBe(true);
    await terminal.shows('demo · acceptEdits');
  });
});
