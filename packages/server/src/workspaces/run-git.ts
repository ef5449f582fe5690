import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { basicEnvironment, type Env } from '../agent/environment.ts';
import { gitWithoutPrograms } from '../agent/git.ts';

/** How much of what git says on standard error is kept. */
const WORDS = 2_000;

/** Settings that hold for every git of the server, whatever a repository says. */
const SETTINGS: Readonly<Record<string, string>> = {
  'advice.detachedHead': 'false',
  'core.fsmonitor': 'false',
  'core.hooksPath': '/dev/null',
  'fetch.recurseSubmodules': 'false',
  // What runs on in the background would change the folder under a save.
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'protocol.ext.allow': 'never',
  'submodule.recurse': 'false',
  'transfer.bundleURI': 'false',
};

/** Too much was written. */
export class TooLarge extends Error {}

export interface RunGit {
  cwd: string;
  env: Readonly<Record<string, string>>;
  signal: AbortSignal;
  /** Written to its standard input. */
  input?: string | Buffer | NodeJS.ReadableStream | undefined;
}

/** The environment of the server's own git: nothing of the agent's, no questions, and one protocol or none. */
export function gitEnvironment(
  env: Env,
  protocol: string | undefined,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const settings = Object.entries({ ...SETTINGS, ...more });
  return {
    ...basicEnvironment(env),
    ...(env.SSH_AUTH_SOCK && { SSH_AUTH_SOCK: env.SSH_AUTH_SOCK }),
    ...(env.GIT_SSH_COMMAND && { GIT_SSH_COMMAND: env.GIT_SSH_COMMAND }),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
    GIT_CONFIG_COUNT: String(settings.length),
    GIT_ALLOW_PROTOCOL: protocol ?? 'none',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'true',
    SSH_ASKPASS_REQUIRE: 'never',
    // A repository's .lfsconfig names an address that nobody has allowed.
    GIT_LFS_SKIP_SMUDGE: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    LC_ALL: 'C.UTF-8',
  };
}

/**
 * The environment for a repository that an agent has worked in: it has no remotes for it, its programs do not run, and
 * its files are where we say (`core.worktree` could name any folder).
 */
export async function guardedGit(
  cwd: string,
  env: Env,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const plain = {
    ...gitEnvironment(env, undefined),
    GIT_DIR: `${cwd}/.git`,
    GIT_WORK_TREE: cwd,
  };
  // Where git sees no repository, `git config` reads only the user's configuration, without a word.
  await git(['rev-parse', '--git-dir'], { cwd, env: plain, signal });
  return { ...plain, ...(await gitWithoutPrograms(cwd, plain, true)) };
}

/** Runs git. @returns what it prints @throws Error with its own last words */
export async function git(args: readonly string[], options: RunGit): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await stream(args, options, async (out) => {
    for await (const chunk of out) chunks.push(chunk as Buffer);
  });
  return Buffer.concat(chunks);
}

/**
 * Runs git and appends what it prints to a file.
 * @throws TooLarge when that is more than `limit` bytes
 */
export async function gitToFile(
  args: readonly string[],
  options: RunGit,
  file: string,
  limit: number,
): Promise<void> {
  await stream(args, options, (out) =>
    pipeline(out, createLimit(limit), createWriteStream(file, { flags: 'a' })),
  );
}

/** Passes on at most `limit` bytes, then fails with TooLarge. */
export function createLimit(limit: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      if (bytes > limit) done(new TooLarge(`more than ${limit} bytes`));
      else done(null, chunk);
    },
  });
}

async function stream(
  args: readonly string[],
  { cwd, env, signal, input }: RunGit,
  read: (out: NodeJS.ReadableStream) => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  // A group of its own: it has helpers (git-remote-https, ssh), and no terminal to ask on.
  const child = spawn('git', args, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const kill = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = `${words}${chunk.toString()}`.slice(-WORDS);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // It is awaited below, after its output.
  ended.catch(() => {});
  // git may end without having read everything; its exit code says whether that was an error.
  child.stdin.on('error', () => {});
  if (input === undefined || typeof input === 'string' || Buffer.isBuffer(input)) child.stdin.end(input);
  else pipeline(input, child.stdin).catch(kill);
  signal.addEventListener('abort', kill);
  try {
    await read(child.stdout);
    const code = await ended;
    signal.throwIfAborted();
    if (code !== 0) throw new Error(wordsOf(words) || `git ${args[0]} ended with code ${code}.`);
  } catch (error) {
    kill();
    await ended.catch(() => {});
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** The lines in which git says what is wrong; without them, the last one. */
function wordsOf(text: string): string {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
  const wrong = lines.filter((line) => /^(fatal|error|remote): /.test(line));
  return (wrong.length > 0 ? wrong : lines.slice(-1)).map((line) => line.trim()).join(' ');
}
