import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Marks every process that an agent of ours starts: with the server's home, and with the session. */
export const HOME_MARK = 'CLAUDE_AGENT_SERVER_INSTANCE';
const SESSION_MARK = 'CLAUDE_AGENT_SERVER_SESSION';

/** How long a process may take to end after its input is closed and it was told to, before SIGKILL. */
const KILL_AFTER_MS = 3_000;
/** How much of what the process says on standard error is kept: enough for the reason of a failed start. */
const KEEP_WORDS = 4_000;

export interface SpawnRequest {
  command: string;
  args: string[];
  cwd?: string;
  env: Record<string, string | undefined>;
  signal: AbortSignal;
}

export interface OwnedProcess {
  child: ChildProcess;
  /** The tail of standard error. */
  words(): string;
  exited: Promise<{ code: number | null; signal: string | null }>;
  /** Settles when the process and everything that it started are gone. */
  end(): Promise<void>;
}

/** Starts and ends agent processes so that none is left behind, not even those of a server that was killed. */
export interface Processes {
  spawn(sessionId: string, request: SpawnRequest): OwnedProcess;
  /** Ends every process of this instance that is left. Gives their number. */
  sweep(): Promise<number>;
}

/** @param instance names the server's home; two servers with two homes never touch each other's processes */
export function createProcesses(instance: string): Processes {
  return {
    spawn(sessionId, { command, args, cwd, env, signal }) {
      const child = spawn(command, args, {
        ...(cwd !== undefined && { cwd }),
        env: { ...env, [HOME_MARK]: instance, [SESSION_MARK]: sessionId },
        signal,
        stdio: ['pipe', 'pipe', 'pipe'],
        // A process group of its own: Ctrl-C at the server's terminal is for the server, which then ends its
        // agents in order; and the whole group can be killed.
        detached: true,
        windowsHide: true,
      });
      let words = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        words = (words + chunk.toString()).slice(-KEEP_WORDS);
      });
      const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
        child.once('exit', (code, exitSignal) => resolve({ code, signal: exitSignal }));
        child.once('error', (error) => {
          words ||= error.message;
          // A process that was never born has no exit event.
          if (child.pid === undefined) resolve({ code: null, signal: null });
        });
      });
      let ending: Promise<void> | undefined;
      return {
        child,
        words: () => words.trim(),
        exited,
        end() {
          // Asked for by whoever closes the session and by the exit itself: one search of /proc serves both.
          ending ??= end();
          return ending;
        },
      };

      async function end(): Promise<void> {
        if (child.pid === undefined) return;
        const ended = await Promise.race([exited, sleep(KILL_AFTER_MS, 'late' as const, { ref: false })]);
        if (ended === 'late') killGroup(child.pid, 'SIGKILL');
        await exited;
        // Commands that the agent ran in the background outlive it in its group, or in groups of their own.
        killGroup(child.pid, 'SIGKILL');
        await killMarked(SESSION_MARK, sessionId);
      }
    },
    sweep: () => killMarked(HOME_MARK, instance),
  };
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group is gone already
  }
}

/** Kills all processes whose environment carries a mark. Gives their number. */
async function killMarked(name: string, value: string): Promise<number> {
  let killed = 0;
  // Again until none is left: a process may fork while we look.
  for (let round = 0; round < 5; round++) {
    const pids = await findMarked(`${name}=${value}`);
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
        killed++;
      } catch {
        // it ended by itself meanwhile
      }
    }
    await sleep(20);
  }
  return killed;
}

export async function findMarked(mark: string): Promise<number[]> {
  return process.platform === 'linux' ? findInProc(mark) : findWithPs(mark);
}

async function findInProc(mark: string): Promise<number[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        const environment = await readFile(`/proc/${name}/environ`, 'latin1');
        return environment.split('\0').includes(mark) ? Number(name) : undefined;
      } catch {
        // gone, or another user's: not ours in either case
        return undefined;
      }
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

/** macOS and BSD have no /proc, but `ps -E` shows the environment of the user's own processes. */
async function findWithPs(mark: string): Promise<number[]> {
  if (process.platform === 'win32') return [];
  const ps = spawn('ps', ['-axEww', '-o', 'pid=,command='], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  for await (const chunk of ps.stdout) text += String(chunk);
  return text
    .split('\n')
    .filter((line) => line.split(' ').includes(mark))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid);
}
