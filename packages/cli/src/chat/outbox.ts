import { type AgentSession, ApiError, pause } from 'claude-agent-client';
import type { UserInput } from 'claude-agent-protocol';

/** A message that the server has not acknowledged yet. */
export interface OutgoingMessage {
  message: UserInput;
  /** The same for every attempt: however often it is sent, it is one turn. */
  idempotencyKey: string;
}

export interface Outbox {
  add(message: UserInput): void;
  /** The session that messages go to; they wait until there is one. */
  setSession(session: AgentSession | undefined): void;
  readonly waiting: readonly OutgoingMessage[];
  close(): void;
}

/** The answer will be the same next time: no retry. */
const isRefusal = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.status < 500 && error.status !== 429;

export interface OutboxDeps {
  onChange(): void;
  /** The server refused the message: it is out of the box, and the user should have it back. */
  onRefused(message: UserInput, error: ApiError): void;
  /** The session was closed in the meantime: resumes it. May fail like any request. */
  reopen(): Promise<void>;
  retryMs?: number;
}

/** Sends messages one after the other, in order, each until the server has it. */
export function createOutbox(deps: OutboxDeps): Outbox {
  const retryMs = deps.retryMs ?? 500;
  const waiting: OutgoingMessage[] = [];
  const stop = new AbortController();
  let session: AgentSession | undefined;
  let sending = false;

  /** Sends one message. A session that was closed in the meantime is resumed, and the message sent again. */
  const deliver = async (to: AgentSession, next: OutgoingMessage): Promise<void> => {
    const options = { idempotencyKey: next.idempotencyKey, signal: stop.signal };
    try {
      await to.submit(next.message, options);
    } catch (error) {
      if (!isRefusal(error) || error.status !== 409 || !error.code.includes('closed')) throw error;
      await deps.reopen();
      if (!session) throw error;
      await session.submit(next.message, options);
    }
  };

  const drain = async (): Promise<void> => {
    if (sending) return;
    sending = true;
    let failures = 0;
    while (session && waiting[0] && !stop.signal.aborted) {
      const next = waiting[0];
      try {
        await deliver(session, next);
        waiting.shift();
        failures = 0;
      } catch (error) {
        if (stop.signal.aborted) break;
        if (isRefusal(error)) {
          waiting.shift();
          failures = 0;
          deps.onRefused(next.message, error);
        } else {
          failures += 1;
          await pause(Math.min(10_000, retryMs * 2 ** Math.min(failures, 5)), stop.signal);
        }
      }
      deps.onChange();
    }
    sending = false;
  };

  return {
    waiting,
    add(message) {
      waiting.push({ message, idempotencyKey: crypto.randomUUID() });
      deps.onChange();
      void drain();
    },
    setSession(next) {
      session = next;
      void drain();
    },
    close() {
      stop.abort();
    },
  };
}
