/**
 * How long the terminal client takes from its start to the prompt, against `node -e 0` in the same run, and how large
 * it is once installed. To reach: at most 2.0 times `node -e 0`, under 10 MB.
 *
 * Measured on the built package, as people install it (this script builds
 * it). The prompt is there when its first bytes reach the terminal; `script` gives the program a real one.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const REPOSITORY = resolve(import.meta.dirname, '..');
const PROGRAM = join(REPOSITORY, 'packages/cli/dist/main.js');
const LIMIT = 2;
/** The input line: from here on one can type. */
const PROMPT = '> Type a message';

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

/** Milliseconds until the command is over, or until its output holds some words. */
function time(command: readonly string[], env: NodeJS.ProcessEnv, words?: string): Promise<number> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  return new Promise((done) => {
    let seen = '';
    let elapsed: number | undefined;
    child.stdout.on('data', (chunk: Buffer) => {
      seen += stripVTControlCharacters(chunk.toString());
      if (words !== undefined && elapsed === undefined && seen.includes(words)) {
        elapsed = performance.now() - started;
        // Ctrl-D leaves.
        child.stdin.write('\x04');
      }
    });
    child.once('close', () => done(elapsed ?? performance.now() - started));
  });
}

/** As much of a server as the client asks for before anything is typed. */
async function startServer(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const isList = request.url?.startsWith('/sessions/available');
    response.writeHead(isList ? 200 : 503, { 'content-type': 'application/json' });
    response.end(isList ? '{"sessions":[]}' : '{}');
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Prints the table. */
export async function benchClient(rounds = 30): Promise<void> {
  const times = await measure(rounds);
  const bare = median(times.bare);
  const row = (name: string, values: readonly number[]): string =>
    `${name.padEnd(28)} ${median(values).toFixed(1).padStart(8)} ms ${(median(values) / bare).toFixed(2).padStart(6)}x`;
  console.log(`\nterminal client, median of ${rounds}, Node ${process.versions.node}`);
  console.log(row('node -e 0', times.bare));
  console.log(row('claude-agent --version', times.version));
  console.log(row('claude-agent to the prompt', times.prompt));
  const size = [...installed(join(REPOSITORY, 'packages/cli'))].reduce(
    (sum, folder) => sum + folderSize(folder),
    0,
  );
  console.log(`installed                    ${(size / 1024 / 1024).toFixed(1).padStart(8)} MB`);
  const ratio = median(times.prompt) / bare;
  console.log(
    ratio <= LIMIT
      ? `reached: at most ${LIMIT}x`
      : `NOT reached: ${ratio.toFixed(2)}x instead of at most ${LIMIT}x`,
  );
}

type Times = Record<'bare' | 'version' | 'prompt', number[]>;

async function measure(rounds: number): Promise<Times> {
  execFileSync(
    'npm',
    ['run', 'build', '-w', 'claude-agent-protocol', '-w', 'claude-agent-client', '-w', 'claude-agent-cli'],
    { cwd: REPOSITORY, stdio: 'ignore' },
  );
  const home = mkdtempSync(join(tmpdir(), 'claude-agent-bench-'));
  const server = await startServer();
  const env = { ...process.env, HOME: home, XDG_STATE_HOME: home, TERM: 'xterm-256color', NO_COLOR: '1' };
  const inTerminal = (command: string): string[] => ['script', '-qec', command, '/dev/null'];
  const node = process.execPath;
  const times: Times = { bare: [], version: [], prompt: [] };
  for (let round = 0; round < rounds; round += 1) {
    // Interleaved, and in the same pseudo-terminal: whatever else the machine does, it does to all of them.
    times.bare.push(await time(inTerminal(`${node} -e 0`), env));
    times.version.push(await time(inTerminal(`${node} ${PROGRAM} --version`), env));
    times.prompt.push(await time(inTerminal(`${node} ${PROGRAM} --server ${server.url}`), env, PROMPT));
  }
  server.close();
  rmSync(home, { recursive: true, force: true });
  return times;
}

/** The folders that an installation of a package consists of: what it publishes, and its dependencies whole. */
function installed(folder: string, found = new Set<string>()): Set<string> {
  const ours = folder.startsWith(join(REPOSITORY, 'packages')) && !folder.includes('node_modules');
  found.add(ours ? join(folder, 'dist') : folder);
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const nested = join(folder, 'node_modules', name);
    const from = realpathSync(existsSync(nested) ? nested : join(REPOSITORY, 'node_modules', name));
    if (!found.has(from) && !found.has(join(from, 'dist'))) installed(from, found);
  }
  return found;
}

function folderSize(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

if (import.meta.main) await benchClient(Number(process.argv[2] ?? 30));
