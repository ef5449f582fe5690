import type { SendMessage, StreamFrame, Turn, TurnResult, UserInput } from 'claude-agent-protocol';
import { endpoints } from 'claude-agent-protocol/endpoints';
import { ServerUnreachable } from './errors.ts';
import { isDurable, readFrame, resultOf } from './frames.ts';
import type { Transport } from './http.ts';
import { type Connection, readEvents } from './sse.ts';

export interface SendOptions {
  /** What happens when a turn already runs: `queue` (default), `reject`, `interrupt` or `steer`. */
  whenBusy?: SendMessage['when_busy'];
  /**
   * `background`: the result comes, and the events end, only when the work that the turn began in the background is
   * over too; both hold what the agent reports of it. Default: `turn`.
   */
  waitFor?: SendMessage['wait_for'];
  /** The same key and message give the same turn, however often they are sent. Default: a new random key. */
  idempotencyKey?: string;
  /** Aborting stops waiting. The turn itself goes on; `session.interrupt()` ends it. */
  signal?: AbortSignal;
  onConnection?: (connection: Connection) => void;
  /** How long a lost connection is looked for again in the middle of a turn. Default: 5 minutes. */
  giveUpAfterMs?: number;
}

/**
 * A turn that was sent. `await` it for its result, or iterate it for its events as they happen; both at once
 * is fine. It is on its way from the moment it is made, whether or not anyone waits.
 */
export interface SentTurn extends PromiseLike<TurnResult>, AsyncIterable<StreamFrame> {
  readonly idempotencyKey: string;
  catch<T = never>(onRejected: (reason: unknown) => T | PromiseLike<T>): Promise<TurnResult | T>;
  finally(onFinally: () => void): Promise<TurnResult>;
}

export function sendTurn(
  transport: Transport,
  sessionId: string,
  message: UserInput,
  options: SendOptions = {},
): SentTurn {
  const idempotencyKey = options.idempotencyKey ?? crypto.randomUUID();
  const frames: StreamFrame[] = [];
  let waiting: (() => void)[] = [];
  let ended = false;
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const resume of woken) resume();
  };

  const run = async (): Promise<TurnResult> => {
    let result: TurnResult | undefined;
    for await (const frame of followTurn(transport, sessionId, message, { ...options, idempotencyKey })) {
      frames.push(frame);
      wake();
      const answer = frame.type === 'turn.settled' ? frame.data.result : resultOf(frame);
      // A message that steers may have been left to a turn of its own: then the last result is its answer.
      if (frame.type === 'turn.settled' || options.whenBusy === 'steer') result = answer ?? result;
      else result ??= answer;
    }
    if (result !== undefined && !options.signal?.aborted) return result;
    throw options.signal?.reason ?? new Error('The turn was left before its end');
  };
  const settled = run().finally(() => {
    ended = true;
    wake();
  });
  // A caller that only iterates gets the error there, and need not catch the promise too.
  settled.catch(() => undefined);

  return {
    idempotencyKey,
    // biome-ignore lint/suspicious/noThenProperty: awaiting the turn is the point
    then: (onFulfilled, onRejected) => settled.then(onFulfilled, onRejected),
    catch: (onRejected) => settled.catch(onRejected),
    finally: (onFinally) => settled.finally(onFinally),
    async *[Symbol.asyncIterator]() {
      for (let next = 0; ; next += 1) {
        while (next >= frames.length && !ended) {
          await new Promise<void>((resume) => {
            waiting.push(resume);
          });
        }
        const frame = frames[next];
        if (frame === undefined) break;
        yield frame;
      }
      await settled;
    },
  };
}

/**
 * The events of one turn, from its sending to its end, over however many connections it takes. Before the first
 * event a lost connection is mended by sending again under the same key; after it, by reading the session's log
 * from the last event seen.
 */
async function* followTurn(
  transport: Transport,
  sessionId: string,
  message: UserInput,
  options: SendOptions & { idempotencyKey: string },
): AsyncGenerator<StreamFrame, void, void> {
  const body: SendMessage = { message };
  if (options.whenBusy !== undefined) body.when_busy = options.whenBusy;
  if (options.waitFor !== undefined) body.wait_for = options.waitFor;
  const isPatient = options.waitFor === 'background' && options.whenBusy !== 'steer';
  const over = new AbortController();
  /** The turns that are followed: this one and, if asked for, those that the agent starts in the meantime. */
  const followed = new Set<string | null>();
  let turnId: string | null = null;
  let isTurnOver = false;
  /** The id of a message that steers, until it is known which turn answers it. */
  let steering: string | null = null;
  let lastSeq = 0;
  /** The message may have reached a server that then went away. */
  let isSent = false;

  const events = readEvents({
    signal: options.signal ? AbortSignal.any([options.signal, over.signal]) : over.signal,
    onConnection: options.onConnection,
    retryFirst: () => isSent,
    giveUpAfterMs: options.giveUpAfterMs ?? 300_000,
    open: async (_, signal) => {
      if (turnId === null) {
        const send = (): Promise<Response> =>
          transport({
            ...endpoints.sendMessage,
            params: { session_id: sessionId },
            headers: { accept: 'text/event-stream', 'idempotency-key': options.idempotencyKey },
            body,
            signal,
          });
        try {
          const response = await send();
          isSent = true;
          steering = response.headers.get('message-id');
          return response;
        } catch (error) {
          // The server may have accepted the message and died. The idempotency key makes sending it again harmless; a
          // refused connection is told to the caller at once.
          isSent ||= error instanceof ServerUnreachable && error.mayHaveArrived;
          throw error;
        }
      }
      // A server that knows nothing of background work ends its stream with the turn, and tells no more.
      if (isTurnOver && !(await knowsWaiting(transport, sessionId, turnId, signal))) over.abort();
      return transport({
        ...endpoints.sessionEvents,
        params: { session_id: sessionId },
        headers: { accept: 'text/event-stream', 'last-event-id': String(lastSeq) },
        signal,
      });
    },
  });

  for await (const event of events) {
    const frame = readFrame(event);
    if (isDurable(frame)) {
      turnId ??= frame.turn_id;
      lastSeq = frame.seq;
      const isTaken = frame.type === 'turn.steered' && frame.data.message_id === steering;
      if (steering !== null && (isTaken || frame.turn_id === steering)) {
        turnId = frame.turn_id;
        steering = null;
      }
      // What the agent does while no turn runs has no turn: a task that is over, or asks for something.
      followed.add(isPatient ? null : turnId).add(turnId);
      if (isPatient && frame.type === 'turn.started' && frame.data.initiator === 'agent') {
        followed.add(frame.turn_id);
      }
    }
    // Once reconnected we read the whole session's log: what is not of this turn is not ours.
    if (!followed.has(frame.turn_id)) continue;
    yield frame;
    if (frame.turn_id !== turnId) continue;
    if (resultOf(frame) !== undefined && steering === null) isTurnOver = true;
    if (isPatient ? frame.type === 'turn.settled' : isTurnOver) return;
  }
}

/** Whether the server tells when the background work of a turn is over. */
async function knowsWaiting(
  transport: Transport,
  session_id: string,
  turn_id: string,
  signal: AbortSignal,
): Promise<boolean> {
  const response = await transport({ ...endpoints.getTurn, params: { session_id, turn_id }, signal });
  return ((await response.json()) as Partial<Turn>).wait_for !== undefined;
}
