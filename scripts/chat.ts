/**
 * `npm run chat`: a server if none runs, then the terminal client. What follows `--` goes to the client, except
 * `--demo`, which is for the server.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DEFAULT_SERVER } from 'claude-agent-protocol/constants';
import { isLoopback } from 'claude-agent-protocol/same-machine';
import { type ChatUsers, isAlive, joinChatUsers } from './chat-users.ts';

const REPOSITORY = resolve(import.meta.dirname, '..');
const SERVER = join(REPOSITORY, 'packages/server/src/main.ts');
const CLIENT = join(REPOSITORY, 'packages/cli/src/main.ts');
const NODE = [process.execPath, '--conditions=claude-agent-source'] as const;
const START_TIMEOUT_MS = 30_000;
/** What the server prints when it takes requests. */
const LISTENING = /^listening on http/m;

const args = process.argv.slice(2);
// npm runs scripts in the repository, and says here where the command was typed.
const folder = process.env.INIT_CWD || process.cwd();
const home = process.env.AGENT_SERVER_HOME || join(homedir(), '.claude-agent-server');
const clientArgs = args.filter((arg) => arg !== '--demo');

let code = 1;
let users: ChatUsers | undefined;
try {
  const address = serverAddress();
  if (!needsNoServer() && isOurs(address)) users = joinChatUsers(home);
  const isThere = needsNoServer() || !isOurs(address) || (await answers(address));
  // Sessions of one home belong to one server: whatever its port, it is the one to talk to.
  const running =
    needsNoServer() || (namedServer() !== undefined && isThere) ? undefined : await runningServer();
  if (running) joinServer(running, address);
  else if (!isThere) users?.started(await startServer(address));
  // A command that only wants an answer, of a server that was there, gets nothing else.
  if (!needsNoServer() && (!(isThere || running) || clientArgs.length === 0)) {
    process.stderr.write(`Console: ${new URL('/console/', running ?? address)}\n`);
  }
  code = await runClient(running);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
} finally {
  if ((await users?.leave()) === false) {
    process.stderr.write('The server goes on: another npm run chat uses it.\n');
  }
}
process.exitCode = code;

/** What the client answers by itself. */
function needsNoServer(): boolean {
  return args[0] === 'completion' || args.some((arg) => /^(--help|--version|-h|-V)$/.test(arg));
}

function namedServer(): string | undefined {
  const flag = args.findIndex((arg) => /^--server(=|$)/.test(arg));
  return flag === -1 ? process.env.CLAUDE_AGENT_SERVER : (args[flag]?.split('=')[1] ?? args[flag + 1]);
}

/** Where the client will look for a server: the same rules as its own. */
function serverAddress(): URL {
  const text = namedServer() || DEFAULT_SERVER;
  const url = URL.parse(/^https?:/.test(text) ? text : `http://${text}`);
  if (!url) throw new Error(`--server must be an address such as ${DEFAULT_SERVER}, not "${text}"`);
  return url;
}

/** Only on this machine can a server be started. */
function isOurs({ hostname, protocol }: URL): boolean {
  return protocol === 'http:' && isLoopback(hostname);
}

async function answers(url: URL): Promise<boolean> {
  const request = fetch(new URL('/health', url), { signal: AbortSignal.timeout(2000) });
  return (await request.catch(() => undefined))?.ok ?? false;
}

/** The server that has our home already, on whichever port it was started. */
async function runningServer(): Promise<URL | undefined> {
  const read = (name: string): string => {
    const file = join(home, name);
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  };
  const url = URL.parse(read('server.url'));
  const pid = Number(read('server.pid'));
  return url && pid > 0 && isAlive(pid) && (await answers(url)) ? url : undefined;
}

/** Says which server is used, where it is not the expected one; one that was named is not replaced by another. */
function joinServer(running: URL, address: URL): void {
  if (namedServer() !== undefined) {
    throw new Error(
      `No server answers at ${address.origin}, and none can be started there: the one at ${running.origin} has the home folder ${home}. ` +
        `Talk to that one with --server ${running.origin}, or set AGENT_SERVER_HOME to another folder.`,
    );
  }
  if (running.origin !== address.origin) {
    process.stderr.write(`Using the server that runs at ${running.origin}\n`);
  }
}

