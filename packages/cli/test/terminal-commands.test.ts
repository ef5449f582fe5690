import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../../client/test/support/server.ts';
import { type Chats, DONE, READY, startChats } from './support/chats.ts';

let chats: Chats;
beforeAll(async () => {
  chats = await startChats();
});
afterEach(() => chats.closeTerminals());
afterAll(() => chats.end());

describe('the basic commands', () => {
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
    const terminal = await chats.readyInOpen();
    await terminal.enter(command);
    expect(await terminal.exitCode()).toBe(0);
  });

  test('leaving says how to go on, and that works', async () => {
    const terminal = await chats.ready({ columns: 140 });
    await terminal.enter('say remember this');
    await terminal.shows(DONE);
    await terminal.press('C-d');
    // The server was named by a flag, so it is named again.
    const line = /^Go on with: claude-agent --server (\S+) --resume ([\da-f-]{36})$/m;
    const [, url, id = ''] = line.exec(await terminal.shows(line)) ?? [];
    expect(url).toBe(chats.server.url);
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
    await terminal.enter('model Haiku');
    await terminal.shows('Model: haiku');
    await terminal.shows(/haiku.* · /);
    await terminal.enter('mode acceptEdits');
    await terminal.shows('Mode: acceptEdits');
    await terminal.shows(/haiku.* · acceptEdits · /);
    await terminal.enter('/mode nonsense');
    await terminal.shows('There is no mode nonsense');
  });

  test('model without a name offers a list', async () => {
    const terminal = await chats.readyInOpen();
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
    const terminal = await chats.readyInOpen({ rows: 50 });
    await terminal.enter('info');
    const shown = await terminal.shows(`${chats.server.url} (healthy, `);
    const count = (await chats.client.health()).active_sessions;
    expect(shown).toContain(`(healthy, ${count} active session${count === 1 ? '' : 's'})`);
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

  test('typing at the list of sessions starts a new one, and loses no letter', async () => {
    const terminal = await chats.open({ args: [] });
    await terminal.shows('New session');
    await terminal.enter('say typed at once');
    await terminal.shows('● typed at once');
  });

  test('lines typed before the program is ready: no list, a new session, and each is entered by itself', async () => {
    const { sessions: before } = await chats.client.sessions.list({ limit: 1000 });
    const terminal = await chats.open({ args: [] });
    // Nobody waits for the program here: the terminal itself still takes the keys.
    await terminal.enter('mode plan');
    await terminal.enter('say the first line');
    await terminal.type('say not yet');
    await terminal.shows(/● the first line[\s\S]*tokens · \$[\d.]+\n/);
    const screen = await terminal.shows('> say not yet');
    expect(screen).toContain('Mode: plan');
    expect(screen).not.toContain('Go on with a session?');
    await terminal.press('Enter');
    await terminal.shows('● not yet');
    const { sessions } = await chats.client.sessions.list({ limit: 1000 });
    expect(sessions.length).toBe(before.length + 1);
    const turns = await (await chats.shownSession()).turns();
    expect(turns.map((turn) => turn.message)).toEqual(['say the first line', 'say not yet']);
  });
});
