import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const REAPER = fileURLToPath(new URL(`reaper${extname(import.meta.url)}`, import.meta.url));

/**
 * A shell blocks on a pipe from the server. A line means an orderly end; if the pipe closes without one, the server
 * is dead, and the shell execs the reaper. Measured: the shell takes 1.6 MB (0.13 MB private) and no CPU while it
 * waits, where a Node process would take 45 MB; five agents were gone 0.3 s after their server.
 */
const WAIT = 'read -r line && exit 0; exec "$0" "$@"';

/** Ends the agents of this server if the server dies without doing so. */
export interface Watchdog {
  /** Starts the watchdog unless it runs. */
  arm(): void;
  /** Stops it: all agents have ended in order. */
  disarm(): Promise<void>;
}

/** A watchdog for all processes that carry the mark of one run of a server. */
export function createWatchdog(instance: string, run: string): Watchdog {
  let shell: ChildProcess | undefined;
  return {
    arm() {
      if (process.platform === 'win32') return;
      // If it was killed, the next start of an agent starts another.
      if (isRunning(shell)) return;
      shell = spawn('/bin/sh', ['-c', WAIT, process.execPath, REAPER, instance, run], {
        stdio: ['pipe', 'ignore', 'ignore'],
        // It must survive a kill of the server's process group.
        detached: true,
        cwd: '/',
        env: {},
      });
      // Without a shell there is no watchdog; the next server on this home sweeps.
      shell.on('error', () => undefined);
      shell.stdin?.on('error', () => undefined);
      shell.unref();
    },
    async disarm() {
      const leaving = shell;
      shell = undefined;
      if (!isRunning(leaving)) return;
      const gone = once(leaving, 'exit');
      leaving.ref();
      leaving.stdin?.end('done\n');
      await gone;
    },
  };
}

const isRunning = (shell: ChildProcess | undefined): shell is ChildProcess =>
  shell?.pid !== undefined && shell.exitCode === null && shell.signalCode === null;
