import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_OVER, OUT_OF_FILES } from '../errors.ts';
import { createMarks, killMarked } from './marks.ts';
import { readProc } from './proc.ts';
import type { Confinement } from './sandbox/sandbox.ts';
import { createWatchdog, type Lease } from './watchdog.ts';

/** Time to exit after stdin is closed and the process was asked to stop; then SIGKILL. */
const KILL_AFTER_MS = 3_000;
/** How much of standard error is kept: enough for the reason of a failed start. */
const KEEP_WORDS = 4_000;

/**
 * Sets the limits that mark a process (see marks.ts), then execs the program. dash and busybox call the limit -w,
 * bash and zsh -x. Measured: 2 ms, where the agent's own start takes 400 to 1,000 ms.
 */
const LAUNCH =
  '{ ulimit -S -w "$0" && ulimit -H -w "$1" || { ulimit -S -x "$0" && ulimit -H -x "$1"; }; } 2>/dev/null; shift; exec "$@"';

/** Bubblewrap says there which process it started. */
const INFO_DESCRIPTOR = 3;
/** A process that was ended by a signal, as bubblewrap and shells report it. */
const BY_SIGNAL = 128;

export interface SpawnRequest {
  command: string;
  args: string[];
  cwd?: string;
  env: Record<string, string | undefined>;
  signal: AbortSignal;
  /** The sandbox that it runs in. */
  confinement?: Confinement | undefined;
}

export interface OwnedProcess {
  child: ChildProcess;
  /** The tail of standard error. */
  words(): string;
  /** Why it was ended, if it took more than it may. */
  stopped(): string | undefined;
  exited: Promise<End>;
  /** Resolves when the process and everything it started are gone. */
  end(): Promise<void>;
}

/** Starts and ends agent processes so that none is left behind, even after the server is killed. */
export interface Processes {
  spawn(sessionId: string, request: SpawnRequest): OwnedProcess;
  /** Ends every remaining process of this instance. Returns their number. */
  sweep(): Promise<number>;
  /** The lease is longer now: the agents may go on. */
  renew(): void;
  /** Ends every process at once, as the watchdog does when the lease is over; others can be started afterwards. */
  killAll(): Promise<void>;
  /** Disarms the watchdog. Call it after all agents have ended. */
  release(): Promise<void>;
}

/**
 * @param instance identifies the server's home; servers with different homes never touch each other's processes
 * @param lease the processes may run no longer than it lasts
 */
