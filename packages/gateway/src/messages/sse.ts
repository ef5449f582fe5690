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
  let rest = '';
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

  function lines(text: string, out: SseMessage[], last: boolean): void {
    let start = 0;
    for (;;) {
      let end = start;
      let code = 0;
      while (end < text.length) {
        code = text.charCodeAt(end);
        if (code === 10 || code === 13) break;
        end += 1;
      }
      if (end === text.length) break;
      // A CR at the very end may be half of a CRLF: wait for the next byte.
      if (code === 13 && end + 1 === text.length && !last) break;
      line(text.slice(start, end), out);
      start = code === 13 && text.charCodeAt(end + 1) === 10 ? end + 2 : end + 1;
    }
    rest = start === 0 ? text : text.slice(start);
  }

  return {
    push(bytes) {
      const out: SseMessage[] = [];
      const text = decoder.decode(bytes, { stream: true });
      lines(rest === '' ? text : rest + text, out, false);
      return out;
    },
    end() {
      const out: SseMessage[] = [];
      lines(`${rest + decoder.decode()}\n\n`, out, true);
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
