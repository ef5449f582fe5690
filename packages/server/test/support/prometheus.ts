import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** With this variable a machine without Prometheus fails the tests that need it, instead of skipping them. */
const REQUIRED = 'CLAUDE_TEST_NEEDS_PROMETHEUS';

const find = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(existsSync);

/** Why the tests with a real Prometheus are skipped; undefined when they run. */
export function withoutPrometheus(): string | undefined {
  if (find('prometheus') && find('promtool')) return undefined;
  if (process.env[REQUIRED])
    throw new Error(`${REQUIRED} is set, but prometheus and promtool are not installed.`);
  return 'skipped: prometheus and promtool are not installed (apt-get install prometheus)';
}

/** Runs promtool. @returns what it said @throws with its words when it finds something */
export function promtool(args: string[], input?: string): string {
  return execFileSync(find('promtool') ?? 'promtool', args, { encoding: 'utf8', input: input ?? '' });
}

export interface Prometheus {
  /** The values of an instant query, by the labels that differ, as JSON. */
  query(text: string): Promise<{ labels: Record<string, string>; value: number }[]>;
  targets(): Promise<{ health: string; lastError: string }[]>;
  stop(): Promise<void>;
}

/** Starts Prometheus with this configuration. */
export async function startPrometheus(
  configuration: string,
  files: Record<string, string>,
): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-test-'));
  for (const [name, text] of Object.entries({ ...files, 'prometheus.yml': configuration })) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  const port = await freePort();
  const child: ChildProcess = spawn(
    find('prometheus') ?? 'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    if (!response.ok) throw new Error(`Prometheus answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
  const isReady = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`Prometheus ended: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    async query(text) {
      const { data } = (await ask(`/api/v1/query?query=${encodeURIComponent(text)}`)) as {
        data: { result: { metric: Record<string, string>; value: [number, string] }[] };
      };
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    async targets() {
      const { data } = (await ask('/api/v1/targets')) as {
        data: { activeTargets: { health: string; lastError: string }[] };
      };
      return data.activeTargets;
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
