/** A server that is killed and started again on one home and one port, and the agent processes of that home. */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../packages/server/src/main.ts', import.meta.url));

/** The longest wait for something that takes a second; at a load of 25 a start took 34. */
const PATIENCE_MS = 180_000;

export interface ServerOptions {
  home: string;
  root: string;
  userHome: string;
  config: string;
  /** Address of the model. */
  model: string;
  /** The same over all starts. */
  port: number;
  /** Keeps all that it says, over all starts. */
  logFile?: string;
  /** A share of the processor of its own, as a machine of its own would have. */
  alone?: boolean;
  /** Further arguments and variables. */
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
}

export interface RunningServer {
  pid: number;
  /** Settles when it says that it is ready, with the ms that this took; rejects when it ends before. */
  ready: Promise<number>;
  exited: Promise<number | null>;
  /** What it said on standard error. */
  words(): string;
  kill(signal: NodeJS.Signals): void;
}

/** Starts the server as a process of its own. */
export function startServer(options: ServerOptions): RunningServer {
  const began = performance.now();
  const args = ['--port', `${options.port}`, '--home', options.home, '--root', options.root];
  const child = spawn(
    process.execPath,
    [
      '--conditions=claude-agent-source',
      MAIN,
      ...args,
      '--config',
      options.config,
      '--spares',
      '0',
      ...(options.args ?? []),
    ],
    {
      cwd: options.root,
      detached: options.alone ?? false,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: options.userHome,
        IS_SANDBOX: '1',
        CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        ANTHROPIC_API_KEY: 'bench',
        ANTHROPIC_BASE_URL: options.model,
        ANTHROPIC_MODEL: 'demo',
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-20_000);
    if (options.logFile) appendFileSync(options.logFile, chunk);
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const ready = readiness(child, exited, () => words).then(() => performance.now() - began);
  ready.catch(() => {});
  return {
    pid: child.pid ?? 0,
    ready,
    exited,
    words: () => words,
    kill: (signal) => void child.kill(signal),
  };
}

function readiness(child: ChildProcess, exited: Promise<number | null>, words: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      out = (out + chunk.toString()).slice(-20_000);
      if (/^listening on \S+$/m.test(out)) resolve();
    });
    exited.then((code) => reject(new Error(`the server ended with code ${code}: ${words()}`)));
  });
}

/** A port that nobody uses at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

export interface AgentSeen {
  pid: number;
  sessionId: string;
  /** The agent itself, not a command that it runs. */
  isAgent: boolean;
  /** The run of the server that started it. */
  run: string | undefined;
}

/**
 * Processes that servers have started for sessions.
 * @param userHome the HOME of these servers, or what those of several nodes begin with
 */
export function agentsOf(userHome: string): AgentSeen[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const entries = readFileSync(`/proc/${name}/environ`, 'latin1').split('\0');
        const sessionId = variable(entries, 'CLAUDE_AGENT_SERVER_SESSION');
        if (sessionId === undefined || !variable(entries, 'HOME')?.startsWith(userHome)) return [];
        const [program = ''] = readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0');
        const run = variable(entries, 'CLAUDE_AGENT_SERVER_RUN');
        return [{ pid: Number(name), sessionId, isAgent: /claude[^/]*$/.test(program), run }];
      } catch {
        // gone meanwhile
        return [];
      }
    });
}

function variable(entries: readonly string[], name: string): string | undefined {
  return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** Waits until none of these processes is left. Returns those that are. */
export async function goneWithin(
  ms: number,
  userHome: string,
  pids?: ReadonlySet<number>,
): Promise<AgentSeen[]> {
  const deadline = performance.now() + ms;
  for (;;) {
    const left = agentsOf(userHome).filter(({ pid }) => pids?.has(pid) ?? true);
    if (left.length === 0 || performance.now() > deadline) return left;
    await sleep(50);
  }
}

/** Fails instead of waiting for ever. */
export async function inTime<T>(work: Promise<T>, what: string, ms = PATIENCE_MS): Promise<T> {
  const late = sleep(ms, undefined, { ref: false }).then(() => {
    throw new Error(`${what} took longer than ${ms / 1000} s`);
  });
  return Promise.race([work, late]);
}