export function createProcesses(instance: string, lease?: Lease): Processes {
  const run = randomUUID();
  const marks = createMarks(instance, run);
  const watchdog = createWatchdog(instance, run, lease);
  const launched = process.platform === 'linux' && existsSync('/bin/sh');

  return {
    spawn(sessionId, { command, args, cwd, env, signal, confinement }) {
      if (lease && lease.leftMs() <= 0) throw new Error(LEASE_OVER);
      watchdog.arm();
      const { soft, hard } = marks.limits(sessionId);
      const line = confinement?.wrap(command, args, {
        infoDescriptor: INFO_DESCRIPTOR,
        env: { ...env, ...marks.environment(sessionId) },
        marks: { soft, hard },
      }) ?? {
        command,
        args,
        descriptors: [],
        channel: undefined,
      };
      const [program, given] =
        launched && !('marksProgram' in line && line.marksProgram)
          ? ['/bin/sh', ['-c', LAUNCH, String(soft), String(hard), line.command, ...line.args]]
          : [line.command, line.args];
      const child = spawn(program, given, {
        ...(cwd !== undefined && { cwd }),
        env: { ...env, ...marks.environment(sessionId), ...('env' in line && line.env) },
        ...(!confinement && { signal }),
        stdio: [
          'pipe',
          'pipe',
          'pipe',
          ...(confinement ? (['pipe'] as const) : []),
          ...(line.channel === undefined ? [] : (['ipc'] as const)),
          ...line.descriptors,
        ],
        // In its own process group, Ctrl-C at the server's terminal reaches only the server, which then ends its
        // agents in order; and the whole group can be killed.
        detached: true,
        windowsHide: true,
      });
      confinement?.started(child.pid);
      if (!child.stdin) {
        // Node reports the limit of open files (EMFILE) like this: a child without pid and pipes, and an error event
        // later.
        child.once('error', () => undefined);
        throw new Error(OUT_OF_FILES);
      }
      if (confinement) passSignals(child, signal);
      if (line.channel !== undefined) {
        child.once('message', (_, handle) => {
          confinement?.take(handle);
          child.disconnect();
        });
      }
      // The SDK listens twelve times to the exit of a spare.
      child.setMaxListeners(20);
      let words = '';
      let stopped: string | undefined;
      void confinement?.exceeded.then((why) => {
        stopped = why;
        if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
      });
      child.stderr?.on('data', (chunk: Buffer) => {
        words = (words + chunk.toString()).slice(-KEEP_WORDS);
      });
      const exited = new Promise<End>((resolve) => {
        child.once('exit', (code, exitSignal) =>
          resolve(confinement ? endOf(code, exitSignal) : { code, signal: exitSignal }),
        );
        child.once('error', (error) => {
          // We aborted it ourselves: that is not its message.
          if (error.name !== 'AbortError') words ||= error.message;
          // A process that never started has no exit event.
          if (child.pid === undefined) resolve({ code: null, signal: null });
        });
      });
      let ending: Promise<void> | undefined;
      return {
        child,
        words: () => words.trim(),
        stopped: () => stopped,
        exited,
        end() {
          // Called when the session closes and on exit: one search of /proc serves both.
          ending ??= end();
          return ending;
        },
      };

      async function end(): Promise<void> {
        if (child.pid === undefined) return;
        const ended = await Promise.race([exited, sleep(KILL_AFTER_MS, 'late' as const, { ref: false })]);
        if (ended === 'late') killGroup(child.pid, 'SIGKILL');
        await exited;
        // Background commands of the agent outlive it, in its process group or in others.
        killGroup(child.pid, 'SIGKILL');
        await killMarked(marks.session(sessionId));
        await confinement?.leave();
      }
    },
    sweep: () => killMarked(marks.home),
    renew: () => watchdog.renew(),
    async killAll() {
      await killMarked(marks.run);
      // The watchdog may be at it: what is started now must not be its victim.
      await watchdog.disarm();
    },
    release: () => watchdog.disarm(),
  };
}

interface End {
  code: number | null;
  signal: string | null;
}

/** How the program in a sandbox ended. */
function endOf(code: number | null, signal: string | null): End {
  if (code === null || code <= BY_SIGNAL) return { code, signal };
  const [name] = Object.entries(constants.signals).find(([, number]) => number === code - BY_SIGNAL) ?? [];
  return name === undefined ? { code, signal } : { code: null, signal: name };
}

/**
 * Signals to a sandbox are for the program in it: bubblewrap itself would die of them, and everything inside at once,
 * before the agent has written its last lines.
 */
function passSignals(child: ChildProcess, abort: AbortSignal): void {
  let text = '';
  const info = child.stdio[INFO_DESCRIPTOR];
  info?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  info?.on('error', () => undefined);
  const kill = child.kill.bind(child);
  child.kill = (signal) => {
    const first = /"child-pid": *(\d+)/.exec(text)?.[1];
    // Its init is the parent of the program.
    const program = first && Number(readProc(`/proc/${first}/task/${first}/children`).split(' ')[0]);
    if (!program || signal === 'SIGKILL' || signal === 9 || child.exitCode !== null) return kill(signal);
    try {
      return process.kill(program, signal);
    } catch {
      return false;
    }
  };
  const end = (): void => {
    child.kill('SIGTERM');
  };
  if (abort.aborted) end();
  else abort.addEventListener('abort', end, { once: true });
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group is already gone
  }
}
