import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayHooks, UsageRecord } from 'claude-agent-gateway';
import type { Logger } from 'pino';
import type { Change } from '../store/store.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createOrigins, type Origins } from './origins.ts';
import { createRecentCalls, type RecentCalls } from './recent-calls.ts';
import { startTracing } from './trace/start.ts';
import type { Tracing } from './trace/tracing.ts';
import type { WriteObserver } from './watched-store.ts';

/** A request as it was answered. */
export interface AnsweredRequest {
  id: string;
  method: string;
  /** Without its query, which may hold a token. */
  path: string;
  /** The path of its route, with its placeholders; undefined for one that no route has. */
  route: string | undefined;
  status: number;
  /** Until the response began. */
  seconds: number;
  /** Another node passed it on: it was counted there. */
  passedOn: boolean;
}

/** Metrics, traces and the log's lines about requests: all that watches the server. */
export interface Observation extends WriteObserver {
  metrics: Metrics;
  origins: Origins;
  recentCalls: RecentCalls;
  /** undefined where traces are not configured. */
  tracing: Tracing | undefined;
  /** Calls back when an event was written that is not a message of the agent. */
  onControlEvent(listener: () => void): void;
  onRequest(request: AnsweredRequest): void;
  onModelCall(record: UsageRecord): void;
  /** The gateway's hook, where it is of use. */
  gateway: Pick<GatewayHooks, 'onCall'>;
  /** Sends what is left of the traces. */
  close(): Promise<void>;
}

/** A collector that does not answer holds a shutdown up for so long at most. */
const CLOSE_MS = 2_000;

export async function startObservation(
  env: Readonly<Record<string, string | undefined>>,
  version: string,
  logger: Logger,
): Promise<Observation> {
  const metrics = createMetrics(version);
  const origins = createOrigins();
  const recentCalls = createRecentCalls();
  const tracing = await startTracing(env, version, origins);
  const listeners: (() => void)[] = [];
  return {
    metrics,
    origins,
    recentCalls,
    tracing,
    onWrite(changes, outcome, seconds) {
      metrics.onWrite(changes, outcome, seconds);
      if (outcome !== 'ok') return;
      for (const change of changes) {
        tracing?.onChange(change);
        origins.onChange(change);
      }
      if (changes.some(isControlEvent)) for (const listener of listeners) listener();
    },
    onControlEvent: (listener) => void listeners.push(listener),
    onRequest({ passedOn, ...request }) {
      if (!passedOn) metrics.onRequest(request);
      const { id, method, path, status, seconds } = request;
      const line = { request: { id, method, path, status, ms: Math.round(seconds * 1000) } };
      if (status >= 500) logger.warn(line, 'a request failed');
      else logger.debug(line, 'a request');
    },
    onModelCall(record) {
      metrics.onModelCall(record);
      recentCalls.add(record);
      tracing?.endModelCall(record);
      const turn = record.session_id === undefined ? undefined : origins.ofSession(record.session_id);
      const cause = turn && { turn_id: turn.turnId, request_id: turn.origin?.requestId };
      logger.debug({ call: record, ...(cause && { for: cause }) }, 'a model call');
    },
    gateway: tracing ? { onCall: tracing.startModelCall } : {},
    close: () => within(tracing?.close(), CLOSE_MS),
  };
}

const isControlEvent = (change: Change): boolean =>
  change.kind === 'event' && change.event.type !== 'agent.message';

async function within(work: Promise<void> | undefined, ms: number): Promise<void> {
  await Promise.race([work?.catch(() => {}), sleep(ms, undefined, { ref: false })]);
}
