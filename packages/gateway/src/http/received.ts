import type { Incoming } from '../pipeline/answer.ts';

/** A request, and the way to stop the work on it. */
export interface Received {
  incoming: Incoming;
  gone: AbortController;
}

/**
 * How long an upstream may take to close an answer that the client has in full already. Its connection is kept for the
 * next request only if it does.
 */
const closingMs = 1_000;

/** Reads the rest that an upstream sends after a complete answer; gives up after `closingMs`. */
export async function readToEnd(chunks: AsyncIterator<unknown>, gone: AbortController): Promise<void> {
  const timer = setTimeout(() => gone.abort(), closingMs);
  try {
    while (!(await chunks.next()).done);
  } catch {
    // The client has everything it asked for.
  } finally {
    clearTimeout(timer);
  }
}
