import { type Transport, TransportError } from './transport.ts';

const MB = 1_048_576;

/** The longest answers of today's models, 128,000 tokens, are less than 1 MB of text. */
const limits = {
  /** One line of a stream, or one of Amazon's frames: both are buffered until they are complete. */
  line: 16 * MB,
  /** An answer that does not stream. */
  whole: 16 * MB,
  /** A stream: 128,000 tokens at 100 to 300 bytes each are at most 40 MB. */
  stream: 256 * MB,
};

/** Frames of Amazon's binary streams begin with their length in four bytes. */
const FRAMES = 'application/vnd.amazon.eventstream';

/**
 * The readers of these paths parse any content type as frames, and append each chunk to the frame so far: 16 MB took
 * 12 s.
 */
const FRAMED = /\/(?:converse-stream|invoke-with-response-stream)$/;

/**
 * Bounds the memory that an upstream can make the gateway use: an endless line, or an endless answer, fails as a broken
 * connection does. Bytes are counted after decompression.
 */
export function bounded(send: Transport): Transport {
  return async (request) => {
    const response = await send(request);
    const { pathname } = new URL(request.url);
    const isFramed = response.status === 200 && FRAMED.test(pathname);
    const check = createCheck(isFramed ? FRAMES : String(response.headers['content-type'] ?? ''));
    const chunks = response.body[Symbol.asyncIterator]();
    const body: AsyncIterableIterator<Uint8Array, undefined> = {
      async next() {
        const next = await chunks.next();
        if (next.done) return { done: true, value: undefined };
        const why = check(next.value);
        if (why === undefined) return next;
        await chunks.return?.();
        throw new TransportError('broken', why);
      },
      async return() {
        await chunks.return?.();
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

/** Returns the length of the incomplete line. */
function createLineCheck(): (chunk: Uint8Array) => number {
  let open = 0;
  return (chunk) => {
    const last = Math.max(chunk.lastIndexOf(10), chunk.lastIndexOf(13));
    open = last < 0 ? open + chunk.length : chunk.length - last - 1;
    return open;
  };
}

/** Returns the length of the current frame, as its header declares it. */
function createFrameCheck(): (chunk: Uint8Array) => number {
  let head: number[] = [];
  let length = 0;
  /** Bytes of the current frame that have not arrived yet. */
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
