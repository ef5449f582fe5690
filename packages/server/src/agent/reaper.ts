/**
 * Runs after a server died without ending its agents (SIGKILL, a crash) and kills what that run left behind.
 * `watchdog.ts` starts it. Arguments: the ids of the home and of the run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createMarks, killMarked } from './marks.ts';

/** A process that the server was starting when it died carries its marks by then. */
const SECOND_SWEEP_MS = 300;

const [instance = '', run = ''] = process.argv.slice(2);
const { run: mark } = createMarks(instance, run);
await killMarked(mark);
await sleep(SECOND_SWEEP_MS);
await killMarked(mark);
