import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, vi } from 'vitest';
import { WAIT } from './processes.ts';

/** An engine of this test file, with an image that was made here: nothing is fetched. */
export interface ContainerEngine {
  program: 'docker' | 'podman';
  image: string;
  /** Where it is: for the server, and for calls of a test. */
  env: Record<string, string>;
  call(...args: string[]): string;
  stop(): Promise<void>;
}

/** Debian has the engines where not every user looks. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** Why there is no engine here; undefined where there is one. Continuous integration says that there must be. */
function whyNot(program: string, needs: readonly string[]): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return `${program} needs root on Linux here`;
  const missing = needs.filter(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`], { env: { PATH } }).status !== 0,
  );
  return missing.length === 0 ? undefined : `${missing.join(', ')} is missing`;
}

const REASONS = {
  docker: whyNot('docker', ['docker', 'dockerd', 'containerd', 'runc']),
  podman: whyNot('podman', ['podman', 'conmon', 'runc', 'catatonit']),
};

for (const [program, reason] of Object.entries(REASONS)) {
  if (reason === undefined) continue;
  if (process.env.CLAUDE_TEST_NEEDS_CONTAINERS === '1') throw new Error(`${program}: ${reason}`);
  console.warn(`Tests of agents in ${program} are skipped: ${reason}.`);
}

export const HAS_ENGINE = { docker: !REASONS.docker, podman: !REASONS.podman };

/**
 * A file system with a shell and its libraries. Servers show agents this machine's /usr in it (`sandbox.read`), which has
 * the other programs of a usual image.
 */
function makeRoot(folder: string): void {
  const shell = realpathSync('/bin/sh');
  const libraries = execFileSync('ldd', [shell], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const path of [shell, ...libraries]) {
    const to = join(folder, path.startsWith('/usr/') ? path : join('/usr', path));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(realpathSync(path), to);
  }
  symlinkSync(shell.split('/').at(-1) ?? '', join(folder, 'usr', 'bin', 'sh'));
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(folder, name));
  for (const name of ['sbin', 'etc', 'proc', 'dev', 'sys', 'tmp', 'run']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
}

/** Starts an engine that only this file uses. */
export async function startEngine(program: 'docker' | 'podman'): Promise<ContainerEngine> {
  const base = mkdtempSync(join(tmpdir(), 'engine-'));
  const image = 'localhost/agents:1';
  const root = join(base, 'root');
  mkdirSync(root);
  makeRoot(root);
  execFileSync('tar', ['-C', root, '-cf', join(base, 'image.tar'), '.']);
  const started = await (program === 'docker' ? startDocker(base) : setUpPodman(base));
  const env = { PATH, HOME: base, ...started.env };
  const call = (...args: string[]): string =>
    execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  try {
    call('import', join(base, 'image.tar'), image);
  } catch (error) {
    await started.stop();
    removeFolder(base);
    throw error;
  }
  return {
    program,
    image,
    env: started.env,
    call,
    async stop() {
      await started.stop();
      removeFolder(base);
    },
  };
}

/** Removes an engine's folder with the mounts that it has left there. What stays is named, and fails no test. */
function removeFolder(base: string): void {
  try {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .flatMap((line) => line.split(' ')[4] ?? [])
      .filter((path) => path.startsWith(`${base}/`));
    // The last is on top.
    for (const path of mounts.reverse()) execFileSync('umount', ['-l', path], { stdio: 'pipe' });
    rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    console.warn(`The folder ${base} of a container engine stays: ${String(error)}`);
  }
}

interface Started {
  env: Record<string, string>;
  stop(): Promise<void>;
}

async function startDocker(base: string): Promise<Started> {
  const socket = join(base, 'docker.sock');
  const engine = spawn(
    'dockerd',
    [
      ...['--host', `unix://${socket}`, '--data-root', join(base, 'data'), '--exec-root', join(base, 'exec')],
      ...['--pidfile', join(base, 'pid'), '--storage-driver', 'vfs', '--log-level', 'error'],
      // No container of these tests has a network.
      ...['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false'],
    ],
    { env: { ...process.env, PATH }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let words = '';
  engine.stderr.on('data', (chunk: Buffer) => {
    words += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => engine.once('exit', () => resolve()));
  const env = { DOCKER_HOST: `unix://${socket}` };
  await vi.waitFor(() => {
    if (engine.exitCode !== null) throw new Error(`dockerd ended: ${words}`);
    expect(existsSync(socket)).toBe(true);
    execFileSync('docker', ['version'], { env: { ...process.env, ...env }, stdio: 'ignore' });
  }, WAIT);
  return {
    env,
    async stop() {
      engine.kill('SIGTERM');
      const late = setTimeout(() => engine.kill('SIGKILL'), WAIT.timeout);
      await ended;
      clearTimeout(late);
    },
  };
}

/** Podman has no engine that runs on. Its storage is the file's own. */
async function setUpPodman(base: string): Promise<Started> {
  const storage = join(base, 'storage.conf');
  writeFileSync(storage, `[storage]\ndriver = "vfs"\ngraphroot = "${base}/graph"\nrunroot = "${base}/run"\n`);
  const config = join(base, 'containers.conf');
  const files = /open files +\d+ +(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '1024';
  writeFileSync(
    config,
    [
      '[containers]',
      // Its defaults may be above what this machine allows.
      `default_ulimits = ["nofile=${files}:${files}", "nproc=4096:4096"]`,
      '[engine]',
      // Crun does not know both versions of control groups at once.
      'runtime = "runc"',
      'cgroup_manager = "cgroupfs"',
      'events_logger = "none"',
      // Otherwise locks and what its helpers leave are shared with all other podmans of the user.
      `tmp_dir = "${base}/tmp"`,
      'lock_type = "file"',
      '',
    ].join('\n'),
  );
  const env = { CONTAINERS_CONF: config, CONTAINERS_STORAGE_CONF: storage };
  return {
    env,
    async stop() {
      const all = ['rm', '--all', '--force', '--time', '0'];
      spawnSync('podman', all, { env: { PATH, HOME: base, ...env }, timeout: WAIT.timeout });
    },
  };
}
