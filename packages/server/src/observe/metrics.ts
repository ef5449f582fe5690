import type { UsageRecord } from 'claude-agent-gateway';
import type { LimitHolder, LimitName } from 'claude-agent-protocol';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { LiveMessage } from '../events/frames.ts';
import type { Change } from '../store/store.ts';
import { createGauges, type Sources } from './gauges.ts';
import { createLabel } from './labels.ts';
import { createMaker } from './maker.ts';
import { createTurnTimes } from './turn-times.ts';
import type { LiveObserver } from './watched-log.ts';
import type { WriteObserver } from './watched-store.ts';

/** The metrics of one server, in a registry of their own. */
export interface Metrics extends WriteObserver, LiveObserver {
  onRequest(request: { method: string; route: string | undefined; status: number; seconds: number }): void;
  onModelCall(record: UsageRecord): void;
  /** An attempt to send to a webhook has ended. */
  onWebhook(state: 'delivered' | 'pending' | 'failed'): void;
  /** Something was refused, because a limit is reached. */
  onLimit(limit: LimitName, of: LimitHolder): void;
  /** From now on these are asked at each scrape. */
  watch(sources: Sources): void;
  /** All of them in Prometheus' text format. */
  scrape(): Promise<{ type: string; text: string }>;
}

/** Seconds of a turn: from a word to a task of an hour. */
const TURN_SECONDS = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];
/** Seconds until the first token: the goals of the server lie between 50 ms and 1 s. */
const FIRST_TOKEN_SECONDS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60];
/** Seconds of a request or a commit. */
const SHORT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Seconds that people take. */
const HUMAN_SECONDS = [1, 5, 15, 30, 60, 300, 900, 3600, 14_400, 86_400];

export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const maker = createMaker(registry);
  const { counter, gauge, histogram } = maker;

  gauge('build_info', 'Version of the server; always 1', ['version']).set({ version }, 1);

  // turns
  const turns = counter('turns_total', 'Turns that ended', ['result']);
  const failures = counter('turn_failures_total', 'Turns that failed or were interrupted, by problem', [
    'code',
  ]);
  const turnSeconds = histogram(
    'turn_duration_seconds',
    'From the start of a turn to its end',
    TURN_SECONDS,
    ['result'],
  );
  const queueSeconds = histogram(
    'turn_queue_seconds',
    'From a message to the start of its turn',
    TURN_SECONDS,
  );
  const firstToken = histogram(
    'first_token_seconds',
    'From a message to the first token of its answer',
    FIRST_TOKEN_SECONDS,
  );

  // permissions
  const asked = counter('permissions_requested_total', 'Permission requests', ['kind']);
  const settled = counter('permissions_settled_total', 'Permission requests that no longer wait', [
    'state',
    'reason',
  ]);
  const permissionSeconds = histogram(
    'permission_wait_seconds',
    'From a permission request to its end',
    HUMAN_SECONDS,
    ['state'],
  );

  // money
  const tokens = counter('tokens_total', 'Tokens booked for sessions', ['model', 'type']);
  const dollars = counter('cost_dollars_total', 'Dollars booked for sessions', ['model']);

  // the gateway
  const calls = counter('model_calls_total', 'Model calls through the gateway, by their status', [
    'provider',
    'status',
  ]);
  const callSeconds = histogram('model_call_seconds', 'Duration of a model call', TURN_SECONDS, ['provider']);
  const callFirst = histogram(
    'model_first_token_seconds',
    'From a model call to its first event',
    FIRST_TOKEN_SECONDS,
    ['provider'],
  );

  // the server
  const requests = counter('http_requests_total', 'Requests of callers', ['method', 'route', 'status']);
  const requestSeconds = histogram(
    'http_request_seconds',
    'From a request to the beginning of its response',
    [...SHORT_SECONDS, 10, 60, 600],
    ['method', 'route'],
  );
  const writes = counter('store_writes_total', 'Commits of the store', ['outcome']);
  const writeSeconds = histogram('store_write_seconds', 'Duration of a commit', SHORT_SECONDS);

  const sent = counter('webhook_attempts_total', 'Attempts to send to webhooks, and what is so then', [
    'state',
  ]);

  const refused = counter('limit_refusals_total', 'What was refused because a limit was reached', [
    'limit',
    'of',
  ]);

  const modelLabel = createLabel();
  const providerLabel = createLabel();
  const codeLabel = createLabel();

  const times = createTurnTimes({
    onStart: (seconds) => queueSeconds.observe(seconds),
    onFirstToken: (seconds) => firstToken.observe(seconds),
    onEnd(result, code, seconds) {
      turns.inc({ result });
      if (code !== undefined) failures.inc({ code: codeLabel(code) });
      if (seconds !== undefined) turnSeconds.observe({ result }, seconds);
    },
  });
  /** When each request was asked that waits now. */
  const waiting = new Map<string, number>();

  const followChange = (change: Change): void => {
    times.onChange(change);
    if (change.kind === 'insert-permission') {
      const { id, kind, requestedAt } = change.permission;
      asked.inc({ kind });
      waiting.set(id, Date.parse(requestedAt));
    } else if (change.kind === 'settle-permission') {
      const { id, state, reason, resolvedAt } = change;
      settled.inc({ state, reason });
      const since = waiting.get(id);
      waiting.delete(id);
      if (since !== undefined)
        permissionSeconds.observe({ state }, Math.max(0, Date.parse(resolvedAt) - since) / 1000);
    } else if (change.kind === 'add-usage') {
      const { usage } = change;
      const model = modelLabel(usage.model);
      tokens.inc({ model, type: 'input' }, usage.inputTokens);
      tokens.inc({ model, type: 'output' }, usage.outputTokens);
      tokens.inc({ model, type: 'cache_read' }, usage.cacheReadInputTokens);
      tokens.inc({ model, type: 'cache_creation' }, usage.cacheCreationInputTokens);
      dollars.inc({ model }, usage.costUsd);
    }
  };

  return {
    onWrite(changes, outcome, seconds) {
      writes.inc({ outcome });
      writeSeconds.observe(seconds);
      if (outcome === 'ok') for (const change of changes) followChange(change);
    },
    onLive(turnId, message) {
      if (turnId !== null && message.type === 'stream_event' && isContent(message)) times.onToken(turnId);
    },
    onRequest({ method, route = 'none', status, seconds }) {
      requests.inc({ method, route, status });
      requestSeconds.observe({ method, route }, seconds);
    },
    onModelCall({ provider: named, status, latency_ms, ttft_ms }) {
      const provider = providerLabel(named ?? 'none');
      calls.inc({ provider, status });
      callSeconds.observe({ provider }, latency_ms / 1000);
      if (ttft_ms !== undefined) callFirst.observe({ provider }, ttft_ms / 1000);
    },
    onWebhook: (state) => sent.inc({ state }),
    onLimit: (limit, of) => refused.inc({ limit, of }),
    watch(sources) {
      createGauges(maker, sources);
    },
    async scrape() {
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

const CONTENT: ReadonlySet<unknown> = new Set(['content_block_start', 'content_block_delta']);

/** Whether a streamed message brings a part of the answer. */
const isContent = ({ event }: LiveMessage): boolean =>
  typeof event === 'object' && event !== null && 'type' in event && CONTENT.has(event.type);
