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
 * The two lives of a failure: before the first event, and always for an answer that the client wants whole, it is
 * thrown, so that another attempt can be made; after it the client has half a message and gets an `error` event.
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
 * What every translated answer starts with: the sequencer that writes it, the way to fail, and what a reader of
 * the upstream's dialect needs of the request.
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
  /** An answer of nothing but things that have no form here is not an empty one. */
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

/** Reads an upstream's SSE body through `onMessage`, giving the sequencer's events batch by batch. */
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
      // A stop sequence was met, or an error came: what follows is not wanted, and leaving the loop cancels it. After
      // the upstream's own end the few bytes that are left are read, because only then its connection is kept.
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

/** Some leave out the blank line between two `data:` lines, which then arrive as one message. */
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

/** JSON that a provider sent, or a failure that says so. */
export function parseUpstreamJson(text: string, provider: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const told = failure(502, `${provider} sent something that is not JSON: ${text.slice(0, 200)}`);
    throw new UpstreamError({ status: told.status, message: told.message, headers: {} });
  }
}
