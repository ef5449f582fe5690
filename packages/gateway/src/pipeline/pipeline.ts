import type { GatewayConfig } from '../config.ts';
import { createCalibration } from '../messages/estimate.ts';
import type { CostOf } from '../models/prices.ts';
import type { Resolution } from '../models/resolve.ts';
import { createAffinity } from '../routing/affinity.ts';
import { createCircuitBreaker } from '../routing/circuit-breaker.ts';
import { createRouter } from '../routing/route.ts';
import { createSemaphores } from '../routing/semaphores.ts';
import type { Transport } from '../transport/transport.ts';
import type { Provider } from '../upstream/call.ts';
import type { Dialect } from '../upstream/target.ts';
import { createAccounting } from './accounting.ts';
import { createCountTokens } from './count-tokens.ts';
import { failureOf } from './failures.ts';
import type { GatewayHooks } from './hooks.ts';
import { createMessages } from './messages.ts';
import { type Prepared, prepare } from './prepare.ts';
import { createReceiver } from './receive.ts';

interface PipelineOptions {
  config: GatewayConfig;
  hooks: GatewayHooks;
  send: Transport;
  resolve(name: string): Resolution;
  costOf: CostOf;
  load(dialect: Dialect): Promise<Provider>;
  keyHint(provider: string): string;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

/** The way of a request from its arrival to its answer. */
export function createPipeline({ config, hooks, send, resolve, costOf, load, keyHint }: PipelineOptions) {
  const calibration = createCalibration();
  const accounting = createAccounting(hooks, costOf);
  const { tellFailure } = accounting;
  const { admit, receive } = createReceiver({ config, hooks, send, resolve, calibration, tellFailure });
  const route = createRouter<Prepared>({
    retries: config.retries,
    queueTimeoutMs: config.queue_timeout_seconds * 1000,
    breaker: createCircuitBreaker(config.cool_down_seconds * 1000, Date.now),
    semaphores: createSemaphores(),
    affinity: createAffinity(Date.now),
    attempt: async (call) => prepare(call, await (await load(call.target.dialect)).send(call)),
    keyHint,
    now: Date.now,
    sleep,
    onAttempt({ target, failure: upstream, requestId }) {
      hooks.log?.({
        level: 'warn',
        request_id: `req_${requestId}`,
        message: upstream.message,
        provider: target.provider,
        model: target.model,
        status: upstream.status,
      });
    },
  });
  return {
    admit,
    messages: createMessages({
      receive,
      route,
      openAccount: accounting.open,
      calibration,
      pingMs: config.ping_seconds * 1000,
      toFailure: (error, requestId) => failureOf(error, requestId, hooks.log),
      onCall: hooks.onCall,
      log: hooks.log,
    }),
    countTokens: createCountTokens({ receive, load, log: hooks.log }),
  };
}
