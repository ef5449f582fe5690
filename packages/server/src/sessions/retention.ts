import { setImmediate as nextTurn } from 'node:timers/promises';
import { dataOf, isEvent } from '../events/stored.ts';
import type {
  EventSize,
  LogSize,
  PermissionRecord,
  RetentionLimits,
  Store,
  TurnRecord,
} from '../store/store.ts';
import { isSummary } from './history.ts';
import { inSteps, STEP_BYTES } from './steps.ts';

/** Events read at a time. */
const PAGE = 100;
/** Logs whose sizes are asked for at a time: 1 to 2 ms. */
const LOGS = 200;
const SWEEP_EVERY_MS = 60_000;
const DAY_MS = 24 * 3600 * 1000;

export interface RetentionDeps {
  store: Store;
  limits: RetentionLimits;
  /** Whether this server sweeps now: of several on one store, one does. */
  isDue(): boolean;
  onError(error: unknown): void;
}

/** Keeps the event logs within their limits, in the background. */
export interface Retention {
  /** Goes through all logs once. */
  sweep(): Promise<void>;
  /** Ends the sweeps; settles when the present one has ended. */
  stop(): Promise<void>;
}

export function createRetention({ store, limits, isDue, onError }: RetentionDeps): Retention {
  /** Where the newest summary of a present conversation stands, by session, and how far it was looked for. */
  const summaries = new Map<string, { seq: number; seen: number }>();
  let stopped = false;
  let running: Promise<void> = Promise.resolve();

  const isExceeded = (log: LogSize): boolean =>
    log.oldestAt !== null && createExceeded(log, limits, Date.now()).any(log.oldestAt);

  const trim = async (log: LogSize, open: OpenWork): Promise<void> => {
    const exceeded = createExceeded(log, limits, Date.now());
    const keepFrom = Math.min(await neededBy(store, log, open), await newestSummary(log));
    await trimLog(store, log.sessionId, (event) => event.seq < keepFrom && !stopped && exceeded.by(event));
  };

  /** Where the history begins from which a lost transcript is rebuilt: at the newest summary of a compaction. */
  const newestSummary = async ({ sessionId, conversationFrom }: LogSize): Promise<number> => {
    const before = summaries.get(sessionId);
    const found = before && before.seq >= conversationFrom ? before : undefined;
    let { seq, seen } = found ?? { seq: conversationFrom, seen: conversationFrom - 1 };
    for (;;) {
      const page = await store.readEvents(sessionId, seen, PAGE);
      for (const event of page) {
        if (!isEvent(event, 'agent.message')) continue;
        const { type, parent_tool_use_id: parent, message } = dataOf(event);
        if (type === 'user' && parent === null && isSummary(message)) seq = event.seq;
      }
      seen = page.at(-1)?.seq ?? seen;
      if (page.length < PAGE) break;
      await nextTurn();
    }
    summaries.set(sessionId, { seq, seen });
    return seq;
  };

  const sweep = async (): Promise<void> => {
    let after: string | undefined = '';
    while (after !== undefined && !stopped) {
      const logs: LogSize[] = await store.logSizes(after, LOGS);
      const long = logs.filter(isExceeded);
      const open = long.length > 0 ? await openWork(store, long) : undefined;
      for (const log of long) if (open && !stopped) await trim(log, open);
      after = logs.at(-1)?.sessionId;
      await nextTurn();
    }
  };

  const isLimited = Object.values(limits).some((limit) => limit !== undefined);
  let busy = false;
  const timer = setInterval(() => {
    if (busy || !isLimited || !isDue()) return;
    busy = true;
    running = sweep()
      .catch(onError)
      .finally(() => {
        busy = false;
      });
  }, SWEEP_EVERY_MS).unref();

  return {
    sweep,
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

/** Counts what is left of a log while its oldest events go. */
function createExceeded(log: LogSize, limits: RetentionLimits, now: number) {
  const { maxAgeDays, maxEvents, maxBytes } = limits;
  const oldest = maxAgeDays === undefined ? '' : new Date(now - maxAgeDays * DAY_MS).toISOString();
  let { bytes } = log;
  const any = (at: string, seq = log.firstSeq): boolean =>
    at < oldest ||
    (maxEvents !== undefined && log.lastSeq - seq + 1 > maxEvents) ||
    (maxBytes !== undefined && bytes > maxBytes);
  return {
    /** Whether the log, with its oldest event of that time, is beyond a limit. */
    any,
    /** Whether it is with this event, the oldest; it is taken as removed then. */
    by(event: EventSize): boolean {
      const is = any(event.at, event.seq);
      if (is) bytes -= event.bytes;
      return is;
    },
  };
}

/** What has not ended in these sessions. What begins after this was asked has newer events than those that go. */
interface OpenWork {
  turns: TurnRecord[];
  permissions: PermissionRecord[];
}

async function openWork(store: Store, logs: readonly LogSize[]): Promise<OpenWork> {
  const open = await store.openWork(logs.map(({ sessionId }) => sessionId));
  return { turns: [...open.queued, ...open.running, ...open.unsettled], permissions: open.pending };
}

/** The number from which on a session needs its events: for open turns, pending requests and background tasks. */
async function neededBy(
  store: Store,
  { sessionId, lastSeq, tasksSeq }: LogSize,
  open: OpenWork,
): Promise<number> {
  const turns = open.turns.filter((turn) => turn.sessionId === sessionId);
  const ids = new Set(turns.map(({ id }) => id));
  // A request of background work has no open turn that keeps it: such a log is left alone until it is answered.
  const alone = open.permissions.some((each) => each.sessionId === sessionId && !ids.has(each.turnId ?? ''));
  const starts = await Promise.all(turns.map(async ({ id }) => (await store.turnStart(sessionId, id)) ?? 0));
  return Math.min(lastSeq, ...starts, ...(alone ? [0] : []), ...(tasksSeq === null ? [] : [tasksSeq]));
}

/**
 * Removes a session's oldest events as long as `isDue` says so, in small transactions, so that the event loop is never
 * blocked for long.
 */
async function trimLog(store: Store, sessionId: string, isDue: (event: EventSize) => boolean): Promise<void> {
  await inSteps(async (rows) => {
    let below: number | undefined;
    let bytes = 0;
    for (const event of await store.oldestEvents(sessionId, rows)) {
      if (bytes > STEP_BYTES || !isDue(event)) break;
      bytes += event.bytes;
      below = event.seq + 1;
    }
    if (below === undefined) return false;
    await store.write([{ kind: 'trim-events', sessionId, below }]);
    return true;
  });
}
