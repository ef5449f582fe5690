import { createCollector } from '../messages/collect.ts';
import type { AnswerBlock, StreamEvent, Usage } from '../messages/types.ts';
import { checkStream } from './check-stream.ts';

/** A complete SSE answer of the Messages API, as a strict client reads it. */
export interface ReadStream {
  /** What is wrong with the stream; empty for a valid one. */
  problems: string[];
  content: AnswerBlock[];
  stopReason: string | undefined;
  /** The usage of `message_start` with what `message_delta` put over it. */
  usage: Partial<Usage>;
  /** The types of all events in order, pings included. */
  events: string[];
}

/** Reads the text of a complete stream: checks its frames and its events (`checkStream`) and assembles the message. */
export function readStream(text: string): ReadStream {
  const problems: string[] = [];
  if (!text.endsWith('\n\n')) problems.push('the stream ends in the middle of an event');
  const events = text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .flatMap((frame) => parseFrame(frame, problems));
  problems.push(...checkStream(events));
  const collector = createCollector();
  collector.push(events);
  const { message } = collector.result();
  return {
    problems,
    content: message?.content ?? [],
    stopReason: message?.stop_reason ?? undefined,
    usage: message?.usage ?? {},
    events: events.map(({ type }) => type),
  };
}

function parseFrame(frame: string, problems: string[]): StreamEvent[] {
  const match = /^event: (\S+)\ndata: (.*)$/.exec(frame);
  if (!match) {
    problems.push(`not an event with one data line: ${frame}`);
    return [];
  }
  try {
    const event = JSON.parse(match[2] ?? '') as StreamEvent;
    if (event.type !== match[1]) problems.push(`event ${match[1]} carries the type ${event.type}`);
    return [event];
  } catch {
    problems.push(`the data of ${match[1]} is not JSON`);
    return [];
  }
}
