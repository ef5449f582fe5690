import { readFileSync } from 'node:fs';
import { expect, vi } from 'vitest';

/** For what takes a process a moment, on a busy machine more. */
export const WAIT = { timeout: 20_000, interval: 20 };

/** A command that starts another which leaves group, terminal session, parent and environment behind. */
export const escaping = (pidFile: string): string =>
  `(env -i /usr/bin/env setsid sh -c 'echo $$ > ${pidFile}; exec sleep 600' > /dev/null 2>&1 &)`;

/** The process id that a command wrote into a file. */
export async function pidIn(file: string): Promise<number> {
  return vi.waitFor(() => {
    const pid = Number(readFileSync(file, 'utf8'));
    expect(pid).toBeGreaterThan(1);
    return pid;
  }, WAIT);
}

/** Whether a process runs. A zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
