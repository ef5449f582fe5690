import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DemoOptions, type DemoServer, startDemoServer } from 'claude-agent-demo-model';
import { type Api, createApi } from './api.ts';
import { newDatabase } from './postgres.ts';

const REPOSITORY = fileURLToPath(new URL('../../../..', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/**
 * An idle agent collects its garbage again and again, which gives memory back to a machine for the hours after.
 * Agents of tests live for seconds: without it, 0.53 instead of 0.66 s of processor time in the first three.
 */
export const QUIET_AGENT = { BUN_GC_TIMER_DISABLE: '1' };

export interface TestServer extends Api {
  pid: number;
  /** The folder that sessions work in (the only root). */
  root: string;
  /** The server's own folder; give it to another start to restart on it. */
  home: string;
  /** HOME of the server and its agents. */
  userHome: string;
  /** The PostgreSQL database that it keeps its sessions in; undefined for a file in `home`. */
  database: string | undefined;
  /** The scripted model that the agents talk to; absent with `--demo`. */
  demo: DemoServer;
  stderr(): string;
  /** SIGTERM, and the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** SIGKILL: no chance to clean up. */
  kill(): Promise<void>;
}

export interface TestServerOptions {
  args?: string[];
  env?: Record<string, string>;
  /** What the configuration file says; tools and commands may run unasked unless it says otherwise. */
  config?: Record<string, unknown>;
  /** Options of the scripted model. */
  model?: DemoOptions;
  /** Where standard error goes, as a file descriptor; by default the test reads it. */
  log?: number;
  /** Start on the folders (and the model) of a server that ran before. */
  on?: TestServer;
  /** The program's main file: this version's unless it is another's. */
  program?: string | undefined;
  /** Start with a home of its own, but in the folder, the user's home and with the model of another: a second node. */
  beside?: TestServer;
  /** With `beside`: a home of the user of its own too, as on another machine. */
  ownUser?: boolean;
}

/**
 * Starts the real server as a process of its own, with the real agent; only the model is scripted, in the
 * test's own process, so that a test can hold and release its answers (`server.demo.model.gates`).
 * The server and everything that it started are gone after `stop` or `kill`, or at the end of the test file.
 */
export async function startTestServer({
  args = [],
  env = {},
  config,
  model,
  log,
  on,
  beside,
  program = MAIN,
  ownUser,
}: TestServerOptions = {}): Promise<TestServer> {
  const base = on ? undefined : realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-test-')));
  const folder = (name: string): string => {
    const path = join(base ?? '', name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const near = on ?? beside;
  const root = near?.root ?? folder('work');
  const home = on?.home ?? folder('home');
  const userHome = (ownUser ? on : near)?.userHome ?? folder('user');
  const configFile = join(home, 'config.json');
  writeFileSync(
    configFile,
    JSON.stringify({
      allow_unasked_tools: true,
      allow_commands: true,
      pass_env: Object.keys(QUIET_AGENT),
      // Agents run programs of the tests, with the Node that runs them.
      sandbox: { mode: process.env.CLAUDE_TEST_SANDBOX ?? 'off', read: [REPOSITORY] },
      ...config,
    }),
  );
  const demo = near?.demo ?? (await startDemoServer(model));
  const database = near
    ? near.database
    : process.env.CLAUDE_TEST_STORE === 'postgres'
      ? await newDatabase()
      : undefined;

  const child = spawn(
    process.execPath,
    [
      '--conditions=claude-agent-source',
      program,
      '--port',
      '0',
      '--home',
      home,
      '--root',
      root,
      '--config',
      configFile,
      // Tests of spares ask for them; the others have the memory and the processor for themselves.
      ...(args.includes('--spares') ? [] : ['--spares', '0']),
      ...args,
    ],
    {
      cwd: root,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: userHome,
        IS_SANDBOX: '1',
        CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        ANTHROPIC_API_KEY: 'test-key',
        ANTHROPIC_BASE_URL: demo.url,
        ANTHROPIC_MODEL: 'demo',
        ...QUIET_AGENT,
        ...(database !== undefined && { AGENT_SERVER_DATABASE_URL: database }),
        ...env,
      },
      stdio: ['ignore', 'pipe', log ?? 'pipe'],
    },
  );
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const url = await listening(child, exited, () => stderr);

  return {
    ...createApi(url),
    pid: child.pid ?? 0,
    root,
    home,
    userHome,
    database,
    demo,
    stderr: () => stderr,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const code = await exited;
      const undeclared = /The route \S+ \S+ does not declare the problem \w+/.exec(stderr);
      if (undeclared) throw new Error(undeclared[0]);
      return code;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Ends a test server, its model, and removes its folders. */
export async function cleanUp(server: TestServer | undefined): Promise<void> {
  if (!server) return;
  await server.stop();
  await server.demo.close();
  rmSync(join(server.home, '..'), { recursive: true, force: true, maxRetries: 5 });
}

/** Waits for the line that says that the server is ready; fails with what it said instead. */
function listening(
  child: ChildProcess,
  exited: Promise<number | null>,
  stderr: () => string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const url = /^listening on (\S+)$/m.exec(out)?.[1];
      if (url) resolve(url);
    });
    exited.then((code) => reject(new Error(`the server ended with code ${code}: ${stderr()}`)));
  });
}
