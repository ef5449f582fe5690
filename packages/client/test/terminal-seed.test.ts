import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Chats, DONE, READY, startChats } from './support/chats.ts';
import { script } from './support/server.ts';

let chats: Chats;
beforeAll(async () => {
  chats = await startChats();
});
afterEach(() => chats.closeTerminals());
afterAll(() => chats.end());

describe('the commands of the seed', () => {
  test('a message is answered, and the screen is as it should be', async () => {
    const terminal = await chats.ready();
    await terminal.enter('say Hello from the agent');
    await terminal.shows(DONE);
    expect(chats.stable(await terminal.screen())).toBe(
      [
        'claude-agent VERSION · SERVER · /help lists the commands',
        '',
        '> say Hello from the agent',
        '',
        '● Hello from the agent',
        '',
        '  TIME · N tokens · PRICE',
        '',
        '────',
        `> ${READY}`,
        '────',
        '  demo · ROOT · PRICE',
      ].join('\n'),
    );
  });

  test.each(['exit', 'quit', '/exit', '/quit'])('%s leaves with code 0', async (command) => {
    const terminal = await chats.ready();
    await terminal.enter(command);
    expect(await terminal.exitCode()).toBe(0);
  });

  test('leaving says how to go on, and that works', async () => {
    const terminal = await chats.ready();
    await terminal.enter('say remember this');
    await terminal.shows(DONE);
    await terminal.press('C-d');
    const id = /claude-agent --resume ([\da-f-]{36})/.exec(await terminal.shows('Go on with'))?.[1] ?? '';
    expect(await terminal.exitCode()).toBe(0);
    const next = await chats.open({ args: ['--resume', id] });
    await next.shows('● remember this');
    await next.enter('what did I say');
    await next.shows(/what did I say[\s\S]*say remember this/);
  });

  test('clear begins a new session', async () => {
    const terminal = await chats.ready();
    await terminal.enter('say before');
    await terminal.shows(DONE);
    await terminal.enter('clear');
    await terminal.shows('A new session begins');
    await terminal.enter('what did I say');
    await terminal.shows(/what did I say\s+●/);
    expect(
      (await terminal.shows(/tokens · \$[\d.]+\n\s+─[^\n]*\n> Type/)).split('A new session begins')[1],
    ).not.toContain('before');
  });

  test('sessions lists them, with a mark at this one', async () => {
    const terminal = await chats.ready();
    await terminal.enter('say listed');
    await terminal.shows(DONE);
    await terminal.enter('sessions');
    await terminal.shows(/● [\da-f-]{36} +just now {2}say listed/);
  });

  test('model and mode change what the footer says', async () => {
    const terminal = await chats.ready();
    await terminal.enter('model haiku');
    await terminal.shows('Model: haiku');
    await terminal.shows(/haiku.* · /);
    await terminal.enter('mode acceptEdits');
    await terminal.shows('Mode: acceptEdits');
    await terminal.shows(/haiku.* · acceptEdits · /);
    await terminal.enter('/mode nonsense');
    await terminal.shows('There is no mode nonsense');
  });

  test('model without a name offers a list', async () => {
    const terminal = await chats.ready();
    await terminal.enter('/model');
    await terminal.shows('Which model?');
    await terminal.press('Escape');
    await terminal.shows(READY);
  });

  test('interrupt, typed while a turn runs, stops it', async () => {
    const terminal = await chats.ready();
    await terminal.enter(script({ hold: 'typed interrupt', say: 'never' }));
    await terminal.shows('Working…');
    await terminal.enter('interrupt');
    await terminal.shows('■ Interrupted');
    await terminal.hides('Working…');
    await terminal.enter('interrupt');
    await terminal.shows('Nothing is running.');
  });

  test('info and help tell about the server and the commands', async () => {
    const terminal = await chats.ready({ rows: 50 });
    await terminal.enter('info');
    await terminal.shows(`${chats.server.url} (healthy`);
    await terminal.shows('Output style');
    await terminal.enter('help');
    const screen = await terminal.shows('/export');
    for (const command of ['exit', 'clear', 'sessions', 'model', 'mode', 'interrupt', 'info', 'help']) {
      expect(screen).toContain(`/${command}`);
    }
  });

  test('words that begin like a command are a message', async () => {
    const terminal = await chats.ready({ rows: 50 });
    await terminal.enter('help me with this');
    await terminal.shows(/> help me with this\n\n● I am a scripted demo/);
  });
});

describe('the session picker', () => {
  test('offers what can be resumed; a number takes it', async () => {
    const session = await chats.client.sessions.create();
    await session.send('say picked by number');
    const terminal = await chats.open({ args: [] });
    await terminal.shows(/❯ 1\. New session\n {2}2\. say picked by number {2}just now/);
    await terminal.press('2');
    await terminal.shows('● picked by number');
  });

  test('whoever just types gets a new session, and loses no letter', async () => {
    const terminal = await chats.open({ args: [] });
    await terminal.shows('New session');
    await terminal.enter('say typed at once');
    await terminal.shows('● typed at once');
  });
});
