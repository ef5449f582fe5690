import type { GatewayConfig } from '../config.ts';
import { type Answer, discard, type Incoming, isWhole, streamHeaders } from '../http/answer.ts';
import { failure, GatewayError, refuse } from '../messages/errors.ts';
import { createCalibration, estimateBody } from '../messages/estimate.ts';
import { createMeter, estimateOutput, type Meter } from '../messages/meter.ts';
import { createBodyReader, type RequestBody } from '../messages/request-body.ts';
import { encodeEvents, pingText } from '../messages/sse.ts';
import type { CostOf } from '../models/prices.ts';
import type { Resolution } from '../models/resolve.ts';
import { createAffinity } from '../routing/affinity.ts';
import { createHealth } from '../routing/health.ts';
import { createLimiter } from '../routing/limiter.ts';
import { createRouter, type Routed } from '../routing/route.ts';
import { withEnd } from '../transport/chunks.ts';
import { unpackRequest } from '../transport/request-encoding.ts';
import { asBuffer, isAborted, type Transport } from '../transport/transport.ts';
import type { Call, Dialect, Provider, Target } from '../upstream/call.ts';
import { createLearned } from '../upstream/learned.ts';
import type { GatewayHooks, Subject } from './hooks.ts';
import { type Prepared, prepare } from './prepare.ts';

/** What is known of a request while it runs. */
interface Context {
  subject: Subject;
  call: Call;
  started: number;
  firstAt: number | undefined;
  release: (() => void) | undefined;
}

