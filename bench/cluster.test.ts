/** The short form of bench/cluster.ts: each kind of fault once, and everything that must not be is not. */
import { expect, test } from 'vitest';
import { findPostgres } from '../packages/server/test/support/postgres.ts';
import { chaos } from '../packages/server/test/support/rounds.ts';
import type { Role } from './chaos/clients.ts';
import { FAULTS } from './chaos/cluster.ts';
import { runCluster } from './cluster.ts';

const SMALL: readonly Role[] = ['worker', 'asker', 'parker', 'queuer', 'steerer', 'resumer'];

test.skipIf(findPostgres() === undefined)(
  'nodes under load of which one is killed, one frozen, one cut off and one restarted lose nothing, and run nothing twice',
  chaos(300),
  async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    console.log(`cluster: seed ${seed}`);
    const { findings, counts, withoutOwner } = await runCluster({
      faults: FAULTS,
      seed,
      nodes: 3,
      agents: 2,
      cast: SMALL,
      pace: 0.2,
      // So short a lease is lost on a busy machine, too: one more fault.
      heartbeatSeconds: 0.5,
      leaseSeconds: 3,
      log: () => {},
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
    expect(counts['prompts and results that agents wrote']).toBeGreaterThan(0);
    expect(withoutOwner.length).toBeGreaterThan(0);
  },
);
