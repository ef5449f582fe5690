import { type Failure, GatewayError } from '../messages/errors.ts';
import type { createCalibration } from '../messages/estimate.ts';
import { estimateOutput } from '../messages/meter.ts';
import type { Resolution } from '../models/resolve.ts';
import type { Routed } from '../routing/route.ts';
import { withEnd } from '../transport/chunks.ts';
import type { Call } from '../upstream/call.ts';
import type { Target } from '../upstream/target.ts';
import type { Account } from './accounting.ts';
import { type Answer, type Incoming, isWhole } from './answer.ts';
import type { GatewayHooks, Subject } from './hooks.ts';
import { orPings } from './pings.ts';
import type { Prepared } from './prepare.ts';
import type { ReceivedCall } from './receive.ts';

interface MessagesOptions {
  receive(incoming: Incoming, requestId: string): Promise<ReceivedCall>;
  route(call: Call, resolution: Resolution): Promise<Routed<Prepared>>;
  openAccount(call: Call, subject: Subject, started: number): Account;
  calibration: ReturnType<typeof createCalibration>;
  pingMs: number;
  toFailure(error: unknown, requestId: string): Failure;
  onCall: GatewayHooks['onCall'];
  log: GatewayHooks['log'];
}

/** `POST /v1/messages`. */
export function createMessages(options: MessagesOptions) {
  const { calibration, pingMs } = options;

  function noteDropped(call: Call, target: Target): void {
    if (call.dropped.size === 0) return;
    options.log?.({
      level: 'debug',
      message: `left out, because the other API has no equivalent: ${[...call.dropped].join(', ')}`,
      request_id: `req_${call.requestId}`,
      provider: target.provider,
      model: target.model,
    });
  }

  /** The call with the headers that the host adds to its upstream requests. */
  function withHeaders(call: Call, subject: Subject): Call {
    const more = options.onCall?.({
      request_id: `req_${call.requestId}`,
      subject,
      model: call.body.model,
      headers: call.headers,
    });
    return more ? { ...call, addedHeaders: more } : call;
  }

  /** Releases the permit and closes the account. */
  function finish(
    call: Call,
    account: Account,
    { reply, target, release }: Routed<Prepared>,
    completed: boolean,
  ): void {
    release();
    const { meter } = reply;
    estimateOutput(meter);
    if (meter.complete) calibration.learn(call.body.model, reply.estimate, meter.usage);
    noteDropped(call, target);
    const error = meter.error ?? (completed ? undefined : 'aborted');
    account.close({ status: completed ? 200 : 499, error, target, meter });
  }

  function toAnswer(call: Call, account: Account, routed: Routed<Prepared>): Answer {
    account.begin();
    const { reply } = routed;
    const { status, body, meter } = reply;
    // For a streamed answer only what is known by now; the log has the rest.
    const dropped = [...call.dropped].join(', ');
    const headers = dropped === '' ? reply.headers : { ...reply.headers, 'x-gateway-dropped': dropped };
    if (isWhole(body)) {
      finish(call, account, routed, true);
      return { status, headers, body };
    }
    // The account is closed when the message is complete, not when the upstream closes: the agent sends its next
    // request immediately, and that has to see the new budget.
    const isComplete = () => meter.complete;
    const end = (done: boolean) =>
      finish(call, account, routed, meter.complete || (done && !call.signal.aborted));
    return { status, headers, body: withEnd(body, end, isComplete), isComplete, pingMs };
  }

  return async (incoming: Incoming, requestId: string): Promise<Answer> => {
    const started = performance.now();
    const { subject, resolution, call } = await options.receive(incoming, requestId);
    const account = options.openAccount(call, subject, started);
    const refusal = await account.reserve();
    if (refusal) throw new GatewayError(refusal);
    const answer = options.route(withHeaders(call, subject), resolution).then(
      (routed) => toAnswer(call, account, routed),
      (error: unknown) => {
        account.fail(error);
        throw error;
      },
    );
    if (!call.body.stream) return answer;
    return orPings(answer, pingMs, (error) => options.toFailure(error, requestId));
  };
}
