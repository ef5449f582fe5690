import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Fails the whole run if a process that a test started outlives it. Every server of a test, and through it
 * every agent and every command of an agent, carries this run's mark in its environment.
 */
export default function setup(): () => Promise<void> {
  const run = randomUUID();
  process.env.CLAUDE_TEST_RUN = run;
  // The suite starts some hundred servers and clients from their sources: 0.22 instead of 0.52 s of processor time each.
  const cache = mkdtempSync(join(tmpdir(), 'claude-agent-test-cache-'));
  process.env.NODE_COMPILE_CACHE = cache;
  // Nothing here blocks the runner, which waits for its workers at the same time (see postgres.ts).
  return async () => {
    await rm(cache, { recursive: true, force: true, maxRetries: 5 });
    const left = await marked(`CLAUDE_TEST_RUN=${run}`);
    if (left.length === 0) return;
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    throw new Error(
      `processes survived the tests: ${left.map(({ pid, command }) => `${pid} ${command}`).join('; ')}`,
    );
  };
}

async function marked(mark: string): Promise<{ pid: number; command: string }[]> {
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        if (!(await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0').includes(mark)) return [];
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
        // Zombies have no environment; what is left here really runs. The test runner's own workers carry
        // the mark too and end after this.
        // Without a command line it is ending already: the kernel has taken its memory.
        return command === '' || command.includes('vitest')
          ? []
          : [{ pid: Number(pid), command: command.slice(0, 120) }];
      } catch {
        return [];
      }
    }),
  );
  return found.flat();
}
