import { type Failure, failure, GatewayError } from '../messages/errors.ts';
import type { Resolution } from '../models/resolve.ts';
import { clientGone, isAborted, TransportError } from '../transport/transport.ts';
import type { Call } from '../upstream/call.ts';
import { fromTransport, UpstreamError, type UpstreamFailure } from '../upstream/error.ts';
import { retryAfter, toFailure } from '../upstream/failure.ts';
import { isOverflow } from '../upstream/overflow.ts';
import type { Target } from '../upstream/target.ts';
import { type Affinity, spreadOrder } from './affinity.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import type { Release, Semaphores } from './semaphores.ts';

interface RouterOptions<T> {
  retries: number;
  queueTimeoutMs: number;
  breaker: CircuitBreaker;
  semaphores: Semaphores;
  affinity: Affinity;
  /** Sends to one target and gives the reply once its first chunk has arrived. */
  attempt(call: Call): Promise<T>;
  keyHint(provider: string): string;
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  onAttempt?(attempt: { target: Target; failure: UpstreamFailure; requestId: string }): void;
}

export interface Routed<T> {
  reply: T;
  target: Target;
  /** Releases the provider's permit; to be called when the answer is over. */
  release: Release;
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

/** Another attempt at the same upstream may succeed. */
function isTransient(upstream: UpstreamFailure): boolean {
  return upstream.status === 408 || upstream.status >= 500;
}

/**
 * The one layer of retries: transient failures are retried with backoff at the same upstream, then the next target gets
 * the request, also after a rate limit, a refused key, an unknown model and a prompt that is too long for the first. All
 * of it happens before the first byte has gone to the client; after that nothing is retried.
 */
export function createRouter<T>(options: RouterOptions<T>) {
  const { breaker, semaphores, affinity } = options;

  function order(resolution: Resolution, call: Call): Target[] {
    let targets = resolution.targets;
    if (targets.length < 2) return targets;
    const { model } = call.body;
    if (resolution.spread && call.sessionId) targets = spreadOrder(targets, targetKey, call.sessionId);
    const kept = call.sessionId ? affinity.of(call.sessionId, model) : undefined;
    const rank = (target: Target) =>
      (breaker.isOpen(targetKey(target)) ? 2 : 0) + (targetKey(target) === kept ? -1 : 0);
    return targets
      .map((target, at) => ({ target, at, rank: rank(target) }))
      .sort((a, b) => a.rank - b.rank || a.at - b.at)
      .map(({ target }) => target);
  }

  /** All attempts at one target. */
  async function tryTarget(call: Call, target: Target, alone: boolean): Promise<Routed<T> | UpstreamFailure> {
    const key = targetKey(target);
    for (let attempt = 0; ; attempt += 1) {
      const release = await semaphores.acquire(
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
        breaker.recordSuccess(key);
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
      if (upstream.status === 429) breaker.recordFailure(key, wait ?? 5);
      else if (isTransient(upstream)) breaker.recordFailure(key, undefined);
      // A time-out has already taken minutes, and a long `retry-after` is left to the next target or to the client.
      const retry = isTransient(upstream) && upstream.status !== 504 && attempt < options.retries;
      if (!retry || (wait !== undefined && wait > (alone ? 2 : 0))) return upstream;
      const backoff = Math.min(4_000, 250 * 2 ** attempt);
      await options.sleep(wait ? wait * 1000 : backoff * (0.75 + Math.random() / 2), call.signal);
    }
  }

  /** What the client is told when the last target has failed. */
  function toTargetError(call: Call, upstream: UpstreamFailure, target: Target): TargetError {
    const { max_tokens } = call.body.json();
    const told = toFailure(upstream, target.provider, options.keyHint(target.provider), {
      inputTokens: call.inputTokens(),
      maxTokens: typeof max_tokens === 'number' ? max_tokens : undefined,
      context: target.facts.context,
    });
    // An upstream that speaks Anthropic's dialect has the client's own words for it.
    const hasTokenCounts = /prompt is too long: \d|context limit: \d/.test(upstream.message);
    const isNative = target.dialect === 'anthropic' && upstream.type?.endsWith('_error');
    if (!isNative || !upstream.type || (isOverflow(upstream) && !hasTokenCounts)) {
      return new TargetError(told, target);
    }
    const { status, message, type } = upstream;
    const wait = retryAfter(upstream.headers, options.now());
    return new TargetError(
      {
        status,
        type,
        message: status === 401 ? told.message : message,
        ...(told.final && { final: told.final }),
        ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
      },
      target,
    );
  }

  return async function route(call: Call, resolution: Resolution): Promise<Routed<T>> {
    const targets = order(resolution, call);
    let last: { upstream: UpstreamFailure; target: Target } | undefined;
    let unconvertible: GatewayError | undefined;
    for (const target of targets) {
      let result: Routed<T> | UpstreamFailure;
      try {
        result = await tryTarget(call, target, targets.length === 1);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        // It cannot be converted for this target (an image for a model that reads none), but perhaps for the next.
        unconvertible ??= error;
        continue;
      }
      if ('reply' in result) {
        if (call.sessionId && targets.length > 1) {
          affinity.keep(call.sessionId, call.body.model, targetKey(target));
        }
        return result;
      }
      last = { upstream: result, target };
      // An invalid request is invalid everywhere, except that the next model may have a larger context window.
      if (result.status === 400 && !isOverflow(result)) break;
      if (result.status === 422) break;
    }
    if (!last) throw unconvertible ?? new GatewayError(failure(500, 'There is no upstream for this model.'));
    throw toTargetError(call, last.upstream, last.target);
  };
}
