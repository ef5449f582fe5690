import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect, vi } from 'vitest';
import { agentsOf } from './agents.ts';

/** For what takes a process a moment, on a busy machine more. */
export const WAIT = { timeout: 20_000, interval: 20 };

/** A command that starts another which leaves group, terminal session, parent and environment behind. */
export const escaping = (pidFile: string): string =>
  `(env -i /usr/bin/env setsid sh -c 'echo $$ > ${pidFile}; exec sleep 600' > /dev/null 2>&1 &)`;

/**
 * The process id that a command wrote into a file.
 * @param sessionId of the agent that ran the command: in a sandbox, its processes have other ids than on the machine
 */
export async function pidIn(file: string, sessionId?: string): Promise<number> {
  return vi.waitFor(() => {
    const pid = Number(readFileSync(file, 'utf8'));
    expect(pid).toBeGreaterThan(1);
    if (sessionId === undefined) return pid;
    const spaces = new Set(agentsOf(sessionId).flatMap((each) => spaceOf(each.pid)));
    const found = readdirSync('/proc').filter(
      (name) =>
        /^\d+$/.test(name) &&
        innerPid(name) === pid &&
        spaceOf(Number(name)).some((space) => spaces.has(space)),
    );
    expect(found).toHaveLength(1);
    return Number(found[0]);
  }, WAIT);
}

/** The id of a process in its own process namespace. */
function innerPid(pid: string): number | undefined {
  const line = /^NSpid:.*$/m.exec(contentOf(`/proc/${pid}/status`))?.[0];
  return line === undefined ? undefined : Number(line.split('\t').at(-1));
}

/** The process namespace of a process; nothing of one that has ended. */
function spaceOf(pid: number): string[] {
  try {
    return [readlinkSync(`/proc/${pid}/ns/pid`)];
  } catch {
    return [];
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
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
