import { type Failure, failure, GatewayError } from '../messages/errors.ts';
import type { Resolution } from '../models/resolve.ts';
import { clientGone, isAborted, TransportError } from '../transport/transport.ts';
import type { Call } from '../upstream/call.ts';
import {
  fromTransport,
  isOverflow,
  retryAfter,
  toFailure,
  UpstreamError,
  type UpstreamFailure,
} from '../upstream/error.ts';
import type { Target } from '../upstream/target.ts';
import { type Affinity, spreadOrder } from './affinity.ts';
import type { Health } from './health.ts';
import type { Limiter } from './limiter.ts';

export interface RouterOptions<T> {
  retries: number;
  queueTimeoutMs: number;
  health: Health;
  limiter: Limiter;
  affinity: Affinity;
  /** Sends to one target and gives the reply with its first piece already there. */
  attempt(call: Call): Promise<T>;
  keyHint(provider: string): string;
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  onAttempt?(attempt: { target: Target; failure: UpstreamFailure; requestId: string }): void;
}

export interface Routed<T> {
  reply: T;
  target: Target;
  /** Gives the concurrency slot back; to be called when the answer is over. */
  release(): void;
}

/** The failure of a request at one of its targets, which accounts name. */
export class TargetError extends GatewayError {
  readonly target: Target;
  constructor(cause: Failure, target: Target) {
    super(cause);
    this.target = target;
  }
}

const targetKey = (target: Target) => `${target.provider}/${target.model}`;

/** A failure that another attempt at the same upstream may not meet. */
function isPassing(upstream: UpstreamFailure): boolean {
  return upstream.status === 408 || upstream.status >= 500;
}

/**
 * The one layer of retries: passing failures are tried again with back-off at the same upstream, then the next target
 * gets the request, also on a rate limit, a refused key, an unknown model and a prompt that is too long for the first.
 * All of it before the first byte has gone to the client; after that nothing is repeated.
 */
export function createRouter<T>(options: RouterOptions<T>) {
  const { health, limiter, affinity } = options;

  function order(resolution: Resolution, call: Call): Target[] {
    let targets = resolution.targets;
    if (targets.length < 2) return targets;
    const { model } = call.body;
    if (resolution.spread && call.sessionId) targets = spreadOrder(targets, targetKey, call.sessionId);
    const kept = call.sessionId ? affinity.of(call.sessionId, model) : undefined;
    const now = options.now();
    const rank = (target: Target) =>
      (health.restingUntil(targetKey(target)) > now ? 2 : 0) + (targetKey(target) === kept ? -1 : 0);
    return targets
      .map((target, at) => ({ target, at, rank: rank(target) }))
      .sort((a, b) => a.rank - b.rank || a.at - b.at)
      .map(({ target }) => target);
  }

  /** All attempts at one target. */
  async function tryTarget(call: Call, target: Target, alone: boolean): Promise<Routed<T> | UpstreamFailure> {
    const key = targetKey(target);
    for (let attempt = 0; ; attempt += 1) {
      const release = await limiter.enter(
        target.provider,
        target.maxConcurrency,
        call.signal,
        options.queueTimeoutMs,
      );
      if (!release) {
        if (call.signal.aborted) throw clientGone();
        return {
          status: 529,
          message: 'too many requests are waiting for it',
          headers: { 'retry-after': '5' },
        };
      }
      let upstream: UpstreamFailure;
      try {
        const reply = await options.attempt({ ...call, target });
        health.worked(key);
        return { reply, target, release };
      } catch (error) {
        release();
        if (error instanceof UpstreamError) upstream = error.upstream;
        else if (error instanceof TransportError && !isAborted(error)) {
          upstream = fromTransport(error, target.provider);
        } else throw error;
      }
      options.onAttempt?.({ target, failure: upstream, requestId: call.requestId });
      if (call.signal.aborted) throw clientGone();
      if (isOverflow(upstream)) return upstream;
      const wait = retryAfter(upstream.headers, options.now());
      if (upstream.status === 429) health.failed(key, wait ?? 5);
      else if (isPassing(upstream)) health.failed(key, undefined);
      // A time-out took minutes already, and what asks to wait for long is not worth waiting for when there is a
      // choice; the client itself waits as `retry-after` says.
      const again = isPassing(upstream) && upstream.status !== 504 && attempt < options.retries;
      if (!again || (wait !== undefined && wait > (alone ? 2 : 0))) return upstream;
      const backOff = Math.min(4_000, 250 * 2 ** attempt);
      await options.sleep(wait ? wait * 1000 : backOff * (0.75 + Math.random() / 2), call.signal);
    }
  }

  return async function route(call: Call, resolution: Resolution): Promise<Routed<T>> {
    const targets = order(resolution, call);
    let last: { upstream: UpstreamFailure; target: Target } | undefined;
    let unfit: GatewayError | undefined;
    for (const target of targets) {
      let result: Routed<T> | UpstreamFailure;
      try {
        result = await tryTarget(call, target, targets.length === 1);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        // It cannot be put into words for this one (an image for a model that sees none): perhaps for the next.
        unfit ??= error;
        continue;
      }
      if ('reply' in result) {
        if (call.sessionId && targets.length > 1) {
          affinity.keep(call.sessionId, call.body.model, targetKey(target));
        }
        return result;
      }
      last = { upstream: result, target };
      // A request that is wrong is wrong everywhere, except where the next model has more room.
      if (result.status === 400 && !isOverflow(result)) break;
      if (result.status === 422) break;
    }
    if (!last) throw unfit ?? new GatewayError(failure(500, 'There is no upstream for this model.'));
    const { max_tokens } = call.body.json();
    const told = toFailure(last.upstream, last.target.provider, options.keyHint(last.target.provider), {
      inputTokens: call.inputTokens(),
      maxTokens: typeof max_tokens === 'number' ? max_tokens : undefined,
      context: last.target.facts.context,
    });
    // What speaks Anthropic's dialect says it in Anthropic's words already.
    const said = /prompt is too long: \d|context limit: \d/.test(last.upstream.message);
    const native = last.target.dialect === 'anthropic' && last.upstream.type?.endsWith('_error');
    if (native && last.upstream.type && (said || !isOverflow(last.upstream))) {
      const { status, message, type } = last.upstream;
      const wait = retryAfter(last.upstream.headers, options.now());
      throw new TargetError(
        {
          status,
          type,
          message: status === 401 ? told.message : message,
          ...(told.final && { final: told.final }),
          ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
        },
        last.target,
      );
    }
    throw new TargetError(told, last.target);
  };
}
