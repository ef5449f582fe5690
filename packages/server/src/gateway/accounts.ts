import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Budget,
  type BudgetAnswer,
  createBudgets,
  type Subject,
  type UsageRecord,
} from 'claude-agent-gateway';
import { DEFAULT_TENANT } from 'claude-agent-protocol';
import { sentenceOf } from 'claude-agent-protocol/problems';
import { dayName, type LimitKeeper, THE_MACHINE } from '../access/limits.ts';
import { AppError } from '../errors.ts';
import type { Change, Store, UsageRow } from '../store/store.ts';

/** Books the cost of model calls through the gateway in the store, and enforces budgets. */
export interface Accounts {
  /** Books one finished model call. */
  book(record: UsageRecord): void;
  /** Whether the caller has budget left. Call it once at the start of each call; `book` ends the call. */
  check(subject: Subject, estimate: () => Promise<number | undefined>): Promise<BudgetAnswer>;
  /** Starts metering the calls of a session's process, one process at a time. */
  meter(sessionId: string): Meter & { end(): void };
}

/** Counts the usage of one process through the gateway. */
export interface Meter {
  /**
   * The usage since the last call, that is, of one turn. Waits a moment for calls that are not booked yet: the agent
   * can read the end of an answer before it is priced.
   */
  take(): Promise<UsageRow[]>;
}

/** A background subagent may be in mid-call; the turn's end waits no longer than this. */
const BOOKING_TIMEOUT_MS = 300;

/** The error message of a spent budget. */
const refusalTo = (whose: string, limit: number) => (spent: number) =>
  sentenceOf('error_max_budget_usd', { whose, spent, limit });

const sessionName = (id: string): string => `session ${id}`;
const keyName = (id: string): string => `key ${id}`;

export interface AccountsDeps {
  store: Store;
  /** Total budget of a key in dollars, by its id. */
  keyBudget(id: string): Promise<number | undefined>;
  limits: Pick<LimitKeeper, 'dayBudgets' | 'requireTokens'>;
  onError(error: unknown, what: string): void;
}

export function createAccounts({ store, keyBudget, limits, onError }: AccountsDeps): Accounts {
  const held = createBudgets();
  /** The latest booking. */
  let booking: Promise<void> = Promise.resolve();
  /** Usage of a session's metered process since the last `take`. */
  const recent = new Map<string, { rows: UsageRow[] }>();
  /** Calls of a session that are not booked yet, and a promise for their booking. */
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
      held.learn(sessionName(session.id), costUsd);
      // A session spends from the budget of the key that created it.
      keyId ??= session.createdBy ?? undefined;
    }
    if (!session) {
      const { tenant = DEFAULT_TENANT } = subject;
      changes.push({ kind: 'add-day-usage', tenant, maker: keyId ?? THE_MACHINE, usage: rowOf(record) });
    }
    const tenant = session?.tenant ?? subject.tenant ?? DEFAULT_TENANT;
    held.learn(dayName({ of: 'key', id: keyId ?? THE_MACHINE }), costUsd);
    held.learn(dayName({ of: 'tenant', id: tenant }), costUsd);
    if (keyId !== undefined && costUsd > 0) {
      changes.push({ kind: 'add-key-usage', keyId, costUsd });
      held.learn(keyName(keyId), costUsd);
    }
    if (changes.length > 0) await store.write(changes);
  };

  /** The budgets that apply to a call. @throws AppError 429 when the tokens of the day are used */
  const budgetsOf = async ({ sessionId, keyId, tenant }: Subject): Promise<Budget[]> => {
    const session = sessionId === undefined ? undefined : await store.getSession(sessionId);
    const owned = session ?? { tenant: tenant ?? DEFAULT_TENANT, createdBy: keyId ?? null };
    await limits.requireTokens(owned);
    const budgets: Budget[] = await limits.dayBudgets(owned);
    const limit = session?.options.max_budget_usd;
    if (session && limit !== undefined) {
      budgets.push({
        name: sessionName(session.id),
        limit,
        refusal: refusalTo('this session', limit),
        spent: () => store.sessionCost(session.id),
      });
    }
    const key = keyId ?? session?.createdBy ?? undefined;
    const keyLimit = key === undefined ? undefined : await keyBudget(key);
    if (key !== undefined && keyLimit !== undefined) {
      budgets.push({
        name: keyName(key),
        limit: keyLimit,
        refusal: refusalTo(`the key "${key}"`, keyLimit),
        spent: () => store.keyCost(key),
      });
    }
    return budgets;
  };

  const withinBudget = async (
    subject: Subject,
    estimate: () => Promise<number | undefined>,
  ): Promise<BudgetAnswer> => {
    const answer = await held.reserve(await budgetsOf(subject), estimate);
    if (!answer.ok || !answer.release) return answer;
    const { release } = answer;
    // Only after the store has the cost of the call.
    return { ok: true, release: () => void booking.finally(release) };
  };

  return {
    book(record) {
      const { sessionId } = record.subject;
      // Errors and refused calls used nothing.
      const used =
        record.model !== undefined &&
        record.input_tokens + record.cache_read_input_tokens + record.output_tokens > 0;
      if (used && sessionId !== undefined) {
        recent.get(sessionId)?.rows.push(rowOf(record));
      }
      if (sessionId !== undefined) end(sessionId);
      if (!used) return;
      booking = book(record).catch((error: unknown) => onError(error, 'book a model call'));
    },

    async check(subject, estimate) {
      if (subject.sessionId !== undefined) begin(subject.sessionId);
      try {
        return await withinBudget(subject, estimate);
      } catch (error) {
        // Its record is booked as one that used nothing.
        if (error instanceof AppError && error.retryAfterSeconds !== undefined) {
          const { status, message, retryAfterSeconds } = error;
          return { ok: false, message, refused: { status, retryAfterSeconds } };
        }
        if (subject.sessionId !== undefined) end(subject.sessionId);
        throw error;
      }
    },

    meter(sessionId) {
      const mine: { rows: UsageRow[] } = { rows: [] };
      recent.set(sessionId, mine);
      return {
        async take() {
          await Promise.race([
            open.get(sessionId)?.booked.promise,
            sleep(BOOKING_TIMEOUT_MS, undefined, { ref: false }),
          ]);
          return mine.rows.splice(0);
        },
        end() {
          if (recent.get(sessionId) === mine) recent.delete(sessionId);
        },
      };
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
