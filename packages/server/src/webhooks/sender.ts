import type { Metrics } from '../observe/metrics.ts';
import type { Reach } from '../outbound/addresses.ts';
import { createGuardedFetch } from '../outbound/guarded-fetch.ts';
import type { SessionRecord, Store, StoredEvent } from '../store/store.ts';
import type { Attempt, DeliveryRecord, NewDelivery, WebhookRecord } from '../store/webhooks.ts';
import { deliveriesOf } from './messages.ts';
import { signedHeaders } from './sign.ts';

/** Sends to webhooks what has happened. */
export interface WebhookSender {
  /** Which addresses webhooks may have. */
  reach: Reach;
  /** Begins to send. */
  start(): void;
  /** Something was written, or is to be sent: looks at once. */
  kick(): void;
  /** Ends what is under way; the rest is sent by the next server, or by another node. */
  stop(): Promise<void>;
}

/** What else is sent from the outbox. */
export interface OtherReceivers {
  any(): Promise<boolean>;
  /** What they are told of events. */
  deliveriesOf(
    events: readonly StoredEvent[],
    sessions: ReadonlyMap<string, SessionRecord>,
  ): Promise<NewDelivery[]>;
  /** Whether a delivery of this type is theirs. */
  takes(type: string): boolean;
  /** Rejects when the request failed. */
  attempt(delivery: DeliveryRecord, signal: AbortSignal): Promise<Attempt>;
  /** When one that failed is tried again; undefined: never. */
  retryInMs(attempts: number): number | undefined;
  close(): Promise<void>;
}

