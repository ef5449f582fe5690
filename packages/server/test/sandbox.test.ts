import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { escaping, isAlive, WAIT } from './support/processes.ts';
import { HAS_BUBBLEWRAP } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** What an agent ran, and what came of it: `said` is what the command printed. */
const saying = ({ messages }: TurnResult): string =>
  messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');

describe.skipIf(!HAS_BUBBLEWRAP)('an agent in a sandbox', () => {
  let server: TestServer;
  let id: string;
  let cwd: string;
  const secret = 'MARIGOLD';

  /** A session in a folder of its own, which runs what it is told to. */
  const start = async (name: string): Promise<{ id: string; cwd: string }> => {
    const folder = join(server.root, name);
    mkdirSync(folder);
    const { session_id } = await server.createSession({ cwd: folder, allowed_tools: ['Bash'] });
    return { id: session_id, cwd: folder };
  };
  const bash = async (session: string, command: string): Promise<string> =>
    saying(
      await server.send(
        session,
        script(
          { tools: [{ name: 'Bash', input: { command, description: 'tries' } }] },
          { say: '{{result}}' },
        ),
      ),
    );

  beforeAll(async () => {
    server = await startTestServer({
      args: ['--sandbox', 'required'],
      env: { AGENT_SERVER_API_KEY: '', SOME_SECRET: secret },
    });
    writeFileSync(join(server.userHome, 'private.txt'), secret);
    mkdirSync(join(server.root, 'other'));
    writeFileSync(join(server.root, 'other', 'private.txt'), secret);
    ({ id, cwd } = await start('own'));
  });
  afterAll(() => cleanUp(server));

  test('works in its folder, and nowhere else', async () => {
    expect(await bash(id, 'echo here > made.txt; cat made.txt')).toContain('here');
    expect(readFileSync(join(cwd, 'made.txt'), 'utf8')).toBe('here\n');
    const said = await bash(id, 'for f in /x /usr/x /etc/x; do touch $f && echo made $f; done; touch ../x');
    expect(said).not.toContain('made ');
    expect(said).toContain('Read-only file system');
    expect(existsSync(join(server.root, 'x'))).toBe(false);
  });

  test("sees neither the server's home, nor the user's, nor other sessions' folders", async () => {
    const paths = [server.home, server.userHome, join(server.root, 'other'), server.root, '/etc/shadow'];
    const said = await bash(
      id,
      `cd /; for p in ${paths.join(' ')}; do echo "$p:" $(ls -A $p 2>&1); cat $p/*; done; true`,
    );
    expect(said).toContain(`${server.root}: own`);
    expect(said).toMatch(/shadow: .*No such file/);
    expect(said).not.toMatch(/server\.db|config\.json|lock\.db/);
    expect(said).not.toContain(secret);
  });

  test('finds nothing at the end of a link out of its folder', async () => {
    symlinkSync(join(server.root, 'other', 'private.txt'), join(cwd, 'link.txt'));
    symlinkSync(server.home, join(cwd, 'link'));
    const said = await bash(id, 'cat link.txt; ls link/; true');
    expect(said.match(/No such file/g)).toHaveLength(2);
  });

  test('sees no processes but its own, and cannot end or trace any', async () => {
    const said = await bash(
      id,
      `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; tr '\\0' '\\n' < $p/environ | grep SECRET; done; kill -9 ${server.pid}; echo > /proc/${server.pid}/mem; true`,
    );
    expect(said).not.toContain('main.ts');
    expect(said).not.toContain(secret);
    expect(said).toMatch(/No such process/);
    expect(isAlive(server.pid)).toBe(true);
  });

  test('has no privileges, and cannot mount or make namespaces', async () => {
    const said = await bash(
      id,
      'grep -E "Cap(Prm|Eff|Bnd)" /proc/self/status; unshare -U true && echo made; mount -t tmpfs x /tmp && echo made; true',
    );
    expect(said.match(/0000000000000000/g)).toHaveLength(3);
    expect(said).not.toContain('made');
  });

  test("sees no transcript but its own; other sessions' in the same folder are not there", async () => {
    const other = await server.createSession({ cwd });
    await server.send(other.session_id, 'say PETUNIA');
    const said = await bash(id, 'ls ~/.claude/projects/*; grep -rl PETU[N]IA ~/.claude; true');
    expect(said).toContain(`${id}.jsonl`);
    expect(said).not.toContain(other.session_id);
    await server.call('DELETE', `/sessions/${other.session_id}`);
  });

  test('keeps its context, its home and its temporary files over a sleep, where everybody finds its transcript', async () => {
    const sleeper = await start('sleeper');
    await bash(sleeper.id, 'echo kept > ~/note; echo kept > /tmp/note');
    const asleep = firstFrame(
      server.stream(`/sessions/${sleeper.id}/events`),
      (frame) => frame.event === 'session.state' && frame.data.data.state === 'asleep',
    );
    for (const { pid } of processesOf(sleeper.id)) process.kill(pid, 'SIGKILL');
    await asleep;
    const project = sleeper.cwd.replaceAll(/[^a-zA-Z0-9]/g, '-');
    const transcript = join(server.userHome, '.claude', 'projects', project, `${sleeper.id}.jsonl`);
    expect(readFileSync(transcript, 'utf8')).toContain('echo kept');
    const { messages } = await server.send(sleeper.id, 'what did I say');
    expect(JSON.stringify(messages)).toContain('echo kept');
    expect(await bash(sleeper.id, 'cat ~/note /tmp/note')).toContain('kept\nkept');
  });

  test('goes on in the conversation that it was moved to by /clear', async () => {
    const cleared = await start('cleared');
    await server.send(cleared.id, 'say BEFORE');
    await server.send(cleared.id, '/clear');
    await server.send(cleared.id, 'say AFTER');
    await server.call('DELETE', `/sessions/${cleared.id}`);
    await server.call('POST', '/sessions', { resume_session_id: cleared.id });
    const { messages } = await server.send(cleared.id, 'what did I say');
    expect(JSON.stringify(messages)).toContain('AFTER');
    expect(JSON.stringify(messages)).not.toContain('BEFORE');
  });

  test('undoes its changes of files after a sleep', async () => {
    const { session_id } = await server.createSession({ cwd, permission_mode: 'acceptEdits' });
    const { turn_id } = await server.send(session_id, 'write undo.txt with one');
    await server.call('DELETE', `/sessions/${session_id}`);
    await server.call('POST', '/sessions', { resume_session_id: session_id });
    const { status } = await server.call('POST', `/sessions/${session_id}/rewind`, { message_id: turn_id });
    expect(status).toBe(200);
    expect(await bash(id, 'ls')).not.toContain('undo.txt');
  });

  test('leaves nothing running when it ends, whatever it started', async () => {
    const runner = await start('runner');
    await bash(runner.id, `${escaping('pid')}; (setsid sleep 601 &); sleep 0.1`);
    const all = processesOf(runner.id).map(({ pid }) => pid);
    expect(all.length).toBeGreaterThan(3);
    await server.call('DELETE', `/sessions/${runner.id}`);
    expect(all.filter(isAlive)).toEqual([]);
  });

  test('ends at once when the server is killed', async () => {
    const killed = await startTestServer({ args: ['--sandbox', 'required'] });
    const { session_id } = await killed.createSession();
    const agents = processesOf(session_id).map(({ pid }) => pid);
    expect(agents.length).toBeGreaterThan(0);
    await killed.kill();
    await vi.waitFor(() => expect(agents.filter(isAlive)).toEqual([]), WAIT);
    await cleanUp(killed);
  });
});
