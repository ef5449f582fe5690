import { errorType } from 'claude-agent-protocol/anthropic-errors';
import { type Failure, failure, GatewayError } from '../messages/errors.ts';
import { createMeter, type Meter } from '../messages/meter.ts';
import type { CostOf } from '../models/prices.ts';
import { TargetError } from '../routing/route.ts';
import { isAborted } from '../transport/transport.ts';
import type { Call } from '../upstream/call.ts';
import type { Target } from '../upstream/target.ts';
import type { GatewayHooks, Subject, UsageRecord } from './hooks.ts';

/** How a request ended. */
interface Outcome {
  status: number;
  error?: string | undefined;
  target?: Target | undefined;
  meter?: Meter | undefined;
}

/** The account of one request: opened when the request was read, closed once. */
export interface Account {
  /** Asks the budget; returns what is refused, after which the account is closed. */
  reserve(): Promise<Failure | undefined>;
  /** Notes the time of the first event. */
  begin(): void;
  close(outcome: Outcome): void;
  /** Closes the account of a request that was not answered. */
  fail(error: unknown): void;
}

/** The usage record of a request, without times and cost. */
function recordOf(
  call: Call,
  subject: Subject,
  { status, error, target, meter }: Outcome,
): Omit<UsageRecord, 'latency_ms' | 'ttft_ms' | 'cost_usd'> {
  const { usage } = meter ?? createMeter();
  return {
    request_id: `req_${call.requestId}`,
    subject,
    session_id: call.sessionId,
    agent_id: call.headers['x-claude-code-agent-id'],
    parent_agent_id: call.headers['x-claude-code-parent-agent-id'],
    requested_model: call.body.model,
    provider: target?.provider,
    model: target?.model,
    stream: call.body.stream,
    input_tokens: usage.input_tokens,
    output_tokens: usage.output_tokens,
    cache_read_input_tokens: usage.cache_read_input_tokens,
    cache_creation_input_tokens: usage.cache_creation_input_tokens,
    status,
    error,
  };
}

/** Asks the host's budget before a request and reports the request's usage to the host. */
export function createAccounting(hooks: GatewayHooks, costOf: CostOf) {
  /** Tells the host why a request was not answered. */
  function tellFailure(subject: Subject, error: unknown): void {
    if (!(error instanceof GatewayError)) return;
    hooks.onFailure?.(subject, { status: error.failure.status, message: error.failure.message });
  }

  /** The cost of the input alone in dollars; undefined without a known price. */
  async function leastCost(call: Call): Promise<number | undefined> {
    const { provider, model, dialect } = call.target;
    if (dialect === 'demo') return 0;
    return costOf(provider, model, { ...createMeter().usage, input_tokens: call.inputTokens() });
  }

  function open(call: Call, subject: Subject, started: number): Account {
    let firstAt: number | undefined;
    let release: (() => void) | undefined;

    /** The price is looked up after the answer was sent. */
    function close(outcome: Outcome): void {
      const { target, meter } = outcome;
      if (!hooks.onUsage) return void release?.();
      const now = performance.now();
      const times = {
        latency_ms: now - started,
        ttft_ms: firstAt === undefined ? undefined : firstAt - started,
      };
      const emit = (cost: number | undefined) => {
        hooks.onUsage?.({ ...recordOf(call, subject, outcome), ...times, cost_usd: cost });
        release?.();
      };
      if (!meter || !target) return void emit(meter ? undefined : 0);
      costOf(target.provider, target.model, meter.usage).then(emit, (error: unknown) => {
        hooks.log?.({ level: 'error', message: `no price: ${String(error)}`, provider: target.provider });
        emit(undefined);
      });
    }

    return {
      async reserve() {
        const budget = await hooks.budget?.check(subject, () => leastCost(call));
        if (!budget) return undefined;
        if (budget.ok) {
          release = budget.release;
          return undefined;
        }
        const { status = 402, retryAfterSeconds } = budget.refused ?? {};
        const told = failure(status, budget.message, retryAfterSeconds);
        close({ status, error: told.type });
        hooks.onFailure?.(subject, told);
        return budget.refused ? { ...told, final: true } : told;
      },
      begin() {
        firstAt = performance.now();
      },
      close,
      fail(error) {
        tellFailure(subject, error);
        if (isAborted(error)) return close({ status: 499, error: 'aborted' });
        if (!(error instanceof GatewayError)) return close({ status: 500, error: errorType(500) });
        const { status, type } = error.failure;
        close({ status, error: type, target: error instanceof TargetError ? error.target : undefined });
      },
    };
  }

  return { open, tellFailure };
}
