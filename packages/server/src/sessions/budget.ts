import { problem } from '../errors.ts';
import type { SessionRecord, Store } from '../store/store.ts';

/**
 * The agent only knows the budget that was left when its process started, and restarts its count after `/clear`, so the
 * session's own account decides.
 * @throws AppError 402 when nothing is left
 */
export async function checkBudget(store: Store, { id, options }: SessionRecord): Promise<void> {
  const limit = options.max_budget_usd;
  if (limit === undefined) return;
  const spent = await store.sessionCost(id);
  if (spent < limit) return;
  throw problem('error_max_budget_usd', { whose: 'this session', spent, limit });
}
