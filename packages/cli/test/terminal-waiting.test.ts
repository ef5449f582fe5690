import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { script } from '../../client/test/support/server.ts';
import { type Chats, DONE, READY, startChats } from './support/chats.ts';

let chats: Chats;
beforeAll(async () => {
  chats = await startChats({ config: { max_live_agents: 1, park_after_seconds: 1 } });
});
afterEach(() => chats.closeTerminals());
afterAll(() => chats.end());

test('a message that waits for an agent process says so, with its place in line', async () => {
  const [busy, first] = await Promise.all([
    chats.client.sessions.create(),
    chats.client.sessions.create({ start: 'lazy' }),
  ]);
  const running = busy.send(script({ hold: 'busy', say: 'one' }));
  await chats.server.demo.model.gates.reached('busy');
  const next = first.send('say two');
  await expect.poll(async () => (await first.info()).state).toBe('running');
  const terminal = await chats.open();
  await terminal.shows(READY);
  await terminal.enter('say three');
  await terminal.shows('Waiting for a free agent process, number 2 in line');
  chats.server.demo.model.gates.release('busy');
  await Promise.all([running, next]);
  await terminal.hides('in line');
});

test('a turn that is parked and goes on says both, and the answer counts', async () => {
  const terminal = await chats.ready();
  await terminal.enter(chats.writeFile('parked.txt'));
  await terminal.shows('Allow?');
  await terminal.shows('The agent process was let go while this waits for an answer.');
  await terminal.press('y');
  await terminal.shows('The agent is back and goes on.');
  await terminal.shows(DONE);
  expect(existsSync(join(chats.server.root, 'parked.txt'))).toBe(true);
});
