import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Turn, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { type SseFrame, script } from './support/api.ts';
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

describe.skipIf(!CAN_SEE_PROCESSES)('an agent that is frozen', () => {
  const freeze = (id: string): boolean => process.kill(processesOf(id)[0]?.pid ?? 0, 'SIGSTOP');

  test('is not waited for: every call ends, with a code of its own', async () => {
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

test('closing does not wait for a hook of the user’s that holds the agent’s start', async () => {
  mkdirSync(join(server.userHome, '.claude'), { recursive: true });
  const settings = join(server.userHome, '.claude', 'settings.json');
  const mark = join(server.root, 'hook-began');
  const hook = { type: 'command', command: `touch ${mark}; sleep 40` };
  writeFileSync(settings, JSON.stringify({ hooks: { SessionStart: [{ hooks: [hook] }] } }));
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
    rmSync(settings);
  }
}, 90_000);

/** A small file system of its own; undefined where this user may not mount one. */
function mountSmall(folder: string): (() => void) | undefined {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return () => execFileSync('umount', ['-l', folder]);
}

test('a disk that is full in mid-turn: nothing runs twice, nothing is lost, and with room again it goes on by itself', async (context) => {
  const disk = join(server.home, '..', 'small-disk');
  const unmount = mountSmall(disk);
  if (!unmount) return context.skip('this user may not mount a file system');
  const filler = join(disk, 'filler');
  const fill = (): void => {
    for (let size = 65_536; size >= 64; size /= 2) {
      try {
        for (;;) appendFileSync(filler, Buffer.alloc(size));
      } catch {
        // full, for this size
      }
    }
  };
  const free = (): void => rmSync(filler);
  const start = (on: TestServer): Promise<TestServer> => startTestServer({ on, args: ['--home', disk] });
  let full = await start(server);
  const { gates } = server.demo.model;
  const log = join(server.root, 'ran.txt');
  const append = (line: string) => ({
    name: 'Bash',
    input: { command: `echo ${line} >> ${log}`, description: line },
  });
  const lines = (): string[] => readFileSync(log, 'utf8').trim().split('\n');
  const turnsOf = async (id: string): Promise<string[]> => {
    const { body } = await full.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
    return body.turns.map((turn) => turn.state);
  };
  try {
    const { session_id: id } = await full.createSession({ allowed_tools: ['Bash'] });
    const all = full.stream(`/sessions/${id}/events`);
    const first = full.send(id, script({ tools: [append('first')] }, { hold: 'full', say: 'one' }));
    await gates.reached('full');
    const rest: Promise<TurnResult>[] = [];
    for (const name of ['two', 'three', 'four']) {
      rest.push(full.send(id, script({ tools: [append(name)] }, { say: name })));
      await expect.poll(async () => (await full.status(id)).queued_turns).toBe(rest.length);
    }
    fill();
    gates.release('full');
    // The agent is done, but that cannot be written: so it is not said either.
    await expect.poll(async () => (await full.call('GET', '/ready')).status, { timeout: 20_000 }).toBe(503);
    const refused = await full.call('POST', `/sessions/${id}/messages`, { message: 'say no' });
    expect(refused).toMatchObject({ status: 503, body: { code: 'storage_failed' } });
    expect(await full.status(id)).toMatchObject({ state: 'running', queued_turns: 3 });
    expect(await turnsOf(id)).toEqual(['running', 'queued', 'queued', 'queued']);
    expect(lines()).toEqual(['first']);

    free();
    expect((await Promise.all([first, ...rest])).map(text)).toEqual(['one', 'two', 'three', 'four']);
    expect(lines()).toEqual(['first', 'two', 'three', 'four']);
    expect(await turnsOf(id)).toEqual(['completed', 'completed', 'completed', 'completed']);
    expect((await full.call('GET', '/ready')).status).toBe(200);
    // A reader that was there all the time has every event once.
    const seqs: number[] = [];
    for await (const { data } of all as AsyncGenerator<SseFrame>) {
      if (data.seq !== undefined) seqs.push(data.seq);
      if (data.seq === (await full.status(id)).last_seq) break;
    }
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));

    // A server that ends on a full disk says what is missing; the next start settles it.
    const cut = full.send(id, script({ hold: 'for ever', say: 'never' })).catch(() => undefined);
    await gates.reached('for ever');
    fill();
    expect(await full.stop()).toBe(1);
    expect(full.stderr()).toContain('The store could not be written');
    await cut;
    free();
    full = await start(full);
    expect(await turnsOf(id)).toEqual(['completed', 'completed', 'completed', 'completed', 'interrupted']);
    expect(text(await full.send(id, script({ say: 'on it goes' })))).toBe('on it goes');
  } finally {
    await full.stop();
    unmount();
  }
}, 180_000);
