import type { Incoming } from '../pipeline/answer.ts';

/** A request, and the controller that stops the work on it. */
export interface Received {
  incoming: Incoming;
  gone: AbortController;
}

/**
 * The time that an upstream may take to close an answer that the client already has in full. Only then is its connection
 * kept for the next request.
 */
const closingMs = 1_000;

/** Reads the rest that an upstream sends after a complete answer; gives up after `closingMs`. */
export async function readToEnd(chunks: AsyncIterator<unknown>, gone: AbortController): Promise<void> {
  const timer = setTimeout(() => gone.abort(), closingMs);
  try {
    while (!(await chunks.next()).done);
  } catch {
    // The client has the whole answer.
  } finally {
    clearTimeout(timer);
  }
}
