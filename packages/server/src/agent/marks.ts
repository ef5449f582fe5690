import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inSlices, listProc, readProc } from './proc.ts';

/** Marks every process that our agents start with the server's home, the server's run and the session. */
const HOME_MARK = 'CLAUDE_AGENT_SERVER_INSTANCE';
const RUN_MARK = 'CLAUDE_AGENT_SERVER_RUN';
const SESSION_MARK = 'CLAUDE_AGENT_SERVER_SESSION';

/** A set of processes that a server may kill: all of its home, of one run, or of one session. */
export interface Mark {
  /** Variables of the environment, all of them: visible on every system, but a process can start children without them. */
  variables: readonly string[];
  /**
   * On Linux also an unused number: the limit of file locks (RLIMIT_LOCKS), which the kernel has ignored since
   * 2.4.25. Children inherit it whatever their environment, process group, terminal session or parent, and only root
   * can raise it. So `env -i setsid` and double forks do not escape.
   */
  fits(softLimit: bigint, hardLimit: bigint): boolean;
}

/** The marks of one run of a server. */
export interface Marks {
  home: Mark;
  run: Mark;
  session(sessionId: string): Mark;
  /** Variables for the environment of a session's process. */
  environment(sessionId: string): Record<string, string>;
  /** File lock limits for a session's process. */
  limits(sessionId: string): { soft: bigint; hard: bigint };
}

const SESSION_BITS = 30n;

const bitsOf = (text: string, bits: bigint): bigint =>
  createHash('sha256').update(text).digest().readBigUInt64BE() & ((1n << bits) - 1n);

/** @param instance names the server's home; two servers with two homes never touch each other's processes */
export function createMarks(instance: string, run: string = randomUUID()): Marks {
  // The hard limit encodes the home, the soft one the run and the session. The leading bits keep soft below hard.
  const hard = (1n << 62n) | bitsOf(instance, 61n);
  const runBits = (1n << 30n) | bitsOf(run, 30n);
  const softOf = (sessionId: string): bigint => (runBits << SESSION_BITS) | bitsOf(sessionId, SESSION_BITS);
  const runVariable = `${RUN_MARK}=${run}`;
  return {
    home: { variables: [`${HOME_MARK}=${instance}`], fits: (_, hardLimit) => hardLimit === hard },
    run: {
      variables: [runVariable],
      fits: (soft, hardLimit) => hardLimit === hard && soft >> SESSION_BITS === runBits,
    },
    session: (sessionId) => ({
      // Another node on this machine may have an agent of the same session by the time this one's is gone.
      variables: [runVariable, `${SESSION_MARK}=${sessionId}`],
      fits: (soft, hardLimit) => hardLimit === hard && soft === softOf(sessionId),
    }),
    environment: (sessionId) => ({
      [HOME_MARK]: instance,
      [RUN_MARK]: run,
      [SESSION_MARK]: sessionId,
    }),
    limits: (sessionId) => ({ soft: softOf(sessionId), hard }),
  };
}

/** Kills all processes that carry a mark. Returns their number. */
export async function killMarked(mark: Mark): Promise<number> {
  const killed = new Set<number>();
  // Repeat until none is left: a process may fork while we search.
  for (let round = 0; round < 5; round++) {
    const pids = await findMarked(mark);
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
        killed.add(pid);
      } catch {
        // exited in the meantime
      }
    }
    await sleep(20);
  }
  return killed.size;
}

/** All processes that carry a mark. */
export function findMarked(mark: Mark): Promise<number[]> {
  return process.platform === 'linux' ? findInProc(mark) : findWithPs(mark);
}

async function findInProc(mark: Mark): Promise<number[]> {
  const names = listProc('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found: number[] = [];
  await inSlices(names, (name) => {
    if (carries(name, mark)) found.push(Number(name));
  });
  return found;
}

function carries(pid: string, mark: Mark): boolean {
  const environment = readProc(`/proc/${pid}/environ`).split('\0');
  if (mark.variables.every((variable) => environment.includes(variable))) return true;
  const [, soft, hard] = /^Max file locks +(\d+) +(\d+)/m.exec(readProc(`/proc/${pid}/limits`)) ?? [];
  if (!soft || !hard || !mark.fits(BigInt(soft), BigInt(hard))) return false;
  // A zombie has no environment, but keeps its limits.
  return !/\) [ZX] /.test(readProc(`/proc/${pid}/stat`));
}

/** macOS and BSD have no /proc, but `ps -E` shows the environment of the user's own processes. */
async function findWithPs({ variables }: Mark): Promise<number[]> {
  if (process.platform === 'win32') return [];
  const ps = spawn('ps', ['-axEww', '-o', 'pid=,command='], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  for await (const chunk of ps.stdout) text += String(chunk);
  return text
    .split('\n')
    .filter((line) => variables.every((variable) => line.split(' ').includes(variable)))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid);
}
