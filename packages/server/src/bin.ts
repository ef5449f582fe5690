#!/usr/bin/env node
/**
 * The published program: main.ts in a process that keeps less memory for later. Node itself grows the space for new
 * objects to 64 MB, and malloc keeps what was freed for each of its threads. Measured with 200 turns through the
 * gateway: 175 MB instead of 284 for the same processor time; the second start takes 25 ms.
 */
import { join } from 'node:path';

const FLAGS = ['--max-semi-space-size=4'];
const ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

// Windows has no execve.
if (process.execve) {
  const main = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js');
  process.execve(
    process.execPath,
    [process.execPath, ...FLAGS, ...process.execArgv, main, ...process.argv.slice(2)],
    // What the user has set stands.
    { ...ENVIRONMENT, ...process.env },
  );
}
await import('./main.ts');
