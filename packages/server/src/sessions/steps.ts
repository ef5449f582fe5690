import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Rows of one transaction: fewer after one that took longer than `LONG_MS`, more after a quick one. Removing a row takes
 * 25 µs; with fewer than 50 the commit itself, up to 10 ms on a slow disk, would take most of the time.
 */
const MOST = 100;
const FEWEST = 50;
const LONG_MS = 3;
/** And about how many bytes; freeing or writing them takes longer than their number says. */
export const STEP_BYTES = 128 * 1024;

/**
 * Does something in many small transactions, so that the event loop is never blocked for long.
 * @param step works on so many rows at most; false when nothing was left to do
 */
export async function inSteps(step: (rows: number) => Promise<boolean>): Promise<void> {
  let rows = FEWEST;
  for (;;) {
    const begin = performance.now();
    if (!(await step(Math.floor(rows)))) return;
    const took = performance.now() - begin;
    rows = took > LONG_MS ? Math.max(FEWEST, rows / 2) : Math.min(MOST, rows + 5);
    await nextTurn();
  }
}
