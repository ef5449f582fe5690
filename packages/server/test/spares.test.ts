/** Processes that are started ahead, on the real agent: a session that gets one cannot tell the difference. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Reservation, StartOptions } from '../src/agent/agent.ts';
import { type AgentPort, openAgentPort } from './support/agent-port.ts';
import { script } from './support/api.ts';
import { cleanUp, startTestServer } from './support/server.ts';

let port: AgentPort;
beforeAll(async () => {
  port = await openAgentPort({ spares: 1 });
});
afterAll(() => port.close());

/** Waits for a spare that fits. */
async function reserve(options: StartOptions): Promise<Reservation> {
  let reservation: Reservation | undefined;
  await expect
    .poll(() => {
      reservation = port.agent.reserve(options);
      return reservation;
    })
    .toBeDefined();
  return reservation as Reservation;
}

const plain = (): StartOptions => port.optionsIn(port.workFolder());

test('a session that gets a spare has its own folder, instructions, title, mode and permissions', async () => {
  const cwd = port.workFolder();
  writeFileSync(join(cwd, 'CLAUDE.md'), 'The word of this folder is PERIWINKLE.');
  port.asked.length = 0;
  const { sessionId } = await reserve(plain());
  const before = port.pids.length;
  const running = await port.start({
    ...port.optionsIn(cwd, sessionId),
    title: 'Spared',
    permissionMode: 'default',
  });
  expect(port.pids.slice(before)).toEqual([]);
  running.process.send(
    crypto.randomUUID(),
    script({ tools: [{ name: 'Bash', input: { command: 'pwd > where.txt' } }] }, { say: 'done' }),
  );
  const { question, answer } = await running.asked();
  expect(question).toMatchObject({ toolName: 'Bash', isAlone: true });
  answer({ allowed: true, applySuggestions: false });
  expect(await running.ended).toMatchObject({ isError: false });
  expect(readFileSync(join(cwd, 'where.txt'), 'utf8').trim()).toBe(cwd);
  const init = running.messages.find(({ subtype }) => subtype === 'init');
  expect(init).toMatchObject({ session_id: sessionId, cwd, permissionMode: 'default' });
  expect(port.asked.join()).toContain('PERIWINKLE');
  await running.process.close();
  const transcript = await port.agent.transcript(sessionId);
  expect(transcript).toMatchObject({ cwd, title: 'Spared' });
});

test('after one was taken the next is started, once', async () => {
  const first = await reserve(plain());
  expect(port.agent.reserve(plain())).toBeUndefined();
  first.release();
  const again = await reserve(plain());
  expect(again.sessionId).toBe(first.sessionId);
  const running = await port.start(port.optionsIn(port.workFolder(), again.sessionId));
  await running.process.close();
  const next = await reserve(plain());
  expect(next.sessionId).not.toBe(first.sessionId);
  next.release();
});

test('a spare that died is not missed: the session starts cold, under the same id', async () => {
  const { sessionId } = await reserve(plain());
  process.kill(port.pids.at(-1) ?? 0, 'SIGKILL');
  const running = await port.start(port.optionsIn(port.workFolder(), sessionId));
  running.process.send(crypto.randomUUID(), 'say here I am');
  await running.ended;
  expect(JSON.stringify(running.messages)).toContain('here I am');
  await running.process.close();
});

test('a folder whose settings a spare cannot take starts cold, and that process gets the message that the spare had', async () => {
  const cwd = port.workFolder();
  mkdirSync(join(cwd, '.claude'));
  writeFileSync(join(cwd, '.claude/settings.json'), JSON.stringify({ env: { OF_THE_FOLDER: 'yes' } }));
  const trusting = (id?: string): StartOptions => {
    const options = port.optionsIn(cwd, id);
    return { ...options, options: { ...options.options, trust_project: true } };
  };
  const { sessionId } = await reserve(trusting());
  const before = port.pids.length;
  const running = await port.start(
    trusting(sessionId),
    script(
      { tools: [{ name: 'Bash', input: { command: 'echo $OF_THE_FOLDER >> said.txt' } }] },
      { say: 'done' },
    ),
  );
  expect(port.pids.length).toBe(before + 1);
  const { answer } = await running.asked();
  answer({ allowed: true, applySuggestions: false });
  expect(await running.ended).toMatchObject({ isError: false });
  expect(readFileSync(join(cwd, 'said.txt'), 'utf8')).toBe('yes\n');
  await running.process.close();
});

test('what a claim cannot carry goes without a spare', async () => {
  const { options, cwd, tenant } = plain();
  for (const more of [{ mcp_servers: {} }, { hooks: {} }, { plugins: [] }]) {
    expect(
      port.agent.reserve({ model: undefined, options: { ...options, ...more }, cwd, tenant }),
    ).toBeUndefined();
  }
  expect(port.agent.reserve({ model: 'another', options, cwd, tenant })).toBeUndefined();
});

/** Agents below a server, and which of them are spares that were never claimed. */
function agentsOf(pid: number): { pid: number; isSpare: boolean }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]);
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        if (parent !== pid || !command.includes('stream-json')) return [];
        return [{ pid: Number(name), isSpare: command.includes('--await-claim') }];
      } catch {
        return [];
      }
    });
}

test.skipIf(process.platform !== 'linux').each([
  ['a session that goes straight to its model', []],
  ['a session behind the gateway', ['--demo']],
])('POST /sessions gives %s the spare that was started with the server', async (_, more) => {
  const server = await startTestServer({ args: ['--spares', '1', ...more] });
  try {
    await expect.poll(() => agentsOf(server.pid).map(({ isSpare }) => isSpare)).toEqual([true]);
    const [spare] = agentsOf(server.pid);
    // It becomes a session as soon as it is ready; until then sessions start without it.
    let id = '';
    await expect
      .poll(
        async () => {
          const { session_id } = await server.createSession();
          if (agentsOf(server.pid).length === 1) id = session_id;
          else await server.call('DELETE', `/sessions/${session_id}`);
          return id;
        },
        { interval: 500 },
      )
      .not.toBe('');
    expect(agentsOf(server.pid)).toEqual([spare]);
    const turn = await server.send(id, 'say from a spare');
    expect(JSON.stringify(turn)).toContain('from a spare');
    // Another one takes its place.
    await expect.poll(() => agentsOf(server.pid).length).toBe(2);
  } finally {
    await cleanUp(server);
  }
});
