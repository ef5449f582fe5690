import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { TranscriptLook } from '../../agent.ts';
import { READ_PLAIN } from '../../plain-file.ts';

const CHUNK = 1024 * 1024;
/** Sources of human prompts: programs over the SDK, and the terminal. */
const HUMAN = new Set<unknown>(['sdk', 'typed', 'queued', 'suggestion_accepted']);
/** Turns begun by the agent: reports of background tasks, schedules, loops. */
const OF_THE_AGENT = /notification|wakeup|continuation/;

/**
 * Ids of the human prompts in a transcript after `from` bytes. Messages of the agent to itself (a background task
 * ended) do not count, nor do tool results and notes on commands, which name no source.
 */
export function promptsIn(path: string, from: number, size: number): string[] {
  const file = openSync(path, READ_PLAIN);
  const prompts: string[] = [];
  const take = (line: Buffer): void => {
    if (line.includes('"promptSource":"')) prompts.push(...promptOf(line.toString('utf8')));
  };
  try {
    const chunk = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK, size - from)));
    let rest: Buffer[] = [];
    for (let at = from; at < size; ) {
      const bytes = readSync(file, chunk, 0, Math.min(chunk.length, size - at), at);
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

/** Growth up to this size is read in 0.2 ms. */
const QUICK_BYTES = 512 * 1024;

/**
 * What a transcript at a known path has grown by, without the worker (2 ms, 7 ms after a while).
 * @returns undefined if that takes long or says nothing: a conversation that moved leaves a file that does not grow
 */
export function quickLook(path: string, from: number): Omit<TranscriptLook, 'holder'> | undefined {
  try {
    const stat = lstatSync(path);
    const { size } = stat;
    if (!stat.isFile() || size <= from || size - from > QUICK_BYTES) return undefined;
    return { size, prompts: promptsIn(path, from, size) };
  } catch {
    return undefined;
  }
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
 * The live process that has a conversation open, by the agent's own registry: `sessions/PID.json` holds the id of the
 * current conversation, also after /clear, and the start time of the process (measured on 2.1.330).
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
      // Half written, or gone by now.
    }
  }
  return undefined;
}

/** Process ids are reused; the start time tells two processes apart, where the system shows it. */
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
