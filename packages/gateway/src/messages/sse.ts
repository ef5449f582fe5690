import type { StreamEvent } from './types.ts';

export interface SseMessage {
  event: string;
  data: string;
}

/**
 * An incremental SSE reader: bytes in, messages out, however the bytes are cut. Understands CR, LF and CRLF,
 * comments, several `data:` lines and a byte order mark. `end()` gives a last message that no blank line closed.
 */
export function createSseReader(): { push(bytes: Uint8Array): SseMessage[]; end(): SseMessage[] } {
  const decoder = new TextDecoder('utf-8');
  /** The line that is not over yet, in the pieces that it came in. */
  const begun: string[] = [];
  let afterCr = false;
  let event = '';
  let data: string | undefined;

  function line(text: string, out: SseMessage[]): void {
    if (text === '') {
      if (data !== undefined) out.push({ event: event || 'message', data });
      event = '';
      data = undefined;
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? text : text.slice(0, colon);
    const from = colon < 0 ? text.length : text.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1;
    const value = text.slice(from);
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (field === 'event') event = value;
  }

  /** Every character is looked at once, however many pieces a line comes in. */
  function lines(text: string, out: SseMessage[]): void {
    // The LF of a CRLF that was cut in two.
    let start = afterCr && text.charCodeAt(0) === 10 ? 1 : 0;
    if (text !== '') afterCr = false;
    for (let end = start; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code !== 10 && code !== 13) continue;
      line(
        begun.length === 0 ? text.slice(start, end) : begun.splice(0).join('') + text.slice(start, end),
        out,
      );
      if (code === 13) {
        if (text.charCodeAt(end + 1) === 10) end++;
        else afterCr = end + 1 === text.length;
      }
      start = end + 1;
    }
    if (start < text.length) begun.push(text.slice(start));
  }

  return {
    push(bytes) {
      const out: SseMessage[] = [];
      lines(decoder.decode(bytes, { stream: true }), out);
      return out;
    },
    end() {
      const out: SseMessage[] = [];
      lines(`${decoder.decode()}\n\n`, out);
      return out;
    },
  };
}

/** One event in the form that Anthropic's own stream has. */
export function encodeEvent(event: StreamEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

export function encodeEvents(events: readonly StreamEvent[]): string {
  let text = '';
  for (const event of events) text += encodeEvent(event);
  return text;
}

export const pingText = 'event: ping\ndata: {"type": "ping"}\n\n';
