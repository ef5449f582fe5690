import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { OUT_OF_FILES } from '../errors.ts';
import { createGuard } from './guard.ts';
import { createMarks, killMarked } from './marks.ts';

/** How long a process may take to end after its input is closed and it was told to, before SIGKILL. */
const KILL_AFTER_MS = 3_000;
/** How much of what the process says on standard error is kept: enough for the reason of a failed start. */
const KEEP_WORDS = 4_000;

/**
 * Sets the limits that mark a process (see marks.ts), then becomes the program. dash and busybox call the limit -w,
 * bash and zsh -x. Measured: 2 ms, where the agent's own start takes 400 to 1,000 ms.
 */
const LAUNCH =
  '{ ulimit -S -w "$0" && ulimit -H -w "$1" || { ulimit -S -x "$0" && ulimit -H -x "$1"; }; } 2>/dev/null; shift; exec "$@"';

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
  /** Lets go of what stands ready for this server's sudden death. To be called when all agents have ended. */
  release(): Promise<void>;
}

/** @param instance names the server's home; two servers with two homes never touch each other's processes */
export function createProcesses(instance: string): Processes {
  const run = randomUUID();
  const marks = createMarks(instance, run);
  const guard = createGuard(instance, run);
  const launched = process.platform === 'linux' && existsSync('/bin/sh');

  return {
    spawn(sessionId, { command, args, cwd, env, signal }) {
      guard.post();
      const { soft, hard } = marks.limits(sessionId);
      const [program, given] = launched
        ? ['/bin/sh', ['-c', LAUNCH, String(soft), String(hard), command, ...args]]
        : [command, args];
      const child = spawn(program, given, {
        ...(cwd !== undefined && { cwd }),
        env: { ...env, ...marks.environment(sessionId) },
        signal,
        stdio: ['pipe', 'pipe', 'pipe'],
        // A process group of its own: Ctrl-C at the server's terminal is for the server, which then ends its
        // agents in order; and the whole group can be killed.
        detached: true,
        windowsHide: true,
      });
      if (!child.stdin) {
        // So Node says that the limit of open files is reached (EMFILE): a child without pid, without pipes, and an
        // error event later.
        child.once('error', () => undefined);
        throw new Error(OUT_OF_FILES);
      }
      // The SDK listens twelve times to the exit of a spare.
      child.setMaxListeners(20);
      let words = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        words = (words + chunk.toString()).slice(-KEEP_WORDS);
      });
      const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
        child.once('exit', (code, exitSignal) => resolve({ code, signal: exitSignal }));
        child.once('error', (error) => {
          // Its own end, asked for here, is nothing that it says.
          if (error.name !== 'AbortError') words ||= error.message;
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
        await killMarked(marks.session(sessionId));
      }
    },
    sweep: () => killMarked(marks.home),
    release: () => guard.dismiss(),
  };
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group is gone already
  }
}
