import type { GatewayConfig } from '../config.ts';
import { failure, GatewayError, refuse } from '../messages/errors.ts';
import { type createCalibration, estimateBody } from '../messages/estimate.ts';
import { createBodyReader, type RequestBody } from '../messages/request-body.ts';
import type { Resolution } from '../models/resolve.ts';
import { decompressRequest } from '../transport/request-encoding.ts';
import { asBuffer, type Transport } from '../transport/transport.ts';
import type { Call } from '../upstream/call.ts';
import { createLearned } from '../upstream/learned.ts';
import type { Target } from '../upstream/target.ts';
import type { Incoming } from './answer.ts';
import type { GatewayHooks, Subject } from './hooks.ts';

/** A request that was read: its sender, its targets, and the call for them. */
export interface ReceivedCall {
  subject: Subject;
  resolution: Resolution;
  call: Call;
}

interface ReceiverOptions {
  config: GatewayConfig;
  hooks: GatewayHooks;
  send: Transport;
  resolve(name: string): Resolution;
  calibration: ReturnType<typeof createCalibration>;
  tellFailure(subject: Subject, error: unknown): void;
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

const statusOfProblem = { unknown: 415, 'too-large': 413, damaged: 400 } as const;

/** Turns a request into a call: authorizes it, reads its body, resolves its model. */
export function createReceiver(options: ReceiverOptions) {
  const { config, hooks, calibration } = options;
  const readBody = createBodyReader();
  const learned = createLearned(Date.now);

  async function admit(incoming: Incoming): Promise<Subject> {
    if (!hooks.authorize) return {};
    const result = await hooks.authorize(incoming.headers);
    if (result.ok) return result.subject;
    const told =
      'The gateway does not know this key. Send one of its keys as `x-api-key` or `Authorization: Bearer`.';
    throw new GatewayError({ ...failure(401, told), final: true });
  }

  async function read(incoming: Incoming, requestId: string, subject: Subject): Promise<ReceivedCall> {
    const limit = config.max_body_mb * 1_048_576;
    const raw = await incoming.body(limit);
    if (!raw) refuse(413, `The request is larger than ${config.max_body_mb} MB.`);
    const unpacked = await decompressRequest(raw, incoming.headers['content-encoding'], limit);
    if ('problem' in unpacked) refuse(statusOfProblem[unpacked.problem], unpacked.why);
    const body = readBody(asBuffer(unpacked.bytes));
    const refusal = await hooks.refuseModel?.(subject, body.model);
    if (refusal !== undefined) throw new GatewayError({ ...failure(403, refusal), final: true });
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

  return {
    /** The sender of a request; throws a 401 when its key is unknown. */
    admit,
    async receive(incoming: Incoming, requestId: string): Promise<ReceivedCall> {
      const subject = await admit(incoming);
      try {
        return await read(incoming, requestId, subject);
      } catch (error) {
        options.tellFailure(subject, error);
        throw error;
      }
    },
  };
}
