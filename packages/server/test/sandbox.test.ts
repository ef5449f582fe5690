import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { escaping, isAlive, pidIn, WAIT } from './support/processes.ts';
import { HAS_BUBBLEWRAP } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** What an agent ran, and what came of it: `said` is what the command printed. */
const saying = ({ messages }: TurnResult): string =>
  messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');

/**
 * Attaches to processes (ptrace), reads their memory (process_vm_readv) and opens it as a file; a number below 0 is an
 * error. First a child of its own, to show that it would work.
 */
const TRACER = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.process_vm_readv.restype = ctypes.c_ssize_t
libc.process_vm_readv.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
class Part(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
ATTACH = 16
marker = ctypes.create_string_buffer(b'MARIGOLD')
def attempt(call):
    ctypes.set_errno(0)
    result = call()
    return -ctypes.get_errno() if result < 0 else result
def read(pid):
    into = ctypes.create_string_buffer(8)
    here, there = Part(ctypes.addressof(into), 8), Part(ctypes.addressof(marker), 8)
    return libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
def attach(pid):
    return libc.ptrace(ATTACH, pid, None, None)
def memory(pid):
    try:
        os.close(os.open('/proc/%d/mem' % pid, os.O_RDWR))
        return 0
    except OSError as error:
        return -error.errno
child = os.fork()
if child == 0:
    import time
    time.sleep(60)
print('own child: attach', attempt(lambda: attach(child)), 'read', attempt(lambda: read(child)))
os.kill(child, 9)
for pid in map(int, sys.argv[1:]):
    print('other', pid, 'attach', attempt(lambda: attach(pid)), 'read', attempt(lambda: read(pid)), 'mem', memory(pid))
`;

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

  test('reads the environment of no process but its own: not the one that started it, nor the server', async () => {
    const said = await bash(
      id,
      `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; tr '\\0' '\\n' < $p/environ | grep SECRET; done; cat /proc/${server.pid}/environ; true`,
    );
    expect(said).not.toContain('main.ts');
    expect(said).not.toContain(secret);
    expect(said).toMatch(/No such file/);
  });

  test('cannot end the server, nor another session: its signals end in its sandbox', async () => {
    const [suicide, other] = [await start('suicide'), await start('bystander')];
    const bystanders = processesOf(other.id).map(({ pid }) => pid);
    const said = await bash(
      id,
      `for p in ${[server.pid, ...bystanders].join(' ')}; do kill -9 $p; done; true`,
    );
    expect(said.match(/No such process/g)).toHaveLength(1 + bystanders.length);
    await server.send(
      suicide.id,
      script({ tools: [{ name: 'Bash', input: { command: 'kill -9 -1', description: 'ends all' } }] }),
    );
    expect([server.pid, ...bystanders].filter((pid) => !isAlive(pid))).toEqual([]);
    expect(processesOf(suicide.id)).toEqual([]);
  });

  test('traces its own children, but neither the server nor the agent of another session', async () => {
    const other = await start('untraced');
    const victims = [server.pid, process.pid, ...processesOf(other.id).map(({ pid }) => pid)];
    writeFileSync(join(cwd, 'trace.py'), TRACER);
    const said = await bash(id, `python3 trace.py ${victims.join(' ')}`);
    expect(said).toContain('own child: attach 0 read 8');
    const others = said.match(/^other .*$/gm) ?? [];
    expect(others).toHaveLength(victims.length);
    // ESRCH: to the sandbox there is no such process.
    for (const line of others) expect(line).toMatch(/attach -3 read -3 mem -2$/);
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

  test('is not read another transcript through a link in the place of its own', async () => {
    const [victim, linker] = [await start('victim'), await start('linker')];
    await server.send(victim.id, 'say HYACINTH');
    await server.call('DELETE', `/sessions/${victim.id}`);
    const folder = (of: { cwd: string }): string => of.cwd.replaceAll(/[^a-zA-Z0-9]/g, '-');
    const projects = join(server.userHome, '.claude', 'projects');
    const [theirs, own] = [victim, linker].map((each) => join(projects, folder(each), `${each.id}.jsonl`));
    expect(readFileSync(theirs ?? '', 'utf8')).toContain('HYACINTH');
    await bash(linker.id, `ln -sf ${theirs} ${own}; ls -l ${own}`);
    const seen = [
      await server.call('GET', `/sessions/${linker.id}/export`),
      await server.call('POST', `/sessions/${linker.id}/fork`, {}),
      await server.call('DELETE', `/sessions/${linker.id}`),
      await server.call('POST', '/sessions', { resume_session_id: linker.id }),
      await server.call('GET', `/sessions/${linker.id}/export`),
    ];
    expect(JSON.stringify(seen)).not.toContain('HYACINTH');
    expect(JSON.stringify(await server.send(linker.id, 'what did I say'))).not.toContain('HYACINTH');
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

  test('leaves nothing running when it ends: not by setsid, nohup, a double fork, at or cron', async () => {
    const runner = await start('runner');
    const ways = [
      escaping('pid'),
      '(setsid sleep 601 &)',
      '(nohup sleep 602 > /dev/null 2>&1 &)',
      "sh -c '(sleep 603 &) &'",
      'python3 -c \'import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); os.execvp("sleep", ["sleep", "604"])\' > /dev/null 2>&1',
    ];
    const said = await bash(
      runner.id,
      `${ways.join('; ')}; sleep 0.3; ls /var/spool/cron /var/spool/at /run/systemd; echo 'sleep 605' | at now; true`,
    );
    // Nobody outside would start something for it.
    expect(said.match(/No such file/g)?.length).toBeGreaterThanOrEqual(3);
    const all = processesOf(runner.id);
    for (const seconds of [601, 602, 603, 604]) {
      expect(all.filter(({ command }) => command.includes(`sleep ${seconds}`))).not.toEqual([]);
    }
    const escaped = await pidIn(join(runner.cwd, 'pid'), runner.id);
    await server.call('DELETE', `/sessions/${runner.id}`);
    expect([escaped, ...all.map(({ pid }) => pid)].filter(isAlive)).toEqual([]);
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
