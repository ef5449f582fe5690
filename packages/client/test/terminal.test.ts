import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AgentClient, type AgentSession } from '../src/index.ts';
import { cleanUp, script, startTestServer, type TestServer } from './support/server.ts';
import { openTerminal, requireTmux, type Terminal } from './support/terminal.ts';

let server: TestServer;
let client: AgentClient;
beforeAll(async () => {
  requireTmux();
  server = await startTestServer();
  client = new AgentClient({ baseUrl: server.url });
});
afterAll(() => cleanUp(server));

const open: Terminal[] = [];
afterEach(async () => {
  for (const terminal of open.splice(0)) await terminal.close();
});

interface ChatOptions {
  args?: string[];
  on?: TestServer;
  columns?: number;
  rows?: number;
}

/** A chat in a new session. */
async function chat({ args = ['--new'], on = server, ...size }: ChatOptions = {}): Promise<Terminal> {
  const terminal = await openTerminal({ args: ['--server', on.url, ...args], cwd: on.root, ...size });
  open.push(terminal);
  return terminal;
}

/** The line at the end of a turn. The price is the SDK's guess for a model that it does not know. */
const DONE = /^ {2}[\d.]+ m?s · \d+ tokens · \$[\d.]+$/m;
const READY = 'Type a message, or /help';

async function readyChat(options?: ChatOptions): Promise<Terminal> {
  const terminal = await chat(options);
  await terminal.shows(`${READY}`);
  await terminal.shows('demo · ');
  return terminal;
}

/** The session that was used last: the one on the screen. */
async function shownSession(): Promise<AgentSession> {
  const { sessions } = await client.sessions.list({ limit: 1 });
  return client.session(sessions[0]?.session_id ?? '');
}

const writeFile = (name: string, content: string): string =>
  script(
    { tools: [{ name: 'Write', input: { file_path: join(server.root, name), content } }] },
    { say: 'Done.' },
  );

/** What differs from run to run is replaced by a word. */
const stable = (screen: string): string =>
  screen
    .replaceAll(server.url, 'SERVER')
    .replaceAll(server.root, 'ROOT')
    .replace(/[\da-f]{8}-[\da-f-]{27}/g, 'ID')
    .replace(/\d+ ms|\d+\.\d s/g, 'TIME')
    .replace(/\$\d+\.\d+/g, 'PRICE')
    .replace(/^ {2}TIME · \d+ tokens/gm, '  TIME · N tokens')
    .replace(/─{20,}/g, '────')
    .replace(/claude-agent \d+\.\d+\.\d+/, 'claude-agent VERSION');

