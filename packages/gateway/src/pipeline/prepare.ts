import { createCollector } from '../messages/collect.ts';
import { createEventBytes } from '../messages/event-bytes.ts';
import { createMeter, type Meter, readUsage } from '../messages/meter.ts';
import { createSseParser, encodeEvents } from '../messages/sse.ts';
import { messageToEvents } from '../messages/to-events.ts';
import type { AnswerMessage, Delta, StreamEvent } from '../messages/types.ts';
import { startedBy } from '../transport/chunks.ts';
import { asBuffer, isAborted, readAll, TransportError } from '../transport/transport.ts';
import type { Call, Reply } from '../upstream/call.ts';
import { describeError, UpstreamError } from '../upstream/error.ts';
import { streamHeaders } from './answer.ts';

/** A reply that has begun, so that its status and headers can be sent to the client. */
export interface Prepared {
  status: number;
  headers: Record<string, string>;
  body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
  meter: Meter & { error?: string };
  /** The estimated input tokens, for calibration; 0 without an estimate. */
  estimate: number;
}

/**
 * Waits for the first chunk of a reply, or for all of it when the client does not want a stream. A failure until then is
 * thrown and can be retried; a later one ends the stream with an `error` event.
 */
export async function prepare(call: Call, reply: Reply): Promise<Prepared> {
  const meter: Prepared['meter'] = createMeter();
  if (reply.kind === 'events') {
    const estimate = call.inputTokens();
    if (!call.body.stream) {
      const message = await collect(reply.batches, meter);
      return { status: 200, headers: jsonHeaders(), body: JSON.stringify(message), meter, estimate };
    }
    const body = await startedBy(encoded(reply.batches, meter));
    return { status: 200, headers: streamHeaders(), body, meter, estimate };
  }
  if (reply.stream && call.body.stream) {
    const body = await startedBy(passed(reply.body, meter, call));
    return { status: reply.status, headers: reply.headers, body, meter, estimate: 0 };
  }
  const bytes = await readAll(reply.body);
  const message = reply.stream ? await collect(parsed(bytes), meter) : readMessage(bytes, call);
  readUsage(meter, message.usage);
  meter.complete = true;
  if (!call.body.stream) {
    const body = reply.stream ? JSON.stringify(message) : bytes;
    const headers = reply.stream ? { ...reply.headers, ...jsonHeaders() } : reply.headers;
    return { status: reply.status, headers, body, meter, estimate: 0 };
  }
  // The client wants a stream, but the upstream did not stream.
  const body = encodeEvents(messageToEvents(message));
  return { status: 200, headers: streamHeaders(), body, meter, estimate: 0 };
}

const jsonHeaders = () => ({ 'content-type': 'application/json' });

async function* encoded(
  batches: AsyncIterable<StreamEvent[]>,
  meter: Prepared['meter'],
): AsyncGenerator<string> {
  for await (const events of batches) {
    note(events, meter);
    yield encodeEvents(events);
  }
}

const charactersPerToken = 4;
/** In Anthropic's stream a delta has one or two tokens and some 100 bytes around them. */
const streamBytesPerToken = 60;

function lengthOf(delta: Delta): number {
  if (delta.type === 'text_delta') return delta.text.length;
  if (delta.type === 'thinking_delta') return delta.thinking.length;
  return delta.type === 'input_json_delta' ? delta.partial_json.length : 0;
}

function note(events: readonly StreamEvent[], meter: Prepared['meter']): void {
  for (const event of events) {
    if (event.type === 'message_start') readUsage(meter, event.message.usage);
    else if (event.type === 'content_block_delta') meter.sent += lengthOf(event.delta) / charactersPerToken;
    else if (event.type === 'message_delta') {
      readUsage(meter, event.usage);
      meter.stopReason = event.delta.stop_reason;
    } else if (event.type === 'message_stop') meter.complete = true;
    else if (event.type === 'error') meter.error = event.error.type;
  }
}

/** Anthropic's bytes in whole events; an error event where the upstream broke off. */
async function* passed(
  body: AsyncIterable<Uint8Array>,
  meter: Prepared['meter'],
  call: Call,
): AsyncGenerator<string | Uint8Array> {
  const bytes = createEventBytes(meter);
  let begun = false;
  /** Comments before the first event, held back because another upstream can still answer instead. */
  const held: Buffer[] = [];
  const broken = (why: string) => {
    const message = `${call.target.provider} ended its answer in the middle${why}.`;
    if (!begun) throw new UpstreamError({ status: 502, message, headers: {} });
    meter.error = 'api_error';
    return encodeEvents([{ type: 'error', error: { type: 'api_error', message } }]);
  };
  /** Whether the upstream has sent an error; before the first event it fails the request. */
  const failed = (): boolean => {
    const error = bytes.error();
    if (!error) return false;
    if (!begun) throw new UpstreamError(describeError(error));
    meter.error = error.type;
    return true;
  };
  try {
    for await (const chunk of body) {
      const events = bytes.push(asBuffer(chunk));
      failed();
      if (!events) continue;
      meter.sent += events.length / streamBytesPerToken;
      if (begun) {
        yield events;
        continue;
      }
      held.push(events);
      if (bytes.state() === 'waiting') continue;
      if (bytes.state() === 'foreign') {
        const message = `${call.target.provider} sent something that is not a message stream`;
        throw new UpstreamError({ status: 502, message, headers: {} });
      }
      begun = true;
      yield Buffer.concat(held);
    }
  } catch (error) {
    // A connection that breaks after the end of the message loses nothing.
    if (begun && (meter.complete || bytes.error())) return;
    if (!(error instanceof TransportError) || isAborted(error) || !begun) throw error;
    yield broken(`: ${error.message}`);
    return;
  }
  const rest = bytes.rest();
  const isOver = failed() || meter.complete;
  if (rest) yield rest;
  if (!isOver) yield broken('');
}

async function collect(
  batches: AsyncIterable<StreamEvent[]>,
  meter: Prepared['meter'],
): Promise<AnswerMessage> {
  const collector = createCollector();
  for await (const events of batches) {
    note(events, meter);
    collector.push(events);
  }
  const { message, error, complete } = collector.result();
  // Nothing was sent to the client yet, so this can still be retried.
  if (error) throw new UpstreamError(describeError(error));
  if (!message || !complete) {
    throw new UpstreamError({ status: 502, message: 'the answer broke off', headers: {} });
  }
  return message;
}

async function* parsed(bytes: Buffer): AsyncGenerator<StreamEvent[]> {
  const reader = createSseParser();
  for (const { data } of [...reader.push(bytes), ...reader.end()]) {
    try {
      yield [JSON.parse(data) as StreamEvent];
    } catch {
      throw new UpstreamError({ status: 502, message: 'the answer is not JSON', headers: {} });
    }
  }
}

function readMessage(bytes: Buffer, call: Call): AnswerMessage {
  try {
    const message = JSON.parse(bytes.toString()) as AnswerMessage;
    if (message?.type === 'message' && Array.isArray(message.content)) return message;
  } catch {
    // Reported below.
  }
  const text = bytes.subarray(0, 200).toString();
  throw new UpstreamError({
    status: 502,
    message: `${call.target.provider} sent something that is not a message: ${text}`,
    headers: {},
  });
}
