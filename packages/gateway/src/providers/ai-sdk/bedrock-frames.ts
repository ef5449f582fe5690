import { isObject } from '../../messages/is-object.ts';
import { asBuffer } from '../../transport/transport.ts';

/** The kinds of deltas that the provider's package knows. Any other kind (a search result) makes it fail. */
const known = ['text', 'citation', 'toolUse', 'reasoningContent'];

/**
 * Filters unknown kinds of deltas out of Amazon's binary event stream: they must not make an answer fail. A frame
 * consists of its length (4 bytes), the length of its headers (4), a checksum (4), headers, payload, checksum (4).
 */
export async function* knownFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of body) {
    rest = rest.length === 0 ? asBuffer(bytes) : Buffer.concat([rest, bytes]);
    const frames: Buffer[] = [];
    while (rest.length >= 12) {
      const length = rest.readUInt32BE(0);
      // Not a frame: the package will report it.
      if (length < 16) break;
      if (rest.length < length) break;
      const frame = rest.subarray(0, length);
      rest = rest.subarray(length);
      if (isKnown(frame)) frames.push(frame);
    }
    if (frames.length > 0) yield Buffer.concat(frames);
  }
  if (rest.length > 0) yield rest;
}

function isKnown(frame: Buffer): boolean {
  const payload = frame.subarray(12 + frame.readUInt32BE(4), frame.length - 4);
  const headers = frame.subarray(12, frame.length - payload.length - 4);
  if (!headers.includes('contentBlockDelta')) return true;
  try {
    const { delta } = JSON.parse(payload.toString()) as { delta?: unknown };
    return !isObject(delta) || Object.keys(delta).some((kind) => known.includes(kind));
  } catch {
    return true;
  }
}
