import { STREAM_IDLE_MS } from 'claude-agent-protocol/constants';
import { ApiError } from './errors.ts';
import type { SseEvent } from './sse-parser.ts';

/** How the connection of a stream is doing, for a line on the user's screen. */
export type Connection =
  | { state: 'open' }
  | { state: 'retrying'; attempt: number; delayMs: number; error: unknown };

export interface ReadEventsOptions {
  /** Opens the stream so that it goes on after `lastEventId`. */
  open(lastEventId: string | undefined, signal: AbortSignal): Promise<Response>;
  /** Where to start: the id of the last event already seen. */
  lastEventId?: string | undefined;
  /** Aborting ends the iteration, quietly. */
  signal?: AbortSignal | undefined;
  onConnection?: ((connection: Connection) => void) | undefined;
  /** Whether a first connection that fails is tried again; otherwise its error is thrown. Default: it is. */
  retryFirst?: (() => boolean) | undefined;
  /** First pause before reconnecting; doubles up to `maxDelayMs`. */
  minDelayMs?: number | undefined;
  maxDelayMs?: number | undefined;
  /** Without any byte for this long, comments included, the connection is taken for dead. */
  idleTimeoutMs?: number | undefined;
  /** Gives up, with the last error, after this long without a connection. Default: never. */
  giveUpAfterMs?: number | undefined;
}

/**
 * Reads a stream of server-sent events over fetch, for as long as the caller iterates. A broken connection is
 * opened again after a growing pause, from the last id seen; an event whose (numeric) id is not above that is
 * dropped, so nothing is handed out twice. A 4xx answer ends the reading with its `ApiError`.
 */
export async function* readEvents(options: ReadEventsOptions): AsyncGenerator<SseEvent, void, void> {
  const minDelay = options.minDelayMs ?? 250;
  const maxDelay = options.maxDelayMs ?? 10_000;
  let lastEventId = options.lastEventId;
  let attempt = 0;
  let brokenSince: number | undefined;
  let askedDelay: number | undefined;
  let everOpen = false;
  // Loaded here and not at the start: 3.4 ms of the 60 that the terminal client needs to its prompt.
  const { createSseParser } = await import('./sse-parser.ts');

  while (!options.signal?.aborted) {
    const connection = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, connection.signal]) : connection.signal;
    let failure: unknown = new Error('The server ended the stream');
    try {
      const response = await options.open(lastEventId, signal);
      everOpen = true;
      options.onConnection?.({ state: 'open' });
      const parser = createSseParser();
      for await (const text of chunks(response, connection, options.idleTimeoutMs ?? STREAM_IDLE_MS)) {
        // Keep-alives count too: a quiet stream is not a broken one.
        attempt = 0;
        brokenSince = undefined;
        for (const event of parser.feed(text)) {
          if (event.id !== undefined) {
            if (isSeen(event.id, lastEventId)) continue;
            lastEventId = event.id;
          }
          yield event;
        }
        askedDelay = parser.retryMs;
      }
    } catch (error) {
      if (options.signal?.aborted) return;
      if (isFinal(error) || (!everOpen && options.retryFirst?.() === false)) throw error;
      failure = error;
    } finally {
      connection.abort();
    }
    if (options.signal?.aborted) return;

    brokenSince ??= Date.now();
    if (options.giveUpAfterMs !== undefined && Date.now() - brokenSince > options.giveUpAfterMs)
      throw failure;
    // The random part keeps the clients of a restarted server from all coming back at once.
    const ceiling = Math.min(maxDelay, Math.max(askedDelay ?? 0, minDelay * 2 ** attempt));
    const delayMs = Math.round(ceiling * (0.75 + Math.random() / 4));
    attempt = Math.min(attempt + 1, 20);
    options.onConnection?.({ state: 'retrying', attempt, delayMs, error: failure });
    await pause(delayMs, options.signal);
  }
}

/** The text of a response, chunk by chunk; ends the connection when nothing comes for `idleMs`. */
async function* chunks(
  response: Response,
  connection: AbortController,
  idleMs: number,
): AsyncGenerator<string, void, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const expire = (): void => connection.abort(new Error(`Nothing came for ${idleMs} ms`));
  let timer = setTimeout(expire, idleMs);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(expire, idleMs);
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => undefined);
  }
}

function isSeen(id: string, lastEventId: string | undefined): boolean {
  if (lastEventId === undefined || !/^\d+$/.test(id) || !/^\d+$/.test(lastEventId)) return false;
  return Number(id) <= Number(lastEventId);
}

/** A 4xx will be the same the next time, except "too slow" and "too many". */
function isFinal(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429;
}

/** Waits, or returns early when the signal fires. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
