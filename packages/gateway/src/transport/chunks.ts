// Wrappers around an answer's chunks, written as plain iterators: an async generator that forwards chunks with `yield*`
// costs three promises a chunk.

/** Waits for the first chunk, so that a failure before it reaches the caller; returns all chunks, the first included. */
export async function startedBy<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const chunks = source[Symbol.asyncIterator]();
  return putBack(await chunks.next(), chunks);
}

/** The chunks with the first one, which was already taken, put back. */
export function putBack<T>(first: IteratorResult<T>, chunks: AsyncIterator<T>): AsyncIterableIterator<T> {
  let returned = false;
  const chained: AsyncIterableIterator<T> = {
    async next() {
      if (returned) return chunks.next();
      returned = true;
      return first;
    },
    async return() {
      await chunks.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => chained,
  };
  return chained;
}

/**
 * The same chunks; `end` is called once, when they end (`done`, or `isOver` after a chunk), fail, or are abandoned. It
 * is also called when `return` comes before the first `next`, where a generator's `finally` would not run.
 */
export function withEnd<T>(
  source: AsyncIterable<T>,
  end: (done: boolean) => void,
  isOver: () => boolean = () => false,
): AsyncIterable<T> {
  const chunks = source[Symbol.asyncIterator]();
  let ended = false;
  const once = (done: boolean) => {
    if (ended) return;
    ended = true;
    end(done);
  };
  const wrapped: AsyncIterableIterator<T> = {
    async next() {
      try {
        const chunk = await chunks.next();
        if (chunk.done || isOver()) once(true);
        return chunk;
      } catch (error) {
        once(false);
        throw error;
      }
    },
    async return() {
      try {
        await chunks.return?.();
      } finally {
        once(false);
      }
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => wrapped,
  };
  return wrapped;
}
