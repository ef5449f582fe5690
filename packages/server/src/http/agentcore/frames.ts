import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';

/** The events of a stream that the application answers with. */
export const framesOf = (body: ReadableStream<Uint8Array>): ReadableStream<EventSourceMessage> =>
  body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .pipeThrough(new EventSourceParserStream());
