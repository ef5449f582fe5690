import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { AgentClient } from 'claude-agent-client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, script, startTestServer } from '../../client/test/support/server.ts';
import { type Chats, DONE, startChats } from './support/chats.ts';
import { openTerminal } from './support/terminal.ts';

let chats: Chats;
beforeAll(async () => {
  chats = await startChats();
});
afterEach(() => chats.closeTerminals());
afterAll(() => chats.end());

describe('commands on sessions', () => {
  test('/resume finds a session by words', async () => {
    const session = await chats.client.sessions.create();
    await session.send('say the purple needle');
    const terminal = await chats.ready();
    await terminal.enter('/resume purple needle');
    await terminal.shows('● the purple needle');
  });

  test('/resume of a session whose agent runs: it keeps what only a start can change, and says so', async () => {
    const session = await chats.client.sessions.create();
    await session.send('say the silver needle');
    const terminal = await chats.ready({ args: ['--new', '--max-turns', '9'] });
    await terminal.enter('/resume silver needle');
    await terminal.shows("This session's agent runs already and keeps its own max_turns.");
    await terminal.shows('● the silver needle');
    await terminal.enter('exit');
    expect(await terminal.exitCode()).toBe(0);
    // It was found live: leaving does not close it.
    expect((await session.info()).status).toBe('connected');
  });

  test('/resume searches as one types', async () => {
    const session = await chats.client.sessions.create();
    await session.send('say the golden needle');
    const terminal = await chats.ready();
    await terminal.enter('/resume');
    await terminal.shows('Search:');
    await terminal.type('golden');
    await terminal.shows(/Search: golden\n❯ say the golden needle/);
    await terminal.press('Enter');
    await terminal.shows('● the golden needle');
  });

  test('/fork goes on in a copy, /title names it', async () => {
    const terminal = await chats.ready();
    await terminal.enter('say the original');
    await terminal.shows(DONE);
    await terminal.enter('/fork');
    await terminal.shows('You are in a copy now');
    await terminal.enter('/title My branch');
    await terminal.shows('· My branch ·');
  });

  test('a copy shows news of background work as such, not as if the user had said it', async () => {
    const terminal = await chats.ready();
    await terminal.enter('start a subagent in the background to say hello');
    await terminal.shows('● A background task has news');
    await terminal.hides('◆ In the background');
    await terminal.enter('/fork');
    await terminal.shows('You are in a copy now');
    const copy = (await terminal.screen()).split('Agent "Run a small task"').at(-1) ?? '';
    expect(copy).toContain('finished');
    expect(await terminal.everything()).not.toContain('<task-notification>');
  });

  test('/rewind puts files back', async () => {
    writeFileSync(join(chats.server.root, 'rewind.txt'), 'one');
    const terminal = await chats.ready({ rows: 45 });
    await terminal.enter('/mode acceptEdits');
    await terminal.shows('Mode: acceptEdits');
    await terminal.enter('edit rewind.txt: replace one with two');
    await terminal.shows(DONE);
    expect(readFileSync(join(chats.server.root, 'rewind.txt'), 'utf8')).toBe('two');
    await terminal.enter('/rewind');
    await terminal.shows('❯ edit rewind.txt');
    await terminal.press('Enter');
    await terminal.shows('This changes (+1 -1):');
    await terminal.press('1');
    await terminal.shows('Put back: ');
    expect(readFileSync(join(chats.server.root, 'rewind.txt'), 'utf8')).toBe('one');
  });

  test('/cost, /context and /mcp show their tables', async () => {
    const terminal = await chats.ready({ rows: 45 });
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
    const terminal = await chats.ready();
    await terminal.enter('say exported');
    await terminal.shows(DONE);
    await terminal.enter('/export talk.md');
    await terminal.shows('Saved to');
    expect(readFileSync(join(chats.server.root, 'talk.md'), 'utf8')).toBe(
      '# Conversation\n\n## You\n\nsay exported\n\n## Agent\n\nexported\n',
    );
    await terminal.enter('/export talk.json');
    await terminal.shows(/Saved to \S+talk\.json/);
    const events = JSON.parse(readFileSync(join(chats.server.root, 'talk.json'), 'utf8')) as {
      type: string;
    }[];
    expect(events.at(-1)?.type).toBeTruthy();
    await terminal.enter('/export talk.md');
    await terminal.shows('exists already');
  });
});

test('a session that does not exist ends the program with a sentence', async () => {
  const terminal = await chats.open({ args: ['--resume', '7b0f5f3c-55cf-4bd4-9a1f-4fbb0a1f5d5e'] });
  expect(await terminal.exitCode()).toBe(1);
  await terminal.shows(/7b0f5f3c.*\(session_not_found\)/s);
});

test('a session that was closed elsewhere opens again with the next message', async () => {
  const terminal = await chats.ready();
  await terminal.enter('say before the end');
  await terminal.shows(DONE);
  await (await chats.shownSession()).close();
  await terminal.enter('what did I say');
  await terminal.shows(/> what did I say\n\n●[\s\S]*say before the end/);
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
    const terminal = await openTerminal({ args: ['--server', url, '--new'], cwd: chats.server.root });
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
      const terminal = await chats.ready({ on: other });
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
      await chats.closeTerminals();
      await cleanUp(other);
    }
  });
});
