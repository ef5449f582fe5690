import { type Meter, readUsage } from './meter.ts';

/**
 * Hands on the bytes of an Anthropic stream in whole events and reads its usage along the way. Whole events, because
 * the gateway writes pings between them and an `error` after them; the JSON of only three events a message is parsed.
 */
export interface EventBytes {
  /** The whole events that are there by now. */
  push(bytes: Buffer): Buffer | undefined;
  /** The end of a stream that no blank line closed. */
  rest(): Buffer | undefined;
  /** Whether the stream has begun; `strange` when something else came than comments and Anthropic's events. */
  state(): 'waiting' | 'begun' | 'strange';
  /** The error event, when the stream has one. */
  error(): { type: string; message: string } | undefined;
}

const blankLine = Buffer.from('\n\n');
/** Keep-alive comments, which some send before the first event, and `retry:`. */
const onlyComments = /^(?:(?::|retry:)[^\r\n]*|[\r\n])+$/;
const crlfBlankLine = Buffer.from('\r\n\r\n');

export function createEventBytes(meter: Meter): EventBytes {
  let tail: Buffer | undefined;
  let state: 'waiting' | 'begun' | 'strange' = 'waiting';
  let failed: { type: string; message: string } | undefined;

  function read(event: string): void {
    const at = event.indexOf('data:');
    if (at < 0) return;
    try {
      const data = JSON.parse(event.slice(at + 5)) as {
        type?: string;
        message?: { usage?: unknown };
        usage?: unknown;
        delta?: { stop_reason?: string };
        error?: { type?: string; message?: string };
      };
      if (data.type === 'message_start') {
        state = 'begun';
        readUsage(meter, data.message?.usage);
      } else if (data.type === 'message_delta') {
        readUsage(meter, data.usage);
        meter.stopReason = data.delta?.stop_reason;
      } else if (data.type === 'message_stop') meter.complete = true;
      else if (data.type === 'error') {
        failed = { type: data.error?.type ?? 'api_error', message: data.error?.message ?? 'unknown error' };
      }
    } catch {
      // Not ours to judge: the client gets the bytes as they are.
    }
  }

  function inspect(events: Buffer): void {
    if (state !== 'begun' && !onlyComments.test(events.toString())) {
      state = events.includes('"ping"') ? 'begun' : 'strange';
    }
    if (!events.includes('message_') && !events.includes('event: error') && !events.includes('event:error'))
      return;
    for (const event of events.toString().split(/\r?\n\r?\n/)) {
      if (/^(event: ?)?(message_|error)|"type": ?"(message_|error)/.test(event)) read(event);
    }
  }

  return {
    push(bytes) {
      const all = tail ? Buffer.concat([tail, bytes]) : bytes;
      const lf = all.lastIndexOf(blankLine);
      const crlf = all.lastIndexOf(crlfBlankLine);
      const end = Math.max(lf < 0 ? -1 : lf + 2, crlf < 0 ? -1 : crlf + 4);
      if (end < 0) {
        tail = all;
        return undefined;
      }
      tail = end < all.length ? all.subarray(end) : undefined;
      const events = all.subarray(0, end);
      inspect(events);
      return events;
    },
    rest() {
      if (!tail || tail.toString().trim() === '') return undefined;
      const events = Buffer.concat([tail, blankLine]);
      tail = undefined;
      inspect(events);
      return meter.complete || failed ? events : undefined;
    },
    state: () => state,
    error: () => failed,
  };
}