/**
 * Starts the server with its output in a log file, and waits until it says there that it listens. Nothing ties it to
 * this process: it goes on for another chat when this one is left. Its process id.
 */
async function startServer({ hostname, port }: URL): Promise<number> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const logFile = join(home, 'server.log');
  const logged = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  const log = openSync(logFile, 'a', 0o600);
  process.stderr.write(`Starting a server; its log is ${logFile}\n`);
  const [node, ...flags] = NODE;
  const where = ['--host', hostname.replace(/^\[|\]$/g, ''), '--port', port || '80', '--home', home];
  // What is typed into a chat on one's own machine runs there; a sandbox keeps it to the folder.
  where.push('--sandbox', 'auto');
  const child = spawn(
    node,
    [...flags, SERVER, ...where, '--root', folder, ...(args.includes('--demo') ? ['--demo'] : [])],
    // Its own process group: Ctrl-C in the terminal is for the client.
    { cwd: REPOSITORY, stdio: ['ignore', log, log], detached: true, env: withoutNpm() },
  );
  child.unref();
  closeSync(log);
  let exitCode: number | null | undefined;
  child.once('exit', (ended) => {
    exitCode = ended;
  });
  const started = Date.now();
  while (!LISTENING.test(logSince(logFile, logged))) {
    if (exitCode !== undefined) {
      throw new Error(`The server did not start (exit code ${exitCode}):\n${tail(logFile)}`);
    }
    if (Date.now() - started > START_TIMEOUT_MS) {
      child.kill('SIGTERM');
      throw tooSlow(logFile);
    }
    await pause(30);
  }
  process.stderr.write(`${spoken(logFile, logged)}The server is ready after ${Date.now() - started} ms.\n`);
  return child.pid ?? 0;
}

/** A server of `npm start` ends with its npm, which it knows by this; ours goes on when this chat is left. */
function withoutNpm(): NodeJS.ProcessEnv {
  const { npm_package_name: _, ...env } = process.env;
  return env;
}

function tooSlow(logFile: string): Error {
  return new Error(`The server is not ready after ${START_TIMEOUT_MS / 1000} s. See ${logFile}`);
}

/** What the server said to people since it started (its log proper is JSON): that it only has the demo model. */
function spoken(file: string, from: number): string {
  const lines = logSince(file, from).split('\n');
  const words = lines.filter((line) => line.trim() !== '' && !line.startsWith('{') && !LISTENING.test(line));
  return words.map((line) => `${line}\n`).join('');
}

function logSince(file: string, from: number): string {
  return readFileSync(file).subarray(from).toString();
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-10).join('\n');
}

async function runClient(joined?: URL): Promise<number> {
  const [node, ...flags] = NODE;
  const env: NodeJS.ProcessEnv = { ...process.env, CLAUDE_AGENT_PROGRAM: programName() };
  // A server with a key was probably given it in this same terminal.
  const apiKey = process.env.CLAUDE_AGENT_API_KEY || process.env.AGENT_SERVER_API_KEY;
  if (apiKey) env.CLAUDE_AGENT_API_KEY = apiKey;
  if (joined) env.CLAUDE_AGENT_SERVER = joined.origin;
  const child = spawn(node, [...flags, CLIENT, ...clientArgs], { cwd: folder, env, stdio: 'inherit' });
  // Signals of the terminal reach the client by themselves; this program only has to stay.
  const stay = (): void => undefined;
  process.on('SIGINT', stay);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (exitCode, signal) => done(exitCode ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

/** How this program is called from where it was: what it tells people to type must work as it stands. */
function programName(): string {
  const isInside = folder === REPOSITORY || folder.startsWith(REPOSITORY + sep);
  const npm = isInside
    ? 'npm'
    : `npm --prefix ${/^[\w./-]+$/.test(REPOSITORY) ? REPOSITORY : `'${REPOSITORY}'`}`;
  return `${npm} run chat --${args.includes('--demo') ? ' --demo' : ''}`;
}
