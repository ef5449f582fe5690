import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { AgentClient } from 'claude-agent-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from '../../client/test/support/server.ts';
import { PROGRAM } from './support/terminal.ts';

let server: TestServer;
let client: AgentClient;
beforeAll(async () => {
  server = await startTestServer();
  client = new AgentClient({ baseUrl: server.url });
});
afterAll(() => cleanUp(server));

/** Runs the program as a script would. */
async function run(args: string[], { stdin = '' } = {}) {
  const [node = '', ...rest] = PROGRAM;
  const child = spawn(node, [...rest, ...args], {
    cwd: server.root,
    env: { ...process.env, CLAUDE_AGENT_SERVER: server.url },
  });
  child.stdin.end(stdin);
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

test('sessions export, erase and import move one, by files and by pipes', async () => {
  const session = await client.sessions.create({ title: 'Moved' });
  await session.send('say moved');
  const file = join(server.root, 'moved.jsonl');
  expect(await run(['sessions', 'export', session.id, file])).toEqual({
    code: 0,
    stdout: '',
    stderr: `Saved to ${file}\n`,
  });
  expect(await run(['sessions', 'export', session.id, file])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('exists already'),
  });
  const { stdout: piped } = await run(['sessions', 'export', session.id]);
  expect(piped).toBe(readFileSync(file, 'utf8'));
  expect(await run(['sessions', 'erase', session.id])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--yes'),
  });
  expect((await session.info()).title).toBe('Moved');
  const erased = { code: 0, stdout: 'Erased.\n', stderr: '' };
  expect(await run(['sessions', 'erase', session.id, '--yes'])).toEqual(erased);
  await expect(session.info()).rejects.toMatchObject({ code: 'session_not_found' });

  const imported = await run(['sessions', 'import', file]);
  expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining(`--resume ${session.id}`) });
  expect((await run(['sessions', 'import', file])).code).toBe(1);
  expect(await run(['sessions', 'erase', session.id, '--yes'])).toEqual(erased);
  const again = await run(['sessions', 'import', '--json'], { stdin: piped });
  expect(JSON.parse(again.stdout)).toMatchObject({ session_id: session.id, turns: 1, status: 'closed' });
  expect((await run(['-p', 'say on', '--resume', session.id])).stdout).toBe('on\n');
  for (const wrong of [
    ['sessions', 'burn'],
    ['sessions', 'export'],
    ['sessions', 'import', 'none.jsonl'],
  ])
    expect((await run(wrong)).code).toBe(2);
});

test('audit shows who changed what, of all or of one session, also as JSON Lines', async () => {
  const session = await server.createSession({ start: 'lazy' });
  await server.call('PATCH', `/sessions/${session.session_id}`, { title: 'x' });
  const { stdout } = await run(['audit', session.session_id]);
  expect(stdout.trim().split('\n')).toEqual([
    expect.stringMatching(/^\S+Z local \(127\.0\.0\.1\) patchSession 200 /),
    expect.stringMatching(/ createSession 200 /),
  ]);
  const [line = '', ...more] = (await run(['audit', '--limit', '1', '--json'])).stdout.trim().split('\n');
  expect(more).toEqual([]);
  expect(JSON.parse(line)).toMatchObject({ action: 'patchSession', session_id: session.session_id });
});
