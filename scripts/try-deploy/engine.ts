import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Debian has the engine where not every user looks; its client knows BuildKit without a plugin. */
const PATH = `/usr/bin:/usr/sbin:/sbin:${process.env.PATH ?? ''}`;
const PROGRAMS = ['dockerd', 'containerd', 'runc', 'docker', 'unshare', 'nsenter', 'ip', 'iptables'];
const START_MS = 60_000;

/** Answer of a request that was made in the engine's network. */
export interface Answer {
  status: number;
  body: string;
}

export interface Request {
  method?: string;
  key?: string;
  body?: unknown;
  timeoutMs?: number;
}

/** An engine of this run, which leaves nothing on the machine but its folder. */
export interface DockerEngine {
  docker(args: readonly string[], input?: string | Buffer): string;
  compose(args: readonly string[], env: Record<string, string>): string;
  /** Makes a request where the ports of containers are. Status 0: no answer. */
  request(url: string, request?: Request): Promise<Answer>;
  stop(): Promise<void>;
}

/** Why this machine has no engine; undefined where it has one. */
export function whyNoEngine(more: readonly string[] = []): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux';
  const missing = [...PROGRAMS, ...more].filter(
    (name) => !PATH.split(':').some((folder) => existsSync(join(folder, name))),
  );
  return missing.length === 0 ? undefined : `${missing.join(', ')} is missing`;
}

/**
 * Starts an engine on a folder. Either it shares the machine's network, for builds, or it has a network of its own with
 * bridges and published ports, so that it touches no rule of the machine's.
 */
export async function startDocker(folder: string, network: 'shared' | 'own'): Promise<DockerEngine> {
  mkdirSync(folder, { recursive: true });
  const socket = join(folder, 'docker.sock');
  const args = [
    ...[
      '--host',
      `unix://${socket}`,
      '--data-root',
      join(folder, 'data'),
      '--exec-root',
      join(folder, 'exec'),
    ],
    ...['--pidfile', join(folder, 'pid'), '--log-level', 'error'],
    ...(network === 'shared'
      ? ['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false']
      : []),
  ];
  const env = { ...process.env, PATH, DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: '1' };
  const inOwn = ['--net', 'sh', '-c', 'ip link set lo up && exec dockerd "$@"', 'sh', ...args];
  const engine =
    network === 'own'
      ? spawn('unshare', inOwn, { env, stdio: ['ignore', 'ignore', 'pipe'] })
      : spawn('dockerd', args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  engine.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-4_000);
  });
  const ended = new Promise<void>((resolve) => engine.once('exit', () => resolve()));
  const run = (
    program: string,
    given: readonly string[],
    more: Record<string, string> = {},
    input?: string | Buffer,
  ) =>
    execFileSync(program, given, {
      env: { ...env, ...more },
      encoding: 'utf8',
      maxBuffer: 64 * 1024 ** 2,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(input !== undefined && { input }),
    }).trim();
  for (const until = Date.now() + START_MS; ; await sleep(200)) {
    if (engine.exitCode !== null || Date.now() > until) throw new Error(`dockerd does not start: ${words}`);
    try {
      run('docker', ['version']);
      break;
    } catch {
      // not yet
    }
  }
  return {
    docker: (given, input) => run('docker', given, {}, input),
    compose: (given, more) => run('docker-compose', given, more),
    async request(url, request = {}) {
      const inside = network === 'own' ? ['-t', String(engine.pid), '--net', process.execPath] : [];
      const [program = '', ...rest] = inside.length > 0 ? ['nsenter', ...inside] : [process.execPath];
      return JSON.parse(
        await output(program, [...rest, '-e', FETCH, url, JSON.stringify(request)]),
      ) as Answer;
    },
    async stop() {
      engine.kill('SIGTERM');
      await ended;
      // A mount that it leaves.
      spawnSync('umount', ['-l', join(folder, 'exec/netns/default')], { stdio: 'ignore' });
    },
  };
}

const FETCH = `const [url, given] = process.argv.slice(1);
const { method, key, body, timeoutMs } = JSON.parse(given);
const headers = { ...(key && { authorization: 'Bearer ' + key }), ...(body && { 'content-type': 'application/json' }) };
const signal = AbortSignal.timeout(timeoutMs ?? 60_000);
fetch(url, { method: method ?? (body ? 'POST' : 'GET'), headers, signal, ...(body && { body: JSON.stringify(body) }) })
  .then(async (response) => ({ status: response.status, body: await response.text() }))
  .catch((error) => ({ status: 0, body: String(error.cause ?? error) }))
  .then((answer) => console.log(JSON.stringify(answer)));`;

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', () => resolve(text));
  });
}
