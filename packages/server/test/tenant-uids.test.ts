/** Agents of each tenant as a user of their own, with the real agent: what the kernel keeps apart, and what has to go on working. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { SessionCreated, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentsOf, processesOf } from './support/agents.ts';
import { type Answer, script } from './support/api.ts';
import { isAlive, WAIT } from './support/processes.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { NO_TENANT_UIDS } from './support/tenant-uids.ts';

const FIRST = 281_000;
const KEYS = {
  a: 'key-of-tenant-a-1',
  b: 'key-of-tenant-b-1',
  c: 'key-of-tenant-c-1',
  op: 'key-of-operator-1',
};
type Who = keyof typeof KEYS;

const CONFIG = {
  sandbox: { tenant_uids: { first: FIRST, count: 2 } },
  api_keys: [
    { id: 'a', key: KEYS.a, tenant: 'a', role: 'user' },
    { id: 'b', key: KEYS.b, tenant: 'b', role: 'user' },
    { id: 'c', key: KEYS.c, tenant: 'c', role: 'user' },
    { id: 'op', key: KEYS.op, role: 'operator' },
  ],
};

const what = NO_TENANT_UIDS === undefined ? '' : ` (skipped: ${NO_TENANT_UIDS})`;
describe.skipIf(NO_TENANT_UIDS !== undefined)(`agents with a user for each tenant${what}`, () => {
  let server: TestServer;
  /** A folder that everybody may write to, as /tmp. */
  let shared: string;

  const call = <T = Record<string, unknown>>(
    who: Who,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answer<T>> =>
    server.call<T>(method, path, body, { headers: { authorization: `Bearer ${KEYS[who]}` } });
  const ok = async <T>(answer: Promise<Answer<T>>): Promise<T> => {
    const { status, body } = await answer;
    if (status !== 200) throw new Error(`HTTP ${status}: ${JSON.stringify(body)}`);
    return body;
  };
  const create = async (who: Who, body: Record<string, unknown> = {}): Promise<SessionCreated> =>
    ok(
      call<SessionCreated>(who, 'POST', '/sessions', {
        cwd: shared,
        allowed_tools: ['Bash', 'Edit', 'Write'],
        ...body,
      }),
    );
  const send = (who: Who, id: string, message: string): Promise<TurnResult> =>
    ok(call<TurnResult>(who, 'POST', `/sessions/${id}/messages`, { message }));
  const bash = async (who: Who, id: string, command: string): Promise<string> => {
    const tool = { name: 'Bash', input: { command, description: 'tries' } };
    const { messages } = await send(who, id, script({ tools: [tool] }, { say: '{{result}}' }));
    return messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
  };
  const uidOf = async (who: Who, id: string): Promise<number> => Number(await bash(who, id, 'id -u'));
  /** The kernel's own user of each process of a session. */
  const usersOf = (id: string): number[] => agentsOf(id).map(({ pid }) => statSync(`/proc/${pid}`).uid);

  let [a, b]: string[] = [];
  let [uidA, uidB] = [0, 0];
  beforeAll(async () => {
    server = await startTestServer({ config: CONFIG });
    shared = join(server.root, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    [a, b] = [(await create('a')).session_id, (await create('b')).session_id] as [string, string];
    [uidA, uidB] = [await uidOf('a', a), await uidOf('b', b)];
  });
  afterAll(() => cleanUp(server));

  test('run as different users, neither of them root, and without groups or capabilities', async () => {
    expect([uidA, uidB].sort()).toEqual([FIRST, FIRST + 1]);
    expect(new Set(usersOf(a as string))).toEqual(new Set([uidA]));
    expect(new Set(usersOf(b as string))).toEqual(new Set([uidB]));
    const said = await bash(
      'a',
      a as string,
      'id; whoami; grep -E "^(Groups|Cap(Eff|Prm|Bnd)|NoNewPrivs)" /proc/self/status; unshare -U true; echo shm > /dev/shm/x && cat /dev/shm/x; : > /dev/null; script -qc tty /dev/null; touch /dev/x',
    );
    expect(said).toContain(`uid=${uidA}(agent) gid=${uidA}(agent) groups=${uidA}(agent)`);
    expect(said).toMatch(/Groups:\s*\n/);
    expect(said).toMatch(/CapPrm:\s+0+\nCapEff:\s+0+\nCapBnd:\s+0+\nNoNewPrivs:\s+1/);
    expect(said).toContain('unshare failed');
    expect(said).toMatch(/shm\r?\n\/dev\/pts\/\d+/);
    expect(said).toMatch(/\/dev\/x.*Read-only/);
  });

  test('work: Bash, Edit and git, in files that belong to that user', async () => {
    const cwd = join(server.root, 'of-a');
    mkdirSync(cwd);
    chownSync(cwd, uidA, uidA);
    const { session_id: id } = await create('a', { cwd });
    const said = await bash(
      'a',
      id,
      'git init -q . && echo one > f.txt && git add f.txt && git -c user.name=n -c user.email=e@x commit -qm first && git log --format=%s && touch ~/x /tmp/y && ls -ln ~ /tmp',
    );
    expect(said).toContain('first');
    await send(
      'a',
      id,
      script(
        { tools: [{ name: 'Read', input: { file_path: join(cwd, 'f.txt') } }] },
        {
          tools: [
            { name: 'Edit', input: { file_path: join(cwd, 'f.txt'), old_string: 'one', new_string: 'two' } },
          ],
        },
        { say: 'done' },
      ),
    );
    expect(readFileSync(join(cwd, 'f.txt'), 'utf8')).toBe('two\n');
    expect(lstatSync(join(cwd, 'f.txt')).uid).toBe(uidA);
    expect(lstatSync(join(cwd, '.git', 'HEAD')).uid).toBe(uidA);
    await ok(call('a', 'DELETE', `/sessions/${id}`));
  });

  test('read, change, signal and see nothing of another tenant, in a folder that both work in', async () => {
    await bash(
      'a',
      a as string,
      'umask 077; mkdir mine; echo MARIGOLD > mine/f; echo MARIGOLD > f; mkfifo pipe',
    );
    const victims = processesOf(a as string).map(({ pid }) => pid);
    const said = await bash(
      'b',
      b as string,
      `cat f mine/f; ls mine; rm -rf f; echo x >> f; mv mine yours; for p in ${victims.join(' ')}; do kill -9 $p; cat /proc/$p/environ; done; ls /proc | grep -c '^[0-9]'; ls ~ /tmp; grep -rl MARIGOLD ~ /tmp; true`,
    );
    expect(said).not.toContain('MARIGOLD');
    expect(said.match(/Permission denied/g)?.length).toBeGreaterThanOrEqual(4);
    expect(said).toContain('Operation not permitted');
    expect(said.match(/No such process/g)).toHaveLength(victims.length);
    expect(victims.filter((pid) => !isAlive(pid))).toEqual([]);
    expect(await bash('a', a as string, 'cat f mine/f')).toBe('MARIGOLD\nMARIGOLD');
    // What has no private mode is shared, as on any machine.
    await bash('a', a as string, 'echo open > open.txt');
    expect(await bash('b', b as string, 'cat open.txt')).toBe('open');
  });

  test('are kept apart without the sandbox too: outside of it, the kernel refuses their user the same', async () => {
    const script = `cat ${shared}/f; kill -9 ${processesOf(a as string)[0]?.pid}; ls ${server.home}; ls ${server.userHome}/.claude/projects`;
    const said = execFileSync(
      'setpriv',
      [
        '--reuid',
        String(uidB),
        '--regid',
        String(uidB),
        '--clear-groups',
        'sh',
        '-c',
        `(${script}) 2>&1; true`,
      ],
      { encoding: 'utf8', cwd: '/' },
    );
    expect(said).not.toContain('MARIGOLD');
    expect(said.match(/ermi/g)?.length).toBeGreaterThanOrEqual(4);
  });

  test('own the folders that the server makes: saved, restored and forked, git works in them', async () => {
    const origin = join(server.root, 'origin');
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: origin });
    mkdirSync(origin);
    git('init', '-q', '-b', 'main');
    git('commit', '-q', '--allow-empty', '-m', 'first');
    const { session_id: id, cwd } = await create('a', {
      cwd: undefined,
      workspace: { git: `file://${origin}` },
    });
    const commit = 'echo one >> f && git add f && git -c user.name=n -c user.email=e@x commit -qm next';
    expect(await bash('a', id, `${commit} && git log --format=%s`)).toBe('next\nfirst');
    await ok(call('a', 'DELETE', `/sessions/${id}`));
    rmSync(dirname(cwd), { recursive: true });
    await ok(call('a', 'POST', '/sessions', { resume_session_id: id }));
    const ownersOf = (folder: string): Set<number> =>
      new Set(
        [folder, ...readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))].map(
          (path) => lstatSync(path).uid,
        ),
      );
    expect(ownersOf(cwd)).toEqual(new Set([uidA]));
    expect(await bash('a', id, `${commit} && git status --short && cat f`)).toBe('one\none');
    const fork = await ok(call<SessionCreated>('a', 'POST', `/sessions/${id}/fork`, {}));
    expect(ownersOf(fork.cwd)).toEqual(new Set([uidA]));
    for (const each of [id, fork.session_id]) await ok(call('a', 'DELETE', `/sessions/${each}?erase=true`));
    expect([cwd, fork.cwd].filter((path) => existsSync(dirname(path)))).toEqual([]);
  });

  test('get no folder that they cannot use: the answer says which user needs it', async () => {
    const closed = join(server.root, 'closed');
    mkdirSync(closed, { mode: 0o755 });
    const { status, body } = await call('a', 'POST', '/sessions', { cwd: closed });
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'cwd_not_accessible' });
    expect(body.detail).toContain(`run as the user ${uidA}, which may not write to the folder ${closed}`);
    chmodSync(closed, 0o700);
    expect((await call('a', 'POST', '/sessions', { cwd: closed })).body.detail).toContain(
      'may not read the folder',
    );
    const more = await call('a', 'POST', '/sessions', { cwd: shared, additional_directories: [closed] });
    expect(more.body).toMatchObject({ code: 'cwd_not_accessible' });
    chownSync(closed, uidA, uidA);
    const { session_id: id } = await create('a', { cwd: closed });
    chownSync(closed, uidB, uidB);
    await ok(call('a', 'DELETE', `/sessions/${id}`));
    const again = await call('a', 'POST', '/sessions', { resume_session_id: id });
    expect(again.body).toMatchObject({ code: 'cwd_not_accessible' });
  });

  test('have one number each, and there is none for more tenants than numbers', async () => {
    const { status, body } = await call('c', 'POST', '/sessions', { cwd: shared });
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'no_tenant_uid' });
  });

  test('go on in their conversation after a close, a fork and a restart of the server, as the same user', async () => {
    await ok(call('a', 'DELETE', `/sessions/${a}`));
    const projects = join(server.userHome, '.claude', 'projects');
    const [folder] = readdirSync(projects).filter((name) => existsSync(join(projects, name, `${a}.jsonl`)));
    expect(folder?.startsWith('sandbox-')).toBe(false);
    // The server may write there: what it leaves is root's until the agent starts.
    chownSync(join(projects, folder as string, `${a}.jsonl`), 0, 0);
    await ok(call('a', 'POST', '/sessions', { resume_session_id: a }));
    expect(await uidOf('a', a as string)).toBe(uidA);
    const { session_id: fork } = await ok(call<SessionCreated>('a', 'POST', `/sessions/${a}/fork`, {}));
    expect(await uidOf('a', fork)).toBe(uidA);
    const live = agentsOf(b as string).map(({ pid }) => pid);
    expect(live.length).toBeGreaterThan(0);
    await server.kill();
    await expect.poll(() => live.filter(isAlive), WAIT).toEqual([]);
    server = await startTestServer({ on: server, config: CONFIG, args: ['--spares', '1'] });
    expect([await uidOf('b', b as string), await uidOf('a', a as string)]).toEqual([uidB, uidA]);
    // Files of that user, and what root made beside them, go with their sessions.
    await bash('a', fork, 'umask 777; mkdir ~/deep /tmp/deep; touch ~/f');
    await ok(call('a', 'DELETE', `/sessions/${fork}?erase=true`));
    const left = [server.home, server.userHome].map((place) => readdirSync(place, { recursive: true }));
    expect(left.flat().filter((name) => String(name).includes(fork))).toEqual([]);
  });

  // The server keeps one spare now, for a session as the last one.
  test('are never started from a spare of another tenant', async () => {
    const spares = (): number[] =>
      readdirSync('/proc').flatMap((pid) => {
        try {
          const isSpare = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--await-claim');
          const { uid } = statSync(`/proc/${pid}`);
          return isSpare && uid >= FIRST && uid < FIRST + 2 ? [uid] : [];
        } catch {
          return [];
        }
      });
    await ok(call('a', 'DELETE', `/sessions/${(await create('a')).session_id}`));
    await expect.poll(() => new Set(spares()), WAIT).toEqual(new Set([uidA]));
    const { session_id: ofB } = await create('b');
    expect(new Set(usersOf(ofB))).toEqual(new Set([uidB]));
    expect(await uidOf('b', ofB)).toBe(uidB);
  });
});
