import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../../client/test/support/server.ts';
import { type Chats, DONE, startChats } from './support/chats.ts';

let chats: Chats;
beforeAll(async () => {
  chats = await startChats();
});
afterEach(() => chats.closeTerminals());
afterAll(() => chats.end());

describe('while a turn runs', () => {
  test('Ctrl-C interrupts a running tool, and twice leaves', async () => {
    const terminal = await chats.ready();
    await terminal.enter('run node -e "setTimeout(() => {}, 60000)"');
    await terminal.shows('Allow?');
    await terminal.press('y');
    await terminal.shows('Running Bash…');
    await terminal.press('C-c');
    await terminal.shows('■ Interrupted');
    await terminal.shows('Press Ctrl-C again to leave');
    await terminal.press('C-c');
    expect(await terminal.exitCode()).toBe(0);
  });

  test('what is typed waits for its turn, and is shown meanwhile', async () => {
    const terminal = await chats.ready();
    await terminal.enter(script({ hold: 'queue', say: 'The first answer.' }));
    await terminal.shows('Working…');
    await terminal.enter('say the second answer');
    await terminal.shows('queued: say the second answer');
    chats.server.demo.model.gates.release('queue');
    await terminal.shows('● the second answer');
    const screen = await terminal.screen();
    expect(screen.indexOf('The first answer.')).toBeLessThan(screen.indexOf('> say the second answer'));
    expect(screen).not.toContain('queued:');
  });

  test('a line tells what goes on, since when, and how much', async () => {
    const terminal = await chats.ready();
    await terminal.enter('count to 400 slowly');
    await terminal.shows(/Writing… \([1-9] s · ↑ [\d.]+k · ↓ \d+ tokens · Ctrl-C interrupts\)/);
    await terminal.press('Escape');
    await terminal.shows('■ Interrupted');
  });

  test('text that was cut off by an interrupt stays on the screen', async () => {
    const terminal = await chats.ready();
    await terminal.enter('count to 400 slowly');
    await terminal.shows('1 2 3 4 5');
    await terminal.press('C-c');
    await terminal.shows('■ Interrupted');
    expect(await terminal.screen()).toContain('● 1 2 3 4 5');
  });

  test('a failed turn says why', async () => {
    const terminal = await chats.ready();
    await terminal.enter('fail');
    await terminal.shows(/✗ .+/);
  });
});

describe('background work', () => {
  test('is shown, outlives an interrupted turn, and is stopped by /tasks or interrupt all', async () => {
    const terminal = await chats.ready();
    await terminal.enter('start a subagent in the background to wait 600 seconds');
    await terminal.shows('⎿ works in the background');
    await terminal.shows(DONE);
    await terminal.shows(/◆ In the background: .+ \(\d+ s · \/tasks\)\n\n─/);
    await terminal.enter(script({ hold: 'beside', say: 'never' }));
    await terminal.shows('Working…');
    await terminal.press('C-c');
    await terminal.shows('■ Interrupted');
    await terminal.enter('interrupt');
    await terminal.shows('Nothing is running. In the background: 1 task.');
    await terminal.enter('/tasks');
    await terminal.shows(/Stop which background task\?.*\n❯ 1\. .+ {2}general-purpose, \d/);
    await terminal.press('1');
    await terminal.shows('Stopped: ');
    await terminal.hides('◆ In the background');
    await terminal.enter('/tasks');
    await terminal.shows('Nothing runs in the background.');
    await terminal.enter('start 2 subagents in the background to wait 600 seconds');
    await terminal.shows('◆ In the background: 2 tasks');
    await terminal.enter('interrupt all');
    await terminal.shows('Stopped, with 2 background tasks.');
    await terminal.hides('◆ In the background');
  });

  test('its report is a turn of the agent, and looks like one', async () => {
    const terminal = await chats.ready();
    await terminal.enter('start a subagent in the background to say hello');
    await terminal.shows(/◆ .+\n\n● A background task has news: .+hello[\s\S]*tokens · \$[\d.]+\n/);
  });
});

describe('the input', () => {
  test('a paste of 200 lines is one message, and shown as one word', async () => {
    const lines = Array.from({ length: 200 }, (_, index) => `pasted line ${index + 1}`);
    const terminal = await chats.ready();
    await terminal.type('Look: ');
    await terminal.paste(lines.join('\n'));
    await terminal.shows('> Look: [Pasted #1: 200 lines]');
    await terminal.press('Enter');
    await terminal.shows('… 182 more lines');
    await terminal.shows(DONE);
    const [turn] = await (await chats.shownSession()).turns();
    expect(turn?.message).toBe(`Look: ${lines.join('\n')}`);
  });

  test('Alt-Enter, Ctrl-J and a backslash make new lines', async () => {
    const terminal = await chats.ready();
    await terminal.type('say one');
    await terminal.press('M-Enter');
    await terminal.type('two');
    await terminal.shows('  two');
    await terminal.press('C-j');
    await terminal.enter('three\\');
    await terminal.type('four');
    expect(chats.stable(await terminal.shows('four'))).toContain('> say one\n  two\n  three\n  four');
    await terminal.press('Enter');
    await terminal.shows(DONE);
  });

  test('Up brings back what was typed, also in an earlier run', async () => {
    const terminal = await chats.ready();
    await terminal.enter('say something to remember');
    await terminal.shows(DONE);
    await terminal.type('a draft');
    await terminal.press('Up');
    await terminal.shows('> say something to remember\n─');
    await terminal.press('Down');
    await terminal.shows('> a draft');
  });

  test('Tab completes commands, modes and file names', async () => {
    writeFileSync(join(chats.server.root, 'completed-file.txt'), '');
    const terminal = await chats.ready();
    await terminal.type('/mod');
    await terminal.shows('/model');
    await terminal.press('Down', 'Tab');
    await terminal.shows(/^> \/mode$/m);
    await terminal.type('pl');
    await terminal.shows(/─\n {2}plan/);
    await terminal.press('Enter');
    await terminal.shows('Mode: plan');
    await terminal.type('say @comp');
    await terminal.shows('@completed-file.txt');
    await terminal.press('Tab');
    await terminal.shows('> say @completed-file.txt');
  });

  test('an image that is named by its path is sent along', async () => {
    const png =
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    writeFileSync(join(chats.server.root, 'dot.png'), Buffer.from(png, 'base64'));
    const terminal = await chats.ready();
    await terminal.enter('say look at dot.png');
    await terminal.shows('[image]');
    await terminal.shows(DONE);
    const [turn] = await (await chats.shownSession()).turns();
    expect(turn?.message).toMatchObject([
      { type: 'text' },
      { type: 'image', source: { media_type: 'image/png' } },
    ]);
  });

  test('after a resize everything is there once, at the new width', async () => {
    const terminal = await chats.ready();
    await terminal.enter('say before the resize');
    await terminal.shows(DONE);
    await terminal.resize(60, 20);
    await terminal.shows(/\n─{60}\n> Type/);
    await terminal.resize(120, 40);
    await terminal.shows(/\n─{120}\n> Type/);
    await terminal.enter('say after the resize');
    await terminal.shows(/● after the resize[\s\S]*tokens · \$[\d.]+\n/);
    const all = await terminal.everything();
    expect(all.match(/● before the resize/g)).toHaveLength(1);
    expect(all.match(/> Type a message/g)).toHaveLength(1);
    expect(all.match(/^─+$/gm)).toHaveLength(2);
  });
});
