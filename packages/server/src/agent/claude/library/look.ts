import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

const CHUNK = 1024 * 1024;
/** Where prompts of humans come from: this or another program over the SDK, and the terminal. */
const HUMAN = new Set<unknown>(['sdk', 'typed', 'queued', 'suggestion_accepted']);
/** Turns that the agent began: reports of background tasks, schedules, loops. */
const OF_THE_AGENT = /notification|wakeup|continuation/;

/**
 * Ids of the prompts of humans in a transcript behind `from` bytes. What the agent tells itself (that a
 * background task ended, say) is none, nor are tool results and its notes on commands, which name no source.
 */
export function promptsIn(path: string, from: number, size: number): string[] {
  const file = openSync(path, 'r');
  const prompts: string[] = [];
  const take = (line: Buffer): void => {
    if (line.includes('"promptSource":"')) prompts.push(...promptOf(line.toString('utf8')));
  };
  try {
    const chunk = Buffer.alloc(CHUNK);
    let rest: Buffer[] = [];
    for (let at = from; at < size; ) {
      const bytes = readSync(file, chunk, 0, Math.min(CHUNK, size - at), at);
      if (bytes === 0) break;
      at += bytes;
      let begin = 0;
      for (let end = chunk.indexOf(10); end >= 0 && end < bytes; end = chunk.indexOf(10, begin)) {
        take(Buffer.concat([...rest, chunk.subarray(begin, end)]));
        rest = [];
        begin = end + 1;
      }
      if (begin < bytes) rest.push(Buffer.from(chunk.subarray(begin, bytes)));
    }
    if (rest.length > 0) take(Buffer.concat(rest));
  } finally {
    closeSync(file);
  }
  return prompts;
}

function promptOf(line: string): string[] {
  try {
    const entry = JSON.parse(line) as Record<string, unknown>;
    const { type, uuid, promptSource, turnOrigin, isMeta, isSidechain, isCompactSummary } = entry;
    const isHuman = HUMAN.has(promptSource) && !OF_THE_AGENT.test(String(turnOrigin));
    return type === 'user' && isHuman && !isMeta && !isSidechain && !isCompactSummary ? [String(uuid)] : [];
  } catch {
    return [];
  }
}

/**
 * The living process that has a conversation open, by the agent's own register: `sessions/PID.json` with the id of the
 * present conversation, also after /clear, and the moment of the process's start (measured on 2.1.330).
 */
export function holderOf(register: string, conversationId: string): number | undefined {
  let names: string[];
  try {
    names = readdirSync(register).filter((name) => /^\d+\.json$/.test(name));
  } catch {
    return undefined;
  }
  for (const name of names) {
    try {
      const { sessionId, procStart, pid } = JSON.parse(readFileSync(join(register, name), 'utf8')) as {
        sessionId?: unknown;
        procStart?: unknown;
        pid?: unknown;
      };
      if (sessionId === conversationId && typeof pid === 'number' && isAlive(pid, procStart)) return pid;
    } catch {
      // Half written, or gone meanwhile.
    }
  }
  return undefined;
}

/** Numbers of processes are used again; the moment of the start tells two apart, where the system shows it. */
function isAlive(pid: number, started: unknown): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] !== 'Z' && (started === undefined || fields[19] === String(started));
  } catch {
    return false;
  }
}
