import { failure, GatewayError } from '../../messages/errors.ts';
import { createSequencer, type Sequencer } from '../../messages/sequencer.ts';
import { createSseParser, type SseMessage } from '../../messages/sse.ts';
import type { StreamEvent } from '../../messages/types.ts';
import { isAborted, TransportError } from '../../transport/transport.ts';
import type { Call } from '../../upstream/call.ts';
import { fromTransport, UpstreamError, type UpstreamFailure } from '../../upstream/error.ts';
import { toFailure } from '../../upstream/failure.ts';
import { droppedNote, droppedOf } from './dropped.ts';
import { wantsThoughts } from './thinking.ts';
import { createNameTable } from './tool-names.ts';

/**
 * Fails an answer. Before the first event, and always without a stream, the failure is thrown, so that the request can
 * be retried. Afterwards the client has part of a message and gets an `error` event.
 */
function createFailer(
  call: Call,
  sequencer: Sequencer,
): { fail(upstream: UpstreamFailure): void; sent(): void } {
  let begun = false;
  return {
    sent() {
      begun = true;
    },
    fail(upstream) {
      if (!begun || !call.body.stream) throw new UpstreamError(upstream);
      const told = toFailure(upstream, call.target.provider, 'its configuration', {
        inputTokens: call.inputTokens(),
        maxTokens: undefined,
        context: call.target.facts.context,
      });
      sequencer.fail(told.type, told.message);
    },
  };
}

/**
 * Starts a translated answer: its sequencer, its failer, and the options for the reader of the upstream's dialect.
 * @param stopSequences those that the gateway has to watch for itself
 */
export function openReply(call: Call, stopSequences: readonly string[] = []) {
  const request = call.body.request();
  const sequencer = createSequencer({
    id: `msg_${call.requestId}`,
    model: request.model,
    inputTokens: call.inputTokens(),
    stopSequences,
    showThoughts: wantsThoughts(request),
  });
  const failer = createFailer(call, sequencer);
  for (const kind of droppedOf(request)) call.dropped.add(kind);
  const drop = (kind: string): void => {
    call.dropped.add(kind);
  };
  /** Adds a text to an answer of nothing but dropped content: it must not be empty. */
  const noteDropped = (): void => {
    const kinds = [...call.dropped].filter((kind) => kind.startsWith('answer:'));
    if (sequencer.isEmpty() && kinds.length > 0) sequencer.text(droppedNote(kinds));
  };
  return {
    sequencer,
    failer,
    forReader: {
      provider: call.target.provider,
      sequencer,
      drop,
      noteDropped,
      ...createNameTable((request.tools ?? []).map((tool) => tool.name)),
      fail: failer.fail,
    },
  };
}

/** Reads an upstream's SSE body through `onMessage` and yields the sequencer's events in batches. */
export async function* readEventStream(
  call: Call,
  body: AsyncIterable<Uint8Array>,
  sequencer: Sequencer,
  failer: ReturnType<typeof createFailer>,
  handlers: { onMessage(message: SseMessage): void; onEnd(): void },
): AsyncGenerator<StreamEvent[]> {
  const reader = createSseParser();
  try {
    for await (const bytes of body) {
      for (const message of reader.push(bytes).flatMap(separated)) handlers.onMessage(message);
      const events = sequencer.take();
      if (events.length > 0) {
        failer.sent();
        yield events;
      }
      // After a stop sequence or an error, leaving the loop cancels the rest. After the upstream's own end, the last
      // bytes are read, so that its connection can be reused.
      if (sequencer.cut()) return;
    }
    for (const message of reader.end().flatMap(separated)) handlers.onMessage(message);
    handlers.onEnd();
  } catch (error) {
    if (error instanceof TransportError && !isAborted(error)) {
      failer.fail(fromTransport(error, call.target.provider));
    } else if (error instanceof UpstreamError) failer.fail(error.upstream);
    else if (error instanceof GatewayError) throw error;
    else if (error instanceof TransportError) return;
    else
      failer.fail({ status: 502, message: `${call.target.provider} sent something unreadable`, headers: {} });
  }
  const events = sequencer.take();
  if (events.length > 0) yield events;
}

/** Splits a message at its lines: some providers omit the blank line between two `data:` lines. */
export function separated(message: SseMessage): SseMessage[] {
  if (!message.data.includes('\n') || isJson(message.data)) return [message];
  return message.data.split('\n').map((data) => ({ ...message, data }));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Parses a provider's JSON; throws an UpstreamError when it is not JSON. */
export function parseUpstreamJson(text: string, provider: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const told = failure(502, `${provider} sent something that is not JSON: ${text.slice(0, 200)}`);
    throw new UpstreamError({ status: told.status, message: told.message, headers: {} });
  }
}
