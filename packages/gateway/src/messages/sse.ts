import { createParser } from 'eventsource-parser';
import type { StreamEvent } from './types.ts';

export interface SseMessage {
  event: string;
  data: string;
}

/**
 * An incremental SSE parser: bytes in, messages out, however the bytes are cut. `end()` gives a last message that no
 * blank line closed, which the standard drops: some providers leave the blank line out.
 */
export function createSseParser(): { push(bytes: Uint8Array): SseMessage[]; end(): SseMessage[] } {
  const decoder = new TextDecoder();
  let messages: SseMessage[] = [];
  const parser = createParser({
    onEvent({ event = 'message', data }) {
      messages.push({ event, data });
    },
  });
  const feed = (text: string): SseMessage[] => {
    messages = [];
    parser.feed(text);
    return messages;
  };
  return {
    push: (bytes) => feed(decoder.decode(bytes, { stream: true })),
    end: () => feed(`${decoder.decode()}\n\n`),
  };
}

/** One event in the form that Anthropic's own stream has. */
function encodeEvent(event: StreamEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

export function encodeEvents(events: readonly StreamEvent[]): string {
  let text = '';
  for (const event of events) text += encodeEvent(event);
  return text;
}

export const pingText = 'event: ping\ndata: {"type": "ping"}\n\n';
