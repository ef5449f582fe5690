import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { ContainerProgram } from './container-arguments.ts';

export interface ContainerRemoverDeps {
  program: ContainerProgram;
  /** The engine's version, such as "4.3.1". */
  version: string;
  /** Runs the engine's program. */
  call(...args: string[]): Promise<string>;
  warn(message: string): void;
  /** Milliseconds before the second attempt; each further pause is twice as long, up to `MAX_PAUSE_MS`. */
  pauseMs?: number;
}

/** Removes containers, however long the engine takes. */
export interface ContainerRemover {
  /**
   * Removes containers with what runs in them. Resolves when they are gone or `waitMs` have passed; it goes on with
   * those that are left, and says so in the log.
   */
  remove(containers: readonly string[], waitMs: number): Promise<void>;
  /**
   * Waits for containers of which the names begin like this.
   * @throws Error when the engine has one that it can neither remove nor stop
   */
  awaitGone(prefix: string, waitMs: number): Promise<void>;
  /** Gives up what is left. */
  close(): void;
}

/** An engine that was busy, or whose monitor of the container was killed, needs a second attempt at once. */
const PAUSE_MS = 100;
const MAX_PAUSE_MS = 30_000;
/** A command of the engine takes 50 to 200 ms of a processor. */
const AT_ONCE = 4;

/** How an engine says that it has no such container, so that there is nothing to do. */
const IS_GONE = /no such container/i;

export function createContainerRemover({
  program,
  version,
  call,
  warn,
  pauseMs = PAUSE_MS,
}: ContainerRemoverDeps): ContainerRemover {
  const closed = new AbortController();
  /** Containers that are not gone yet. */
  const pending = new Map<string, Promise<void>>();
  // Podman gives a container 10 s to end by itself, where docker kills it. Podman 3 has no such option.
  const flags =
    program === 'podman' && Number.parseInt(version, 10) >= 4 ? ['--force', '--time', '0'] : ['--force'];

  /** Why a container could not be removed. */
  const tryToRemove = (container: string): Promise<string | undefined> =>
    call('rm', ...flags, container).then(
      () => undefined,
      (error: Error & { stderr?: string }) => {
        const why = error.stderr?.trim() || messageOf(error);
        return IS_GONE.test(why) ? undefined : why;
      },
    );

  async function removeAll(
    containers: readonly string[],
    onGone: (container: string) => void,
  ): Promise<void> {
    let left = containers;
    for (let pause = pauseMs; ; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
      const failed: string[] = [];
      const waiting = left.values();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (const container of waiting) {
            if (closed.signal.aborted) return;
            const why = await tryToRemove(container);
            if (why === undefined) onGone(container);
            else failed.push(container);
          }
        }),
      );
      left = failed;
      if (left.length === 0 || closed.signal.aborted) return;
      await sleep(pause, undefined, { ref: false, signal: closed.signal }).catch(() => undefined);
    }
  }

  return {
    async remove(containers, waitMs) {
      const removals = new Map(containers.map((container) => [container, Promise.withResolvers<void>()]));
      for (const [container, { promise }] of removals) pending.set(container, promise);
      const all = removeAll(containers, (container) => {
        pending.delete(container);
        removals.get(container)?.resolve();
      });
      if (!(await isLate(all, waitMs))) return;
      const left = containers.filter((container) => pending.has(container));
      warn(
        `${program} has not removed ${left.length === 1 ? 'a container' : 'containers'} of this server in ${waitMs / 1000} s, which the server goes on trying: ${left.join(', ')}. If this stays, look at ${program}: ${program} rm --force ${left[0]}`,
      );
    },
    async awaitGone(prefix, waitMs) {
      const left = [...pending].filter(([name]) => name.startsWith(prefix));
      await Promise.all(
        left.map(async ([name, gone]) => {
          if (!(await isLate(gone, waitMs))) return;
          const running = await call('ps', '--quiet', '--filter', `name=^${name}$`);
          if (running === '' || !pending.has(name)) return;
          throw new Error(
            `An earlier agent of this session runs in the container ${name}, which ${program} does not end. End it by ${program} rm --force ${name}, then try again.`,
          );
        }),
      );
    },
    close: () => closed.abort(),
  };
}

/** Whether something takes longer than that. */
async function isLate(what: Promise<void>, ms: number): Promise<boolean> {
  const enough = new AbortController();
  const late = sleep(ms, true, { ref: false, signal: enough.signal }).catch(() => false);
  const is = await Promise.race([what.then(() => false), late]);
  enough.abort();
  return is;
}