export interface WebhookSenderDeps {
  store: Pick<Store, 'webhooks' | 'readControlEvents' | 'getSessions'>;
  reach: Reach;
  others?: OtherReceivers | undefined;
  metrics?: Pick<Metrics, 'onWebhook'>;
  onError(error: unknown, what: string): void;
  /** Times of tests; the others have the defaults. */
  times?: Partial<typeof TIMES>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const TIMES = {
  /** Other nodes write too, and what failed is due again: so often is the store looked at. */
  lookMs: 1_000,
  /** The same while there is no webhook. */
  idleMs: 5_000,
  /** The receiver has so long to answer, and no other node tries meanwhile. */
  patienceMs: 15_000,
  leaseMs: MINUTE,
  /** Before each further attempt, as Standard Webhooks proposes: about three days in all. */
  backoffMs: [
    5_000,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
  ] as readonly number[],
};

/** Events that are looked at together. */
const BATCH = 200;
/** Attempts under way at a time, on this node. */
const MOST_AT_ONCE = 16;
/** The log of deliveries goes back so far. */
const KEPT_MS = 7 * 24 * HOUR;
const PRUNE_EVERY_MS = HOUR;

/** An answer that says that nobody wants these messages any more. */
const GONE = 410;

/**
 * Reads the control events behind a durable cursor, and puts what each webhook wants into the outbox: moving the cursor and
 * filling the outbox is one transaction, so each event gets there once, on whichever node. A delivery is claimed for a
 * minute; a node that dies with it leaves it to the others.
 */
export function createWebhookSender(deps: WebhookSenderDeps): WebhookSender {
  const { store, reach, others, metrics, onError } = deps;
  const guarded = createGuardedFetch(reach);
  const { webhooks } = store;
  const times = { ...TIMES, ...deps.times };
  const stopped = new AbortController();
  const underWay = new Set<Promise<void>>();
  let wake = (): void => {};
  let kicked = true;
  let prunedAt = 0;

  const kick = (): void => {
    kicked = true;
    wake();
  };

  /** Puts into the outbox what the events give that nobody has looked at. @returns false when none was left */
  const fill = async (hooks: readonly WebhookRecord[]): Promise<boolean> => {
    const from = await webhooks.cursor();
    if (from === undefined) return false;
    const events = await store.readControlEvents(from, BATCH);
    const last = events.at(-1);
    if (!last) return false;
    const sessions = await store.getSessions([...new Set(events.map(({ sessionId }) => sessionId))]);
    const deliveries = events.flatMap((event) => {
      const tenant = sessions.get(event.sessionId)?.tenant;
      return deliveriesOf(
        event,
        hooks.filter((hook) => hook.tenant === tenant),
      );
    });
    deliveries.push(...((await others?.deliveriesOf(events, sessions)) ?? []));
    await webhooks.advance(from, last.cursor, deliveries);
    return events.length === BATCH;
  };

  const signalOf = (): AbortSignal =>
    AbortSignal.any([stopped.signal, AbortSignal.timeout(times.patienceMs)]);

  /** An attempt that failed without an answer. */
  const unanswered = (thrown: unknown, wait: number | undefined): Attempt => {
    if (stopped.signal.aborted)
      return { state: 'pending', status: null, error: 'The server ended.', retryInMs: 0 };
    return later(null, sentenceOf(thrown), wait);
  };

  const send = async (hook: WebhookRecord, delivery: DeliveryRecord): Promise<Attempt> => {
    const { id, body } = delivery;
    const wait = times.backoffMs[delivery.attempts - 1];
    let status: number;
    try {
      const headers = {
        ...signedHeaders(hook.secret, { id, body, at: new Date() }),
        'user-agent': 'claude-agent-server',
      };
      const answer = await guarded.fetch(hook.url, { method: 'POST', headers, body, signal: signalOf() });
      // Only the status counts.
      await answer.body?.cancel();
      status = answer.status;
    } catch (thrown) {
      return unanswered(thrown, wait);
    }
    if (status >= 200 && status < 300) return { state: 'delivered', status, error: null, at: nowText() };
    const error = `The receiver answered ${status}.`;
    if (status === GONE) {
      await webhooks.update(hook.tenant, hook.id, { status: 'disabled' });
      return { state: 'failed', status, error: `${error} The webhook is disabled.`, at: nowText() };
    }
    return later(status, error, wait);
  };

  const attempt = async (delivery: DeliveryRecord): Promise<void> => {
    if (others?.takes(delivery.type)) {
      const outcome = await others
        .attempt(delivery, signalOf())
        .catch((thrown: unknown) => unanswered(thrown, others.retryInMs(delivery.attempts)));
      return webhooks.settle(delivery, outcome);
    }
    const hook = await webhooks.get(delivery.tenant, delivery.webhookId);
    const off = { status: null, error: 'The webhook is disabled.', at: nowText() };
    const outcome: Attempt =
      hook?.status === 'enabled' ? await send(hook, delivery) : { state: 'failed', ...off };
    await webhooks.settle(delivery, outcome);
    metrics?.onWebhook(outcome.state);
  };

  const deliver = async (): Promise<void> => {
    const free = MOST_AT_ONCE - underWay.size;
    if (free === 0) return;
    const claimed = await webhooks.claim(free, times.leaseMs);
    for (const delivery of claimed) {
      const work = attempt(delivery)
        .catch((error: unknown) => onError(error, 'send to a webhook'))
        .finally(() => {
          underWay.delete(work);
          kick();
        });
      underWay.add(work);
    }
  };

  const prune = async (): Promise<void> => {
    if (Date.now() - prunedAt < PRUNE_EVERY_MS) return;
    prunedAt = Date.now();
    await webhooks.prune(new Date(Date.now() - KEPT_MS).toISOString());
  };

  /** @returns how long nothing has to be looked at, unless something happens */
  const look = async (): Promise<number> => {
    const hooks = await webhooks.enabled();
    if (hooks.length === 0 && !(await others?.any())) return times.idleMs;
    while (!stopped.signal.aborted && (await fill(hooks)));
    await deliver();
    await prune();
    return times.lookMs;
  };

  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      kicked = false;
      const pause = await look().catch((error: unknown) => {
        if (!stopped.signal.aborted) onError(error, 'look for what webhooks are told');
        return times.idleMs;
      });
      if (!kicked) await pauseUnlessKicked(pause);
    }
  };

  const pauseUnlessKicked = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  let running: Promise<void> | undefined;

  return {
    reach,
    kick,
    start() {
      running ??= run();
    },
    async stop() {
      stopped.abort();
      wake();
      await running;
      await Promise.all(underWay);
      await guarded.close();
      await others?.close();
    },
  };
}

const nowText = (): string => new Date().toISOString();

/** Tried again after `wait`, or given up without it. */
function later(status: number | null, error: string, wait: number | undefined): Attempt {
  if (wait === undefined) return { state: 'failed', status, error, at: nowText() };
  // Jitter: what failed together is not tried together again.
  return { state: 'pending', status, error, retryInMs: Math.round(wait * (0.8 + 0.4 * Math.random())) };
}

/** Why a request could not be sent, without a stack. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return 'The request failed.';
  if (error.name === 'TimeoutError') return 'The receiver did not answer in time.';
  const cause = error.cause instanceof Error ? error.cause : error;
  return `${cause.message}`.slice(0, 500);
}
