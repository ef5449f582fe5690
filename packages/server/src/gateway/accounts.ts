import { setTimeout as sleep } from 'node:timers/promises';
import type { BudgetAnswer, Subject, UsageRecord } from 'claude-agent-gateway';
import type { Change, Store, UsageRow } from '../store/store.ts';

/** What model calls through this server's gateway cost: kept in the store, and held against budgets. */
export interface Accounts {
  /** Books one finished model call. */
  book(record: UsageRecord): void;
  /** Whether whoever calls may still spend; asked once at the start of each call that is booked at its end. */
  check(subject: Subject): Promise<BudgetAnswer>;
  /**
   * What a session spent since this was last asked: what one turn cost. Waits a moment for calls that are
   * not booked yet: the agent can have read the end of an answer before it is priced.
   */
  take(sessionId: string): Promise<UsageRow[]>;
}

/** A background subagent may be in the middle of a call; the turn's end does not wait longer for it. */
const BOOKING_PATIENCE_MS = 300;

export interface AccountsDeps {
  store: Store;
  /** Dollars that a key may spend in all, by the key's id. */
  keyBudgets: ReadonlyMap<string, number>;
  onError(error: unknown, what: string): void;
}

export function createAccounts({ store, keyBudgets, onError }: AccountsDeps): Accounts {
  const recent = new Map<string, UsageRow[]>();
  /** Calls of a session that began and are not booked, and who waits for that. */
  const open = new Map<string, { calls: number; booked: PromiseWithResolvers<void> }>();

  const begin = (sessionId: string): void => {
    const entry = open.get(sessionId) ?? { calls: 0, booked: Promise.withResolvers<void>() };
    entry.calls++;
    open.set(sessionId, entry);
  };

  const end = (sessionId: string): void => {
    const entry = open.get(sessionId);
    if (!entry || --entry.calls > 0) return;
    open.delete(sessionId);
    entry.booked.resolve();
  };

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

  const withinBudget = async ({ sessionId, keyId }: Subject): Promise<BudgetAnswer> => {
    const session = sessionId === undefined ? undefined : await store.getSession(sessionId);
    const budget = session?.options.max_budget_usd;
    if (session && budget !== undefined) {
      const { rows } = await store.usage(session.id);
      const spent = rows.reduce((sum, row) => sum + row.costUsd, 0);
      if (spent >= budget) return refusal('this session', spent, budget);
    }
    const key = keyId ?? session?.createdBy ?? undefined;
    const keyBudget = key === undefined ? undefined : keyBudgets.get(key);
    if (key === undefined || keyBudget === undefined) return { ok: true };
    const spent = (await store.keyUsage()).get(key) ?? 0;
    return spent < keyBudget ? { ok: true } : refusal(`the key "${key}"`, spent, keyBudget);
  };

  return {
    book(record) {
      const { sessionId } = record.subject;
      // Errors and calls that were refused used nothing.
      const used = record.model !== undefined;
      if (used && sessionId !== undefined) {
        recent.set(sessionId, [...(recent.get(sessionId) ?? []), rowOf(record)]);
      }
      if (sessionId !== undefined) end(sessionId);
      if (!used) return;
      book(record).catch((error: unknown) => onError(error, 'book a model call'));
    },

    async check(subject) {
      if (subject.sessionId !== undefined) begin(subject.sessionId);
      try {
        return await withinBudget(subject);
      } catch (error) {
        if (subject.sessionId !== undefined) end(subject.sessionId);
        throw error;
      }
    },

    async take(sessionId) {
      await Promise.race([
        open.get(sessionId)?.booked.promise,
        sleep(BOOKING_PATIENCE_MS, undefined, { ref: false }),
      ]);
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

const refusal = (whose: string, spent: number, budget: number): BudgetAnswer => ({
  ok: false,
  message: `The budget of ${whose} is spent: $${spent.toFixed(4)} of $${budget.toFixed(2)}.`,
});
