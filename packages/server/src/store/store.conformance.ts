import fc from 'fast-check';
import { describe, test } from 'vitest';
import { commands, createModel, runCommand } from '../../test/support/store-model.ts';
import { describeAudit } from './conformance/audit.conformance.ts';
import { describeEvents } from './conformance/events.conformance.ts';
import { describeKeys } from './conformance/keys.conformance.ts';
import { describeLimits } from './conformance/limits.conformance.ts';
import { describePermissions } from './conformance/permissions.conformance.ts';
import { describePush } from './conformance/push.conformance.ts';
import { describeRates } from './conformance/rates.conformance.ts';
import { describeRemoval } from './conformance/removal.conformance.ts';
import { describeSessions } from './conformance/sessions.conformance.ts';
import { createSubject } from './conformance/subject.conformance.ts';
import { describeTenantUids } from './conformance/tenant-uids.conformance.ts';
import { describeTenants } from './conformance/tenants.conformance.ts';
import { describeTurns } from './conformance/turns.conformance.ts';
import { describeUsage } from './conformance/usage.conformance.ts';
import { describeWebhooks } from './conformance/webhooks.conformance.ts';
import { describeWrites } from './conformance/writes.conformance.ts';
import type { Store } from './store.ts';

/** The behaviour that every store has; `open` returns a new, empty one. `runs`: how many random ones are compared. */
export function describeStore(name: string, open: () => Promise<Store> | Store, { runs = 60 } = {}): void {
  describe(name, () => {
    const subject = createSubject(open);
    describeSessions(subject);
    describeTurns(subject);
    describePermissions(subject);
    describeEvents(subject);
    describeWrites(subject);
    describeUsage(subject);
    describeRemoval(subject);
    describeTenants(subject);
    describeTenantUids(subject);
    describeKeys(subject);
    describeLimits(subject);
    describeRates(subject);
    describeWebhooks(subject);
    describePush(subject);
    describeAudit(subject);

    test('behaves like a simple model in memory, for random writes in random order', async () => {
      await fc.assert(
        fc.asyncProperty(commands(), async (list) => {
          const real = await open();
          const model = createModel();
          try {
            for (const command of list) await runCommand(real, model, command);
          } finally {
            await real.close();
          }
        }),
        { numRuns: runs },
      );
    }, 60_000);
  });
}
