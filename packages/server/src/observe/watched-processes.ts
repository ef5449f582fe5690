import { readFile } from 'node:fs/promises';
import type { Processes } from '../agent/processes.ts';

/** The agent processes that run, for the metrics. */
export interface ProcessCounts {
  running(): number;
  started(): number;
  /** Resident memory of all of them and of what they started; undefined where the system does not tell. */
  memoryBytes(): Promise<number | undefined>;
}

/** The same processes; those that run are counted. */
export function watchProcesses(processes: Processes): { processes: Processes; counts: ProcessCounts } {
  const pids = new Set<number>();
  let started = 0;
  return {
    processes: {
      ...processes,
      spawn(sessionId, request) {
        const owned = processes.spawn(sessionId, request);
        const { pid } = owned.child;
        started += 1;
        if (pid !== undefined) {
          pids.add(pid);
          void owned.exited.then(() => pids.delete(pid));
        }
        return owned;
      },
    },
    counts: {
      running: () => pids.size,
      started: () => started,
      async memoryBytes() {
        if (process.platform !== 'linux') return undefined;
        const trees = await Promise.all([...pids].map((pid) => residentBytes(pid, MOST_LEVELS)));
        return trees.reduce((sum, bytes) => sum + bytes, 0);
      },
    },
  };
}

/** A fork bomb must not make a scrape endless. */
const MOST_LEVELS = 5;
const MOST_CHILDREN = 50;
const PAGE_BYTES = 4096;

/** What a process and its children have in memory; pages that they share count for each. 0 for one that is gone. */
async function residentBytes(pid: number, levels: number): Promise<number> {
  const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const [sizes, children] = await Promise.all([read('statm'), read(`task/${pid}/children`)]);
  const own = Number(sizes.split(' ')[1] ?? 0) * PAGE_BYTES;
  if (levels === 0) return own;
  const below = children.trim().split(' ').filter(Boolean).slice(0, MOST_CHILDREN);
  const sums = await Promise.all(below.map((child) => residentBytes(Number(child), levels - 1)));
  return sums.reduce((sum, bytes) => sum + bytes, own);
}
