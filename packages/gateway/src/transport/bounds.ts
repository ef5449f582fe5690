import { type Transport, TransportError } from './transport.ts';

const MB = 1_048_576;

/** 128,000 tokens, the longest answers of today's models, are less than 1 MB of text; what is beyond this is no answer. */
const limits = {
  /** One line of a stream, or one of Amazon's frames: both are held until they are whole. */
  line: 16 * MB,
  /** An answer that is read as a whole. */
  whole: 16 * MB,
  /** A stream: 100 to 300 bytes a token, of which 128,000 are many. */
  stream: 256 * MB,
};

/** Frames of Amazon's binary streams begin with their length, four bytes. */
const FRAMES = 'application/vnd.amazon.eventstream';

/** Their readers do not look at the type: what they take for a frame they put together piece by piece, 12 s for 16 MB. */
const FRAMED = /\/(?:converse-stream|invoke-with-response-stream)$/;

/**
 * Bounds what an upstream can make the gateway hold: a line without an end, or an answer without one, breaks off as a
 * broken connection does. Bytes are counted behind the decompression.
 */
export function bounded(send: Transport): Transport {
  return async (request) => {
    const response = await send(request);
    const { pathname } = new URL(request.url);
    const isFramed = response.status === 200 && FRAMED.test(pathname);
    const check = createCheck(isFramed ? FRAMES : String(response.headers['content-type'] ?? ''));
    const pieces = response.body[Symbol.asyncIterator]();
    const body: AsyncIterableIterator<Uint8Array, undefined> = {
      async next() {
        const next = await pieces.next();
        if (next.done) return { done: true, value: undefined };
        const why = check(next.value);
        if (why === undefined) return next;
        await pieces.return?.();
        throw new TransportError('broken', why);
      },
      async return() {
        await pieces.return?.();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
    return { ...response, body };
  };
}

function createCheck(contentType: string): (chunk: Uint8Array) => string | undefined {
  const isFramed = contentType.startsWith(FRAMES);
  const isLines = /event-stream|ndjson|jsonl/.test(contentType);
  const limit = isFramed || isLines ? limits.stream : limits.whole;
  const longest = isFramed ? createFrameCheck() : isLines ? createLineCheck() : () => 0;
  let total = 0;
  return (chunk) => {
    total += chunk.length;
    if (total > limit) return `the answer has more than ${limit / MB} MB`;
    return longest(chunk) > limits.line
      ? `a line of the answer has more than ${limits.line / MB} MB`
      : undefined;
  };
}

/** Gives the length of the line that is not over yet. */
function createLineCheck(): (chunk: Uint8Array) => number {
  let open = 0;
  return (chunk) => {
    const last = Math.max(chunk.lastIndexOf(10), chunk.lastIndexOf(13));
    open = last < 0 ? open + chunk.length : chunk.length - last - 1;
    return open;
  };
}

/** Gives the length of the frame that is not over yet, as it says itself. */
function createFrameCheck(): (chunk: Uint8Array) => number {
  let head: number[] = [];
  let length = 0;
  /** Bytes of the present frame that are still to come, behind its head. */
  let left = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const step = Math.min(left, chunk.length - at);
        left -= step;
        at += step;
        if (left === 0) length = 0;
        continue;
      }
      head.push(chunk[at++] ?? 0);
      if (head.length < 4) continue;
      length = head.reduce((sum, byte) => sum * 256 + byte, 0);
      head = [];
      if (length > limits.line) return length;
      left = Math.max(0, length - 4);
    }
    return length;
  };
}