export interface MessagesRouteOptions {
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

/** The session that Claude Code names in its header, or inside `metadata.user_id`. */
function sessionOf(subject: Subject, incoming: Incoming, { userId }: RequestBody): string | undefined {
  if (subject.sessionId) return subject.sessionId;
  const header = incoming.headers['x-claude-code-session-id'];
  if (header) return header;
  if (!userId?.startsWith('{')) return undefined;
  try {
    const id = (JSON.parse(userId) as { session_id?: unknown }).session_id;
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

/** `POST /v1/messages` and `/v1/messages/count_tokens`. */
export function createMessagesRoute(options: MessagesRouteOptions) {
  const { config, hooks } = options;
  const calibration = createCalibration();
  const readBody = createBodyReader();
  const learned = createLearned(Date.now);
  const pingMs = config.ping_seconds * 1000;

  const route = createRouter<Prepared>({
    retries: config.retries,
    queueTimeoutMs: config.queue_timeout_seconds * 1000,
    health: createHealth(config.cool_down_seconds * 1000, Date.now),
    limiter: createLimiter(),
    affinity: createAffinity(Date.now),
    attempt: async (call) => prepare(call, await (await options.load(call.target.dialect)).send(call)),
    keyHint: options.keyHint,
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

  async function admit(incoming: Incoming): Promise<Subject> {
    if (!hooks.authorize) return {};
    const result = await hooks.authorize(incoming.headers);
    if (result.ok) return result.subject;
    const told =
      'The gateway does not know this key. Send its key as `x-api-key` or `Authorization: Bearer`.';
    throw new GatewayError({ ...failure(401, told), final: true });
  }

  function tellFailure(subject: Subject, error: unknown): void {
    if (!(error instanceof GatewayError)) return;
    hooks.onFailure?.(subject, { status: error.failure.status, message: error.failure.message });
  }

  async function open(incoming: Incoming, requestId: string) {
    const subject = await admit(incoming);
    try {
      return await read(incoming, requestId, subject);
    } catch (error) {
      tellFailure(subject, error);
      throw error;
    }
  }

  async function read(incoming: Incoming, requestId: string, subject: Subject) {
    const limit = config.max_body_mb * 1_048_576;
    const raw = await incoming.body(limit);
    if (!raw) refuse(413, `The request is larger than ${config.max_body_mb} MB.`);
    const unpacked = await unpackRequest(raw, incoming.headers['content-encoding'], limit);
    if ('problem' in unpacked) {
      refuse({ unknown: 415, 'too-large': 413, damaged: 400 }[unpacked.problem], unpacked.why);
    }
    const body = readBody(asBuffer(unpacked.bytes));
    const resolution = options.resolve(body.model);
    const target = resolution.targets[0];
    if (!target) refuse(404, `model: ${body.model}`);
    return { subject, resolution, call: createCall(incoming, requestId, subject, body, target) };
  }

  function createCall(
    incoming: Incoming,
    requestId: string,
    subject: Subject,
    body: RequestBody,
    target: Target,
  ): Call {
    let estimate: number | undefined;
    return {
      target,
      body,
      headers: incoming.headers,
      query: incoming.query,
      signal: incoming.signal,
      send: options.send,
      learned,
      sessionId: sessionOf(subject, incoming, body),
      requestId,
      dropped: new Set(),
      inputTokens() {
        estimate ??= calibration.apply(body.model, estimateBody(body));
        return estimate;
      },
    };
  }

  /** What the input alone will cost; undefined when nobody knows a price. */
  async function leastCost(call: Call): Promise<number | undefined> {
    const { provider, model, dialect } = call.target;
    if (dialect === 'demo') return 0;
    return options.costOf(provider, model, {
      ...createMeter().usage,
      input_tokens: call.inputTokens(),
    });
  }

  /** Tells the host what a request came to. The price is looked up after the answer has gone out. */
  function account(
    context: Context,
    outcome: {
      status: number;
      error?: string | undefined;
      target?: Target | undefined;
      meter?: Meter | undefined;
    },
  ): void {
    if (!hooks.onUsage) {
      context.release?.();
      return;
    }
    const { call, subject, started, firstAt } = context;
    const { target, meter } = outcome;
    const ended = performance.now();
    const usage = meter?.usage;
    const emit = (cost: number | undefined) => {
      hooks.onUsage?.({
        request_id: `req_${call.requestId}`,
        subject,
        session_id: call.sessionId,
        agent_id: call.headers['x-claude-code-agent-id'],
        parent_agent_id: call.headers['x-claude-code-parent-agent-id'],
        requested_model: call.body.model,
        provider: target?.provider,
        model: target?.model,
        stream: call.body.stream,
        input_tokens: usage?.input_tokens ?? 0,
        output_tokens: usage?.output_tokens ?? 0,
        cache_read_input_tokens: usage?.cache_read_input_tokens ?? 0,
        cache_creation_input_tokens: usage?.cache_creation_input_tokens ?? 0,
        cost_usd: cost,
        latency_ms: ended - started,
        ttft_ms: firstAt === undefined ? undefined : firstAt - started,
        status: outcome.status,
        error: outcome.error,
      });
      context.release?.();
    };
    if (!usage || !target) return void emit(usage ? undefined : 0);
    options.costOf(target.provider, target.model, usage).then(emit, (error: unknown) => {
      hooks.log?.({ level: 'error', message: `no price: ${String(error)}`, provider: target.provider });
      emit(undefined);
    });
  }

  function noteDropped(call: Call, target: Target): void {
    if (call.dropped.size === 0) return;
    hooks.log?.({
      level: 'debug',
      message: `left out, because the other side has no form for it: ${[...call.dropped].join(', ')}`,
      request_id: `req_${call.requestId}`,
      provider: target.provider,
      model: target.model,
    });
  }

  async function* errorStream(error: unknown, requestId: string): AsyncGenerator<string> {
    if (isAborted(error)) return;
    const told =
      error instanceof GatewayError ? error.failure : failure(500, 'The gateway met an error of its own.');
    if (!(error instanceof GatewayError)) {
      hooks.log?.({
        level: 'error',
        message: String((error as Error).stack ?? error),
        request_id: requestId,
      });
    }
    yield encodeEvents([{ type: 'error', error: { type: told.type, message: told.message } }]);
  }

  async function messages(incoming: Incoming, requestId: string): Promise<Answer> {
    const started = performance.now();
    const { subject, resolution, call } = await open(incoming, requestId);
    const context: Context = { subject, call, started, firstAt: undefined, release: undefined };
    if (hooks.budget) {
      const budget = await hooks.budget.check(subject, () => leastCost(call));
      if (!budget.ok) {
        account(context, { status: 402, error: 'billing_error' });
        hooks.onFailure?.(subject, { status: 402, message: budget.message });
        refuse(402, budget.message);
      }
      context.release = budget.release;
    }

    function fail(error: unknown): void {
      tellFailure(subject, error);
      if (isAborted(error)) {
        account(context, { status: 499, error: 'aborted' });
      } else if (error instanceof GatewayError) {
        const { failure: told, target } = error;
        account(context, { status: told.status, error: told.type, target });
      } else account(context, { status: 500, error: 'api_error' });
    }

    function finish({ reply, target, release }: Routed<Prepared>, completed: boolean): void {
      release();
      const { meter } = reply;
      estimateOutput(meter);
      if (meter.complete) calibration.learn(call.body.model, reply.estimate, meter.usage);
      noteDropped(call, target);
      const error = meter.error ?? (completed ? undefined : 'aborted');
      account(context, { status: completed ? 200 : 499, error, target, meter });
    }

    /**
     * The pieces as they are. What they came to is told when the message is complete, not when the upstream closes: the
     * agent's next request follows at once, and its budget has to know.
     */
    function relay(routed: Routed<Prepared>, pieces: AsyncIterable<string | Uint8Array>) {
      const { meter } = routed.reply;
      const end = (done: boolean) => finish(routed, meter.complete || (done && !call.signal.aborted));
      return withEnd(pieces, end, () => meter.complete);
    }

    function toAnswer(routed: Routed<Prepared>): Answer {
      context.firstAt = performance.now();
      const { reply } = routed;
      const { status, body, meter } = reply;
      // Of an answer that streams only what is known by now; the log has the rest.
      const dropped = [...call.dropped].join(', ');
      const headers = dropped === '' ? reply.headers : { ...reply.headers, 'x-gateway-dropped': dropped };
      if (isWhole(body)) {
        finish(routed, true);
        return { status, headers, body };
      }
      return { status, headers, body: relay(routed, body), isComplete: () => meter.complete, pingMs };
    }

    const routing = route(call, resolution).then(toAnswer, (error: unknown) => {
      fail(error);
      throw error;
    });
    if (!call.body.stream) return routing;
    return orPings(routing, requestId);
  }

  /**
   * A stream whose upstream is silent for long begins with pings, so that the client knows it is alive; an error then
   * comes as an event. Until then a failure still has its own status, and nothing is committed.
   */
  async function orPings(routing: Promise<Answer>, requestId: string): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<'silence'>((resolve) => {
      timer = setTimeout(resolve, pingMs, 'silence');
    });
    const first = await Promise.race([routing, silence]).finally(() => clearTimeout(timer));
    if (first !== 'silence') return first;
    let answered: Answer | undefined;
    async function* later(): AsyncGenerator<string | Uint8Array> {
      yield pingText;
      try {
        answered = await routing;
      } catch (error) {
        yield* errorStream(error, requestId);
        return;
      }
      if (isWhole(answered.body)) yield answered.body;
      else yield* answered.body;
    }
    const body = withEnd(later(), (done) => {
      if (!done) void routing.then(discard, () => {});
    });
    const isComplete = () => answered?.isComplete?.() ?? false;
    return { status: 200, headers: streamHeaders(), body, isComplete, pingMs };
  }

  async function countTokens(incoming: Incoming, requestId: string): Promise<Answer> {
    const { call } = await open(incoming, requestId);
    let count: number | undefined;
    try {
      const provider = await options.load(call.target.dialect);
      count = await provider.countTokens?.(call);
    } catch (error) {
      // An upstream that cannot count is no reason to fail: the client only wants to know when to compact.
      hooks.log?.({
        level: 'info',
        message: `count_tokens estimated: ${error instanceof Error ? error.message : String(error)}`,
        request_id: requestId,
      });
    }
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ input_tokens: count ?? call.inputTokens() }),
    };
  }

  return { messages, countTokens, admit };
}
