/** The short form of bench/recovery.ts: a few kills of a smaller load, and everything that must not be is not. */
import { expect, test } from 'vitest';
import { chaos, rounds } from '../packages/server/test/support/rounds.ts';
import type { Role } from './chaos/clients.ts';
import { runChaos } from './chaos/run.ts';

const SMALL: readonly Role[] = ['worker', 'asker', 'parker', 'questioner', 'queuer', 'steerer', 'resumer'];

const KILLS = rounds({ quick: 3, long: 7 });

test(
  `a server that is killed at ${KILLS} random moments under load loses nothing, runs nothing twice, and leaves no process`,
  chaos(300),
  async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    console.log(`recovery: seed ${seed}`);
    const { findings, counts, restarts } = await runChaos({
      kills: KILLS,
      seed,
      mode: 'server',
      cast: SMALL,
      pace: 0.2,
    });
    expect(findings).toEqual({
      lost: [],
      twice: [],
      gaps: [],
      duplicates: [],
      approvals: [],
      orphans: [],
      undocumented: [],
    });
    // There was something to lose.
    expect(counts['turns completed']).toBeGreaterThan(0);
    expect(counts['side effects']).toBeGreaterThan(0);
    expect(restarts.length).toBe(KILLS + 2);
  },
);
