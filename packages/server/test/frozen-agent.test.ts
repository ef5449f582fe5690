import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const text = (result: TurnResult): string =>
  result.messages.flatMap((item) => (item.type === 'text' ? [item.content] : [])).join('\n');

/** Calls, and tells how many seconds the answer took. */
async function timed(method: string, path: string, body?: unknown) {
  const begun = Date.now();
  const answer = await server.call(method, path, body);
  return { ...answer, seconds: (Date.now() - begun) / 1000 };
}

describe.skipIf(!CAN_SEE_PROCESSES)('a frozen agent', () => {
  const freeze = (id: string): boolean => process.kill(processesOf(id)[0]?.pid ?? 0, 'SIGSTOP');

  test('does not hold up any call: each ends with its own code', async () => {
    const { session_id: id } = await server.createSession();
    const said = await server.send(id, script({ say: 'hello' }));
    const held = await server.createSession();
    const waiting = server.send(held.session_id, script({ hold: 'frozen', say: 'never' }));
    await server.demo.model.gates.reached('frozen');
    freeze(id);
    freeze(held.session_id);
    const path = `/sessions/${id}`;
    const [interrupted, ...refused] = await Promise.all([
      timed('POST', `/sessions/${held.session_id}/interrupt`),
      timed('POST', `${path}/model`, { model: 'other' }),
      timed('POST', `${path}/permission_mode`, { mode: 'plan' }),
      timed('GET', `${path}/context`),
      timed('POST', `${path}/rewind`, { message_id: said.turn_id }),
    ]);
    for (const answer of refused) {
      expect(answer).toMatchObject({ status: 504, body: { code: 'agent_not_answering' } });
      expect(answer.seconds).toBeLessThan(20);
    }
    // Nothing was changed of which the agent does not know.
    expect(await server.status(id)).toMatchObject({ current_model: 'demo', permission_mode: 'default' });
    expect(interrupted).toMatchObject({ status: 200 });
    expect(interrupted.seconds).toBeLessThan(25);
    expect(await waiting).toMatchObject({ error: { code: 'interrupted' } });
    expect((await timed('GET', `${path}/server_info`)).seconds).toBeLessThan(20);
    const closed = await timed('DELETE', path);
    expect(closed.status).toBe(200);
    expect(closed.seconds).toBeLessThan(15);
    expect(processesOf(id)).toEqual([]);
    // The other one's process was ended; its conversation goes on in a new one.
    expect(text(await server.send(held.session_id, script({ say: 'again' })))).toBe('again');
  }, 120_000);
});

/** A user hook that blocks the start of every agent; `mark` is a file that it makes first. */
function blockStarts(name: string): { mark: string; release(): void } {
  mkdirSync(join(server.userHome, '.claude'), { recursive: true });
  const settings = join(server.userHome, '.claude', 'settings.json');
  const mark = join(server.root, name);
  const hook = { type: 'command', command: `touch ${mark}; sleep 40` };
  writeFileSync(settings, JSON.stringify({ hooks: { SessionStart: [{ hooks: [hook] }] } }));
  return { mark, release: () => rmSync(settings) };
}

test('an interrupt during the start of the agent ends the turn at once, and no agent begins it', async () => {
  const { session_id: id } = await server.createSession({ start: 'lazy' });
  const { mark, release } = blockStarts('start-began');
  const first = server.send(id, script({ say: 'first' }));
  await expect.poll(() => existsSync(mark), { timeout: 30_000 }).toBe(true);
  release();
  const interrupted = await timed('POST', `/sessions/${id}/interrupt`);
  expect(interrupted).toMatchObject({ status: 200 });
  expect(interrupted.seconds).toBeLessThan(20);
  expect(await first).toMatchObject({ error: { code: 'interrupted' }, messages: [] });
  expect(text(await server.send(id, script({ say: 'second' })))).toBe('second');
  const { body } = await server.call<{ messages: { type: string }[] }>('GET', `/sessions/${id}/messages`);
  expect(body.messages.filter(({ type }) => type === 'assistant').length).toBe(1);
}, 90_000);

test('a close does not wait for a user hook that blocks the start of the agent', async () => {
  const { mark, release } = blockStarts('hook-began');
  try {
    const created = server.call('POST', '/sessions', { title: 'held' });
    await expect.poll(() => existsSync(mark), { timeout: 30_000 }).toBe(true);
    const { body } = await server.call<{ sessions: { session_id: string; title: string }[] }>(
      'GET',
      '/sessions',
    );
    const held = body.sessions.find(({ title }) => title === 'held');
    const closed = await timed('DELETE', `/sessions/${held?.session_id}`);
    expect(closed.status).toBe(200);
    expect(closed.seconds).toBeLessThan(20);
    expect(await created).toMatchObject({ status: 409, body: { code: 'session_closed' } });
  } finally {
    release();
  }
}, 90_000);
