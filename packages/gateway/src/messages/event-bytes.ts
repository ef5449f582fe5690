import { type Meter, readUsage } from './meter.ts';

/**
 * Passes on the bytes of an Anthropic stream in whole events and reads its usage on the way. Whole events, because the
 * gateway writes pings between them and an `error` after them. Only three events of a message are parsed as JSON.
 */
interface EventBytes {
  /** Returns the events that are complete by now. */
  push(bytes: Buffer): Buffer | undefined;
  /** Returns the rest of a stream that no blank line closed. */
  rest(): Buffer | undefined;
  /** `begun` after Anthropic's first event; `foreign` when anything but comments came before it. */
  state(): 'waiting' | 'begun' | 'foreign';
  /** The error event, when the stream has one. */
  error(): { type: string; message: string } | undefined;
}

const blankLine = Buffer.from('\n\n');
/** Keep-alive comments, which some upstreams send before the first event, and `retry:`. */
const onlyComments = /^(?:(?::|retry:)[^\r\n]*|[\r\n])+$/;
const crlfBlankLine = Buffer.from('\r\n\r\n');

export function createEventBytes(meter: Meter): EventBytes {
  /** The chunks of the incomplete event, and its last bytes. */
  let tail: Buffer[] = [];
  let end: Buffer = Buffer.alloc(0);
  let state: 'waiting' | 'begun' | 'foreign' = 'waiting';
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
      // The client gets the bytes unchanged and reports it.
    }
  }

  function inspect(events: Buffer): void {
    if (state !== 'begun' && !onlyComments.test(events.toString())) {
      state = events.includes('"ping"') ? 'begun' : 'foreign';
    }
    if (!events.includes('message_') && !events.includes('event: error') && !events.includes('event:error'))
      return;
    for (const event of events.toString().split(/\r?\n\r?\n/)) {
      if (/^(event: ?)?(message_|error)|"type": ?"(message_|error)/.test(event)) read(event);
    }
  }

  return {
    push(bytes) {
      // A blank line may be split between chunks; the bytes before these few were searched already.
      const seam = end.length === 0 ? bytes : Buffer.concat([end, bytes]);
      const lf = seam.lastIndexOf(blankLine);
      const crlf = seam.lastIndexOf(crlfBlankLine);
      const over = Math.max(lf < 0 ? -1 : lf + 2, crlf < 0 ? -1 : crlf + 4) - end.length;
      if (over <= 0) {
        tail.push(bytes);
        end = seam.subarray(-3);
        return undefined;
      }
      const events =
        tail.length === 0 ? bytes.subarray(0, over) : Buffer.concat([...tail, bytes.subarray(0, over)]);
      const next = bytes.subarray(over);
      tail = next.length > 0 ? [next] : [];
      end = next.subarray(-3);
      inspect(events);
      return events;
    },
    rest() {
      const events = Buffer.concat([...tail, blankLine]);
      tail = [];
      end = Buffer.alloc(0);
      if (events.toString().trim() === '') return undefined;
      inspect(events);
      return meter.complete || failed ? events : undefined;
    },
    state: () => state,
    error: () => failed,
  };
}
