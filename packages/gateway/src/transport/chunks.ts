// Small steps on the way of an answer's pieces, written as plain iterators: an async generator that passes pieces on
// with `yield*` costs three promises a piece.

/** Waits for the first piece, so that a failure before it is the caller's; gives all of them, the first included. */
export async function startedBy<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const pieces = source[Symbol.asyncIterator]();
  return putBack(await pieces.next(), pieces);
}

/** The pieces with their first one, which was taken already, put back. */
export function putBack<T>(first: IteratorResult<T>, pieces: AsyncIterator<T>): AsyncIterableIterator<T> {
  let given = false;
  const started: AsyncIterableIterator<T> = {
    async next() {
      if (given) return pieces.next();
      given = true;
      return first;
    },
    async return() {
      await pieces.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => started,
  };
  return started;
}

/**
 * The same pieces; `end` is called once, when they are over (`done`, or `isOver` after a piece), fail, or are not wanted
 * any more. It is called also when `return` comes before the first `next`, which a generator's `finally` is not.
 */
export function withEnd<T>(
  source: AsyncIterable<T>,
  end: (done: boolean) => void,
  isOver: () => boolean = () => false,
): AsyncIterable<T> {
  const pieces = source[Symbol.asyncIterator]();
  let ended = false;
  const once = (done: boolean) => {
    if (ended) return;
    ended = true;
    end(done);
  };
  const followed: AsyncIterableIterator<T> = {
    async next() {
      try {
        const piece = await pieces.next();
        if (piece.done || isOver()) once(true);
        return piece;
      } catch (error) {
        once(false);
        throw error;
      }
    },
    async return() {
      try {
        await pieces.return?.();
      } finally {
        once(false);
      }
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => followed,
  };
  return followed;
}
