import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openContainerEngine } from '../src/agent/sandbox/container-engine.ts';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { type ContainerEngine, HAS_ENGINE, startEngine } from './support/containers.ts';
import { escaping, isAlive, WAIT } from './support/processes.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// The real agent in real containers, of engines that this machine runs. The image is made here.

describe.each(['docker', 'podman'] as const)('agents in containers of %s', (program) => {
  if (!HAS_ENGINE[program]) {
    test.skip('need the engine', () => {});
    return;
  }
  let engine: ContainerEngine;
  let server: TestServer;
  let site: Server;
  const secret = 'MARIGOLD';
  const containers = (label = 'claude-agent-server.session'): string =>
    engine.call('ps', '--all', '--quiet', '--filter', `label=${label}`);
  const containersOf = (id: string): string => containers(`claude-agent-server.session=${id}`);

  const startServer = (on?: TestServer): Promise<TestServer> =>
    startTestServer({
      ...(on && { on }),
      args: ['--sandbox', `${program}:${engine.image}`],
      env: { ...engine.env, SOME_SECRET: secret },
      config: {
        sandbox: {
          network: 'limited',
          allowed_hosts: [`127.0.0.1:${(site.address() as AddressInfo).port}`],
          read: ['/usr'],
          limits: { processes: 200, file_bytes: 8 * 1024 ** 2 },
        },
      },
    });
  /** The agents of two sessions serve all tests: each takes a second to start. */
  let first: { id: string; cwd: string };
  let second: { id: string; cwd: string };
  const start = async (name: string): Promise<{ id: string; cwd: string }> => {
    const cwd = join(server.root, name);
    mkdirSync(cwd);
    const { session_id } = await server.createSession({ cwd, model: 'demo', allowed_tools: ['Bash'] });
    return { id: session_id, cwd };
  };
  const bash = async (id: string, command: string): Promise<string> => {
    const { messages } = await server.send(
      id,
      script({ tools: [{ name: 'Bash', input: { command, description: 'tries' } }] }, { say: '{{result}}' }),
    );
    return messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
  };

  beforeAll(async () => {
    site = createServer((request, response) => response.end(`seen ${request.url}\n`));
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    engine = await startEngine(program);
    server = await startServer();
    mkdirSync(join(server.root, 'other'));
    writeFileSync(join(server.root, 'other', 'private.txt'), secret);
    writeFileSync(join(server.userHome, 'private.txt'), secret);
    [first, second] = await Promise.all([start('own,with "all"'), start('second')]);
  });
  afterAll(async () => {
    await cleanUp(server);
    await engine?.stop();
    site.close();
  });

  test('work in their folder with their own user, and see nothing else of the machine', async () => {
    const { id, cwd } = first;
    expect(await bash(id, 'echo here > made.txt; cat made.txt')).toContain('here');
    expect(readFileSync(join(cwd, 'made.txt'), 'utf8')).toBe('here\n');
    expect(statSync(join(cwd, 'made.txt')).uid).toBe(process.getuid?.());
    const said = await bash(
      id,
      `touch /x /usr/x; ls ${server.home} ${join(server.root, 'other')}; cat ${server.userHome}/private.txt; for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; tr '\\0' '\\n' < $p/environ; done; kill -9 ${server.pid}; grep -E "Cap(Prm|Eff|Bnd)|NoNewPrivs" /proc/self/status; echo IS=$IS_SANDBOX`,
    );
    expect(said.match(/Read-only file system/g)).toHaveLength(2);
    expect(said.match(/No such file/g)).toHaveLength(3);
    expect(said).not.toContain(secret);
    expect(said).not.toContain('main.ts');
    expect(said).toContain('No such process');
    expect(said.match(/Cap\w+:\s0000000000000000/g)).toHaveLength(3);
    expect(said).toMatch(/NoNewPrivs:\s1/);
    expect(said).toContain('IS=1');
  });

  test('reach the allowed hosts and the gateway through the server, and no other network', async () => {
    const { id } = first;
    const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    const said = await bash(
      id,
      `curl -sS -m 5 --noproxy '' ${url}/plain; curl -sS -m 5 --noproxy '' -p ${url}/tunnel; curl -sS -m 5 --noproxy '*' ${url}/direct; curl -sS -m 5 --noproxy '' http://169.254.169.254/; ls /sys/class/net; true`,
    );
    expect(said).toContain('seen /plain');
    expect(said).toContain('seen /tunnel');
    expect(said).not.toContain('seen /direct');
    expect(said).toContain("Couldn't connect to server");
    expect(said).toContain('may not reach 169.254.169.254');
    expect(said).toMatch(/\nlo\s*$/);
  });

  test('leave no process and no container behind', async () => {
    const { id } = first;
    await bash(id, `${escaping('pid')}; (setsid sleep 601 &); sleep 0.2`);
    const all = processesOf(id).map(({ pid }) => pid);
    expect(all.length).toBeGreaterThan(3);
    expect(containersOf(id)).not.toBe('');
    await server.call('DELETE', `/sessions/${id}`);
    expect(all.filter(isAlive)).toEqual([]);
    await vi.waitFor(() => expect(containersOf(id)).toBe(''), WAIT);
  });

  test('have the limits of the configuration', async () => {
    const { id, cwd } = second;
    const said = await bash(
      id,
      'echo kept > ~/note; head -c 20000000 /dev/zero > long; f() { [ $1 -gt 8 ] || { f $(($1+1)) & f $(($1+1)) & sleep 60; }; }; (f 0 > out 2>&1 &) ; for i in $(seq 200); do grep -q fork out && break; sleep 0.05; done',
    );
    expect(said).toMatch(/File (size limit|too large)/i);
    expect(statSync(join(cwd, 'long')).size).toBe(8 * 1024 ** 2);
    expect(readFileSync(join(cwd, 'out'), 'utf8')).toMatch(/Resource temporarily unavailable|Cannot fork/);
  });

  test('end with a server that is killed; the next one removes what is left and goes on with their context', async () => {
    const { id } = second;
    const all = processesOf(id).map(({ pid }) => pid);
    const label = 'claude-agent-server.instance';
    const [container = ''] = containers().split('\n');
    const instance = engine.call('inspect', '--format', `{{index .Config.Labels "${label}"}}`, container);
    await server.kill();
    await vi.waitFor(() => expect(all.filter(isAlive)).toEqual([]), WAIT);
    // One that was made and not yet started when the server ended: no process tells of it.
    const labels = ['--label', `${label}=${instance}`, '--label', 'claude-agent-server.session=left'];
    engine.call('create', ...labels, '--network', 'none', engine.image, '/bin/sh');
    expect(containers()).not.toBe('');
    server = await startServer(server);
    await vi.waitFor(() => expect(containers()).toBe(''), WAIT);
    const { messages } = await server.send(id, 'what did I say');
    expect(JSON.stringify(messages)).toContain('echo kept');
    expect(await bash(id, 'cat ~/note')).toContain('kept');
  });

  test('need an image that is there: its lack says how to get it', async () => {
    const opened = openContainerEngine({
      program,
      image: 'localhost/nothing:1',
      instance: 'none',
      env: { ...process.env, ...engine.env },
      user: { uid: 0, gid: 0 },
      warn: () => {},
    });
    await expect(opened).rejects.toThrow(
      `the image localhost/nothing:1 is not there (${program} pull localhost/nothing:1)`,
    );
  });
});