describe('the commands of the seed', () => {
  test('a message is answered, and the screen is as it should be', async () => {
    const terminal = await readyChat();
    await terminal.enter('say Hello from the agent');
    await terminal.shows(DONE);
    expect(stable(await terminal.screen())).toBe(
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
    const terminal = await readyChat();
    await terminal.enter(command);
    expect(await terminal.exitCode()).toBe(0);
  });

  test('leaving says how to go on, and that works', async () => {
    const terminal = await readyChat();
    await terminal.enter('say remember this');
    await terminal.shows(DONE);
    await terminal.press('C-d');
    const id = /claude-agent --resume ([\da-f-]{36})/.exec(await terminal.shows('Go on with'))?.[1] ?? '';
    expect(await terminal.exitCode()).toBe(0);
    const next = await chat({ args: ['--resume', id] });
    await next.shows('● remember this');
    await next.enter('what did I say');
    await next.shows(/what did I say[\s\S]*say remember this/);
  });

  test('clear begins a new session', async () => {
    const terminal = await readyChat();
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
    const terminal = await readyChat();
    await terminal.enter('say listed');
    await terminal.shows(DONE);
    await terminal.enter('sessions');
    await terminal.shows(/● [\da-f-]{36} +just now {2}say listed/);
  });

  test('model and mode change what the footer says', async () => {
    const terminal = await readyChat();
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
    const terminal = await readyChat();
    await terminal.enter('/model');
    await terminal.shows('Which model?');
    await terminal.press('Escape');
    await terminal.shows(READY);
  });

  test('interrupt, typed while a turn runs, stops it', async () => {
    const terminal = await readyChat();
    await terminal.enter(script({ hold: 'typed interrupt', say: 'never' }));
    await terminal.shows('Working…');
    await terminal.enter('interrupt');
    await terminal.shows('■ Interrupted');
    await terminal.hides('Working…');
    await terminal.enter('interrupt');
    await terminal.shows('Nothing is running.');
  });

  test('info and help tell about the server and the commands', async () => {
    const terminal = await readyChat({ rows: 50 });
    await terminal.enter('info');
    await terminal.shows(`${server.url} (healthy`);
    await terminal.shows('Output style');
    await terminal.enter('help');
    const screen = await terminal.shows('/export');
    for (const command of ['exit', 'clear', 'sessions', 'model', 'mode', 'interrupt', 'info', 'help']) {
      expect(screen).toContain(`/${command}`);
    }
  });

  test('words that begin like a command are a message', async () => {
    const terminal = await readyChat({ rows: 50 });
    await terminal.enter('help me with this');
    await terminal.shows(/> help me with this\n\n● I am a scripted demo/);
  });
});

describe('the session picker', () => {
  test('offers what can be resumed; a number takes it', async () => {
    const session = await client.sessions.create();
    await session.send('say picked by number');
    const terminal = await chat({ args: [] });
    await terminal.shows(/❯ 1\. New session\n {2}2\. say picked by number {2}just now/);
    await terminal.press('2');
    await terminal.shows('● picked by number');
  });

  test('whoever just types gets a new session, and loses no letter', async () => {
    const terminal = await chat({ args: [] });
    await terminal.shows('New session');
    await terminal.enter('say typed at once');
    await terminal.shows('● typed at once');
  });
});

describe('a permission prompt', () => {
  test('shows the file and the change, and looks as it should', async () => {
    const terminal = await readyChat();
    await terminal.enter('write looks.txt with some words');
    await terminal.shows('Allow?');
    const screen = stable(await terminal.screen());
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

  test.each([
    ['y', ['y'], true],
    ['y and Enter', ['y', 'Enter'], true],
    ['yes and Enter', ['y', 'e', 's', 'Enter'], true],
    ['Enter', ['Enter'], true],
    ['n', ['n'], false],
    ['no and Enter', ['n', 'o', 'Enter'], false],
    ['Escape', ['Escape'], false],
  ])('%s', async (name, keys, isAllowed) => {
    const file = `answer-${name.replaceAll(' ', '-')}.txt`;
    const terminal = await readyChat();
    await terminal.enter(writeFile(file, 'x'));
    await terminal.shows('Allow?');
    await terminal.press(...keys);
    await terminal.shows(DONE);
    expect(existsSync(join(server.root, file))).toBe(isAllowed);
    if (!isAllowed) expect(await terminal.screen()).toContain('The user denied this.');
    // Nothing of the answer may have become a message.
    await terminal.shows(READY);
  });

  test('a applies the suggestions: the next edit is not asked for', async () => {
    const terminal = await readyChat();
    await terminal.enter(writeFile('applied-1.txt', 'x'));
    await terminal.shows('Allow?');
    await terminal.press('a');
    await terminal.shows('demo · acceptEdits');
    await terminal.enter(writeFile('applied-2.txt', 'x'));
    await terminal.shows(/applied-2[\s\S]*tokens · \$[\d.]+\n/);
    expect(existsSync(join(server.root, 'applied-2.txt'))).toBe(true);
  });

  test('d shows the details and asks again', async () => {
    const terminal = await readyChat({ rows: 45 });
    await terminal.enter(writeFile('details.txt', 'x'));
    await terminal.shows('Allow?');
    await terminal.press('d');
    await terminal.shows('Request: ');
    await terminal.shows('"content": "x"');
    await terminal.press('n');
    await terminal.shows(DONE);
    expect(existsSync(join(server.root, 'details.txt'))).toBe(false);
  });

  test('marks a dangerous command', async () => {
    const terminal = await readyChat();
    await terminal.enter('run rm -rf /tmp/there-is-no-such-folder');
    await terminal.shows('Command: rm -rf /tmp/there-is-no-such-folder');
    await terminal.shows('Dangerous: deletes files without asking');
    await terminal.press('n');
    await terminal.shows(DONE);
  });

  test('a sentence typed into it answers nothing', async () => {
    const terminal = await readyChat();
    await terminal.enter(writeFile('sentence.txt', 'x'));
    await terminal.shows('Allow?');
    await terminal.enter('you may not, any day');
    await terminal.shows('Allow?');
    expect((await (await shownSession()).info()).pending_permissions).toHaveLength(1);
    await terminal.press('Escape');
    await terminal.shows(DONE);
    expect(existsSync(join(server.root, 'sentence.txt'))).toBe(false);
  });

  test('several at once are asked one after the other, each with its own answer', async () => {
    const files = ['/etc/hostname', '/etc/hosts', '/etc/passwd'];
    const tools = files.map((file_path) => ({ name: 'Read', input: { file_path } }));
    const terminal = await readyChat({ rows: 40 });
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

  test('answered elsewhere, it goes away', async () => {
    const terminal = await readyChat();
    await terminal.enter(writeFile('elsewhere.txt', 'x'));
    await terminal.shows('Allow?');
    const session = await shownSession();
    const [request] = (await session.info()).pending_permissions;
    await session.respond({ request_id: request?.request_id ?? '', allowed: true });
    await terminal.hides('Allow?');
    await terminal.shows(DONE);
    expect(existsSync(join(server.root, 'elsewhere.txt'))).toBe(true);
  });

  test('a question shows its choices; one and several can be chosen', async () => {
    const terminal = await readyChat();
    await terminal.enter('ask me a question');
    await terminal.shows('(1 of 2)');
    await terminal.press('Down', 'Enter');
    await terminal.shows('(2 of 2)');
    await terminal.press('1', 'Down', 'Down', 'Space', 'Enter');
    const screen = await terminal.shows(DONE);
    expect(screen).toMatch(/⎿ Which colour.* → Green/);
    expect(screen).toMatch(/Which meals.* → Breakfast, Dinner/);
  });

  test('a plan is shown and approved', async () => {
    const terminal = await readyChat({ rows: 50 });
    await terminal.enter('mode plan');
    await terminal.shows('Mode: plan');
    await terminal.enter('plan say the plan worked');
    await terminal.shows('Go on with this plan?');
    await terminal.press('1');
    await terminal.shows('The plan was approved');
    await terminal.shows('the plan worked');
  });
});

describe('while a turn runs', () => {
  test('Ctrl-C interrupts a running tool, and twice leaves', async () => {
    const terminal = await readyChat();
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
    const terminal = await readyChat();
    await terminal.enter(script({ hold: 'queue', say: 'The first answer.' }));
    await terminal.shows('Working…');
    await terminal.enter('say the second answer');
    await terminal.shows('queued: say the second answer');
    server.demo.model.gates.release('queue');
    await terminal.shows('● the second answer');
    const screen = await terminal.screen();
    expect(screen.indexOf('The first answer.')).toBeLessThan(screen.indexOf('> say the second answer'));
    expect(screen).not.toContain('queued:');
  });

  test('a line tells what goes on, since when, and how much', async () => {
    const terminal = await readyChat();
    await terminal.enter('count to 400 slowly');
    await terminal.shows(/Writing… \([1-9] s · ↑ [\d.]+k · ↓ \d+ tokens · Ctrl-C interrupts\)/);
    await terminal.press('Escape');
    await terminal.shows('■ Interrupted');
  });

  test('text that was cut off by an interrupt stays on the screen', async () => {
    const terminal = await readyChat();
    await terminal.enter('count to 400 slowly');
    await terminal.shows('1 2 3 4 5');
    await terminal.press('C-c');
    await terminal.shows('■ Interrupted');
    expect(await terminal.screen()).toContain('● 1 2 3 4 5');
  });

  test('a failed turn says why', async () => {
    const terminal = await readyChat();
    await terminal.enter('fail');
    await terminal.shows(/✗ .+/);
  });
});

describe('the input', () => {
  test('a paste of 200 lines is one message, and shown as one word', async () => {
    const lines = Array.from({ length: 200 }, (_, index) => `pasted line ${index + 1}`);
    const terminal = await readyChat();
    await terminal.type('Look: ');
    await terminal.paste(lines.join('\n'));
    await terminal.shows('> Look: [Pasted #1: 200 lines]');
    await terminal.press('Enter');
    await terminal.shows('… 182 more lines');
    await terminal.shows(DONE);
    const [turn] = await (await shownSession()).turns();
    expect(turn?.message).toBe(`Look: ${lines.join('\n')}`);
  });

  test('Alt-Enter, Ctrl-J and a backslash make new lines', async () => {
    const terminal = await readyChat();
    await terminal.type('say one');
    await terminal.press('M-Enter');
    await terminal.type('two');
    await terminal.press('C-j');
    await terminal.enter('three\\');
    await terminal.type('four');
    expect(stable(await terminal.shows('four'))).toContain('> say one\n  two\n  three\n  four');
    await terminal.press('Enter');
    await terminal.shows(DONE);
  });

  test('Up brings back what was typed, also in an earlier run', async () => {
    const terminal = await readyChat();
    await terminal.enter('say something to remember');
    await terminal.shows(DONE);
    await terminal.type('a draft');
    await terminal.press('Up');
    await terminal.shows('> say something to remember\n─');
    await terminal.press('Down');
    await terminal.shows('> a draft');
  });

  test('Tab completes commands, modes and file names', async () => {
    writeFileSync(join(server.root, 'completed-file.txt'), '');
    const terminal = await readyChat();
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
    writeFileSync(join(server.root, 'dot.png'), Buffer.from(png, 'base64'));
    const terminal = await readyChat();
    await terminal.enter('say look at dot.png');
    await terminal.shows('[image]');
    await terminal.shows(DONE);
    const [turn] = await (await shownSession()).turns();
    expect(turn?.message).toMatchObject([
      { type: 'text' },
      { type: 'image', source: { media_type: 'image/png' } },
    ]);
  });

  test('after a resize everything is there once, at the new width', async () => {
    const terminal = await readyChat();
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

describe('more commands', () => {
  test('/resume finds a session by words', async () => {
    const session = await client.sessions.create();
    await session.send('say the purple needle');
    const terminal = await readyChat();
    await terminal.enter('/resume purple needle');
    await terminal.shows('● the purple needle');
  });

  test('/resume searches as one types', async () => {
    const session = await client.sessions.create();
    await session.send('say the golden needle');
    const terminal = await readyChat();
    await terminal.enter('/resume');
    await terminal.shows('Search:');
    await terminal.type('golden');
    await terminal.shows(/Search: golden\n❯ say the golden needle/);
    await terminal.press('Enter');
    await terminal.shows('● the golden needle');
  });

  test('/fork goes on in a copy, /title names it', async () => {
    const terminal = await readyChat();
    await terminal.enter('say the original');
    await terminal.shows(DONE);
    await terminal.enter('/fork');
    await terminal.shows('You are in a copy now');
    await terminal.enter('/title My branch');
    await terminal.shows('· My branch ·');
  });

  test('/rewind puts files back', async () => {
    writeFileSync(join(server.root, 'rewind.txt'), 'one');
    const terminal = await readyChat({ rows: 45 });
    await terminal.enter('/mode acceptEdits');
    await terminal.shows('Mode: acceptEdits');
    await terminal.enter('edit rewind.txt: replace one with two');
    await terminal.shows(DONE);
    expect(readFileSync(join(server.root, 'rewind.txt'), 'utf8')).toBe('two');
    await terminal.enter('/rewind');
    await terminal.shows('❯ edit rewind.txt');
    await terminal.press('Enter');
    await terminal.shows('This changes (+1 -1):');
    await terminal.press('1');
    await terminal.shows('Put back: ');
    expect(readFileSync(join(server.root, 'rewind.txt'), 'utf8')).toBe('one');
  });

  test('/cost, /context and /mcp show their tables', async () => {
    const terminal = await readyChat({ rows: 45 });
    await terminal.enter('say counted');
    await terminal.shows(DONE);
    await terminal.enter('/cost');
    await terminal.shows(/All \(1 turn\) +[\d.]+k/);
    await terminal.enter('/context');
    await terminal.shows(/Context of .* tokens \(\d+ %\)/);
    await terminal.enter('/mcp');
    await terminal.shows('no MCP servers');
    await terminal.enter('/nonsense');
    await terminal.shows('There is no command /nonsense');
  });

  test('/export saves Markdown and JSON, and overwrites nothing', async () => {
    const terminal = await readyChat();
    await terminal.enter('say exported');
    await terminal.shows(DONE);
    await terminal.enter('/export talk.md');
    await terminal.shows('Saved to');
    expect(readFileSync(join(server.root, 'talk.md'), 'utf8')).toBe(
      '# Conversation\n\n## You\n\nsay exported\n\n## Agent\n\nexported\n',
    );
    await terminal.enter('/export talk.json');
    await terminal.shows('talk.json');
    const events = JSON.parse(readFileSync(join(server.root, 'talk.json'), 'utf8')) as { type: string }[];
    expect(events.at(-1)?.type).toBeTruthy();
    await terminal.enter('/export talk.md');
    await terminal.shows('exists already');
  });
});

describe('when the server is away', () => {
  const freePort = (): Promise<number> =>
    new Promise((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port } = probe.address() as { port: number };
        probe.close(() => resolve(port));
      });
    });

  test('at the start: it says so, keeps what is typed, and sends it once when the server is there', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const terminal = await openTerminal({ args: ['--server', url, '--new'], cwd: server.root });
    open.push(terminal);
    await terminal.shows(`! No server answers at ${url} (ECONNREFUSED)`);
    await terminal.enter('say typed too early');
    await terminal.shows('queued: say typed too early');
    const late = await startTestServer({ args: ['--port', String(port)] });
    try {
      await terminal.shows('● typed too early', 30_000);
      await terminal.hides('No server answers');
      const { sessions } = await new AgentClient({ baseUrl: late.url }).sessions.list();
      expect(sessions.map(({ message_count }) => message_count)).toEqual([1]);
    } finally {
      await terminal.close();
      await cleanUp(late);
    }
  });

  test('in mid-turn: it says so, goes on from the last event, shows nothing twice, sends nothing twice', async () => {
    const args = ['--port', String(await freePort())];
    let other = await startTestServer({ args });
    try {
      const terminal = await readyChat({ on: other });
      await terminal.enter('say before the crash');
      await terminal.shows(/● before the crash[\s\S]*tokens · \$[\d.]+\n/);
      await terminal.enter(script({ hold: 'crash', say: 'never' }));
      await other.demo.model.gates.reached('crash');
      await other.kill();
      await terminal.shows('! Connection lost, trying again.');
      await terminal.enter('say typed meanwhile');
      await terminal.shows('queued: say typed meanwhile');
      other = await startTestServer({ args, on: other });
      await terminal.shows('■ Interrupted (the server was restarted)', 30_000);
      await terminal.shows('● typed meanwhile');
      await terminal.hides('Connection lost');
      const all = await terminal.everything();
      expect(all.match(/● before the crash/g)).toHaveLength(1);
      expect(all.match(/> say typed meanwhile/g)).toHaveLength(1);
      const remote = new AgentClient({ baseUrl: other.url });
      const { sessions } = await remote.sessions.list();
      expect(sessions.map(({ message_count }) => message_count)).toEqual([3]);
    } finally {
      for (const terminal of open.splice(0)) await terminal.close();
      await cleanUp(other);
    }
  });
});
