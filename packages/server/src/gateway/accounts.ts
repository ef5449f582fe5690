import type { BudgetAnswer, Subject, UsageRecord } from 'claude-agent-gateway';
import type { Change, Store, UsageRow } from '../store/store.ts';

/** What model calls through this server's gateway cost: kept in the store, and held against budgets. */
export interface Accounts {
  /** Books one finished model call. */
  book(record: UsageRecord): void;
  /** Whether whoever calls may still spend. */
  check(subject: Subject): Promise<BudgetAnswer>;
  /** What a session spent since this was last asked: what one turn cost. */
  take(sessionId: string): UsageRow[];
}

export interface AccountsDeps {
  store: Store;
  /** Dollars that a key may spend in all, by the key's id. */
  keyBudgets: ReadonlyMap<string, number>;
  onError(error: unknown, what: string): void;
}

export function createAccounts({ store, keyBudgets, onError }: AccountsDeps): Accounts {
  const recent = new Map<string, UsageRow[]>();

  const book = async ({ subject, ...record }: UsageRecord): Promise<void> => {
    const costUsd = record.cost_usd ?? 0;
    const changes: Change[] = [];
    let keyId = subject.keyId;
    const session = subject.sessionId === undefined ? undefined : await store.getSession(subject.sessionId);
    if (session) {
      const usage = rowOf(record);
      changes.push({ kind: 'add-usage', sessionId: session.id, usage });
      // A session spends from the budget of the key that made it.
      keyId ??= session.createdBy ?? undefined;
    }
    if (keyId !== undefined && costUsd > 0) changes.push({ kind: 'add-key-usage', keyId, costUsd });
    if (changes.length > 0) await store.write(changes);
  };

  const over = (whose: string, spent: number, budget: number): BudgetAnswer =>
    spent < budget
      ? { ok: true }
      : {
          ok: false,
          message: `The budget of ${whose} is spent: $${spent.toFixed(4)} of $${budget.toFixed(2)}.`,
        };

  return {
    book(record) {
      // Errors and calls that were refused used nothing.
      if (record.model === undefined) return;
      const { sessionId } = record.subject;
      if (sessionId !== undefined) recent.set(sessionId, [...(recent.get(sessionId) ?? []), rowOf(record)]);
      book(record).catch((error: unknown) => onError(error, 'book a model call'));
    },

    async check({ sessionId, keyId }) {
      const session = sessionId === undefined ? undefined : await store.getSession(sessionId);
      const budget = session?.options.max_budget_usd;
      if (session && budget !== undefined) {
        const { rows } = await store.usage(session.id);
        const answer = over(
          'this session',
          rows.reduce((sum, row) => sum + row.costUsd, 0),
          budget,
        );
        if (!answer.ok) return answer;
      }
      const key = keyId ?? session?.createdBy ?? undefined;
      const keyBudget = key === undefined ? undefined : keyBudgets.get(key);
      if (key === undefined || keyBudget === undefined) return { ok: true };
      return over(`the key "${key}"`, (await store.keyUsage()).get(key) ?? 0, keyBudget);
    },

    take(sessionId) {
      const rows = recent.get(sessionId) ?? [];
      recent.delete(sessionId);
      return rows;
    },
  };
}

function rowOf(record: Omit<UsageRecord, 'subject'>): UsageRow {
  return {
    model: record.provider === record.model ? (record.model ?? '') : `${record.provider}/${record.model}`,
    inputTokens: record.input_tokens,
    outputTokens: record.output_tokens,
    cacheReadInputTokens: record.cache_read_input_tokens,
    cacheCreationInputTokens: record.cache_creation_input_tokens,
    costUsd: record.cost_usd ?? 0,
  };
}
