import { ApiError, ServerUnreachable } from './errors.ts';
import type { Transport } from './http.ts';
import { operations } from './operations.ts';
import type { SessionEvent, StreamFrame } from './schema/event.ts';
import type { SendMessage, TurnResult, UserInput } from './schema/message.ts';
import { type Connection, pause, readEvents } from './sse.ts';

export interface SendOptions {
  /** What happens when a turn already runs: `queue` (default), `reject` or `interrupt`. */
  whenBusy?: SendMessage['when_busy'];
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
    for await (const frame of followTurn(transport, sessionId, message, { ...options, idempotencyKey })) {
      frames.push(frame);
      wake();
      const result = resultOf(frame);
      if (result !== undefined) return result;
    }
    throw options.signal?.reason ?? new Error('The turn was left before its end');
  };
  const settled = run().finally(() => {
    ended = true;
    wake();
  });
  // Whoever only iterates sees the error there; nobody must also catch the promise.
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

/** The result that a turn's last event carries. */
export function resultOf(frame: StreamFrame): TurnResult | undefined {
  return frame.type === 'turn.completed' || frame.type === 'turn.failed' || frame.type === 'turn.interrupted'
    ? frame.data.result
    : undefined;
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
  let turnId: string | null = null;
  let lastSeq = 0;
  let answered = false;

  const events = readEvents({
    signal: options.signal,
    onConnection: options.onConnection,
    retryFirst: false,
    giveUpAfterMs: options.giveUpAfterMs ?? 300_000,
    open: async (_, signal) => {
      if (turnId === null) {
        const send = (): Promise<Response> =>
          transport({
            ...operations.sendMessage,
            params: { session_id: sessionId },
            headers: { accept: 'text/event-stream', 'idempotency-key': options.idempotencyKey },
            body,
            signal,
          });
        const response = answered ? await send() : await sendOnceMore(send, signal);
        answered = true;
        return response;
      }
      return transport({
        ...operations.sessionEvents,
        params: { session_id: sessionId },
        headers: { accept: 'text/event-stream', 'last-event-id': String(lastSeq) },
        signal,
      });
    },
  });

  for await (const { data } of events) {
    const frame = JSON.parse(data) as StreamFrame;
    if (isDurable(frame)) {
      turnId ??= frame.turn_id;
      lastSeq = frame.seq;
    }
    // Once reconnected we read the whole session's log: what is not of this turn is not ours.
    if (frame.turn_id !== turnId) continue;
    yield frame;
    if (resultOf(frame) !== undefined) return;
  }
}

/**
 * A kept-alive connection that the server closed in the same moment fails the first request on it, though the
 * server is there: one more try tells the two apart. The idempotency key makes it harmless.
 */
async function sendOnceMore(send: () => Promise<Response>, signal: AbortSignal): Promise<Response> {
  try {
    return await send();
  } catch (error) {
    if (signal.aborted || error instanceof ApiError || !(error instanceof ServerUnreachable)) throw error;
    await pause(100, signal);
    return send();
  }
}

export function isDurable(frame: StreamFrame): frame is SessionEvent {
  return 'seq' in frame;
}
