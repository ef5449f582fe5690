/**
 * Runs when a server has died without ending its agents (SIGKILL, a crash): kills what that run of it has left.
 * `guard.ts` starts it. Arguments: the home's name, the run's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createMarks, killMarked } from './marks.ts';

/** A process that the server was just making when it died carries its marks by then. */
const SECOND_LOOK_MS = 300;

const [instance = '', run = ''] = process.argv.slice(2);
const { run: mark } = createMarks(instance, run);
await killMarked(mark);
await sleep(SECOND_LOOK_MS);
await killMarked(mark);
