import { createParser } from 'eventsource-parser';

/** One server-sent event. `id` is what this event carried itself, not one inherited from an earlier one. */
export interface SseEvent {
  id: string | undefined;
  event: string;
  data: string;
}

export interface SseParser {
  /** Takes the next chunk of the stream, cut anywhere; returns the events that it completed. */
  feed(chunk: string): SseEvent[];
  /** The delay that the server asked for with `retry:`, in milliseconds. */
  readonly retryMs: number | undefined;
}

/** Parser of the event-stream format (WHATWG HTML, "Server-sent events"). */
export function createSseParser(): SseParser {
  let events: SseEvent[] = [];
  let retryMs: number | undefined;
  const parser = createParser({
    onEvent: ({ id, event = 'message', data }) => void events.push({ id, event, data }),
    onRetry: (ms) => {
      retryMs = ms;
    },
  });
  return {
    get retryMs() {
      return retryMs;
    },
    feed(chunk) {
      events = [];
      parser.feed(chunk);
      return events;
    },
  };
}
