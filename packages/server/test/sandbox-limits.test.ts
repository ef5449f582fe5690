import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diskUsage } from '../src/agent/sandbox/disk.ts';
import { findControlGroups } from '../src/agent/sandbox/limits.ts';
import { agentsOf, processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { isAlive } from './support/processes.ts';
import { HAS_BUBBLEWRAP } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const can = HAS_BUBBLEWRAP ? findControlGroups().limits : { memory: false, processes: false };
/** Root is exempt from the limit of processes by user. */
const LIMITS_PROCESSES = can.processes || process.getuid?.() !== 0;

describe.skipIf(!HAS_BUBBLEWRAP)('an agent in a sandbox with limits', () => {
  let server: TestServer;
  beforeAll(async () => {
    const limits = {
      processes: 120,
      file_bytes: 8 * 1024 ** 2,
      disk_bytes: 64 * 1024 ** 2,
      ...(can.memory && { memory_bytes: 1024 ** 3 }),
    };
    server = await startTestServer({ config: { sandbox: { mode: 'required', limits } } });
  });
  afterAll(() => cleanUp(server));

  const start = async (name: string): Promise<{ id: string; cwd: string }> => {
    const cwd = join(server.root, name);
    mkdirSync(cwd);
    const { session_id } = await server.createSession({ cwd, allowed_tools: ['Bash'] });
    return { id: session_id, cwd };
  };
  const bash = async (id: string, command: string): Promise<string> => {
    const { messages } = await server.send(
      id,
      script({ tools: [{ name: 'Bash', input: { command, description: 'tries' } }] }, { say: '{{result}}' }),
    );
    return messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
  };

  test.skipIf(!LIMITS_PROCESSES)(
    'starts no more processes than it may, and all of them end with it',
    async () => {
      const { id, cwd } = await start('forks');
      // A fork bomb that ends by itself should the limit not hold.
      await bash(
        id,
        'f() { [ $1 -gt 9 ] || { f $(($1+1)) & f $(($1+1)) & sleep 600; }; }; (f 0 > out 2>&1 &) ; sleep 2',
      );
      expect(readFileSync(join(cwd, 'out'), 'utf8')).toMatch(/Resource temporarily unavailable|Cannot fork/);
      const all = processesOf(id).map(({ pid }) => pid);
      expect(all.length).toBeGreaterThan(20);
      expect(all.length).toBeLessThan(125);
      expect((await server.call('GET', '/health')).status).toBe(200);
      await server.call('DELETE', `/sessions/${id}`);
      expect(all.filter(isAlive)).toEqual([]);
    },
  );

  test('writes no longer file than it may', async () => {
    const { id, cwd } = await start('writes');
    expect(await bash(id, 'head -c 20000000 /dev/zero > long; true')).toMatch(/File (size limit|too large)/i);
    expect(statSync(join(cwd, 'long')).size).toBe(8 * 1024 ** 2);
  });

  test('fills the disk no further than it may: its turn ends with the reason, and the next can clean up', async () => {
    const { id, cwd } = await start('fills');
    const { is_error, error } = await server.send(
      id,
      script({
        tools: [
          {
            name: 'Bash',
            // Files of 4 MB each, 2,000 of them if nothing stopped it; half in its folder, half in its own /tmp.
            input: {
              command:
                'for n in $(seq 1000); do for to in . /tmp; do head -c 4000000 /dev/zero > $to/f$n; sleep 0.02; done; done',
              description: 'fills the disk',
            },
          },
        ],
      }),
    );
    expect(is_error).toBe(true);
    expect(error).toMatchObject({ code: 'disk_limit_exceeded' });
    expect(error?.message).toMatch(/more than the 64 MB of "sandbox.limits.disk_bytes"/);
    const taken = await diskUsage([cwd, join(server.home, 'sandboxes', id)]);
    expect(taken).toBeGreaterThan(64 * 1024 ** 2);
    // It writes at most 200 MB a second, and is looked at every second.
    expect(taken).toBeLessThan(1024 ** 3);
    expect((await server.call('GET', '/health')).status).toBe(200);
    expect(await bash(id, 'rm -f f* /tmp/f*; echo cleaned up')).toContain('cleaned up');
    expect(await diskUsage([cwd])).toBeLessThan(1024 ** 2);
  });

  test.skipIf(!can.memory)(
    'that takes more memory than it may loses what took it; the server goes on',
    async () => {
      const { id } = await start('memory');
      const said = await bash(
        id,
        `python3 -c 'x = bytearray(2 * 1024**3); print("had", "it")'; echo ended with $?`,
      );
      expect(said).not.toContain('had it');
      expect((await server.call('GET', '/health')).status).toBe(200);
      const { is_error } = await server.send(id, 'say still there');
      expect(is_error).toBe(false);
    },
  );

  test.skipIf(!can.processes)(
    'is in its control group with all that it starts, and leaves none behind',
    async () => {
      const { id } = await start('groups');
      await bash(id, '(sleep 600 &); sleep 600 & cat /proc/self/cgroup');
      const all = agentsOf(id);
      expect(all.length).toBeGreaterThan(2);
      const [groups = '', ...others] = all.map(({ pid }) => readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
      expect(groups).toContain(`claude-agent-${id}`);
      for (const each of others) expect(each).toBe(groups);
      await server.call('DELETE', `/sessions/${id}`);
      const path = /\d+:([^:]*pids[^:]*):(.*)/.exec(groups);
      if (path) expect(existsSync(join('/sys/fs/cgroup', path[1] ?? '', path[2] ?? ''))).toBe(false);
    },
  );
});
