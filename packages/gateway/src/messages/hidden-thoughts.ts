// A client that did not ask for thinking may take the first block of an answer for its text. Its thoughts wait at the
// end of the turn, in `redacted_thinking`, and go back to where they were when the client sends the turn again.

import { mayHoldOrigin, type Origin, openOrigin, sealOrigin } from './origin.ts';
import type { ContentBlock, Message, MessagesRequest } from './types.ts';

/** Collects what a client is not shown, with its place among the blocks that it is shown. */
export function createHiddenThoughts() {
  const kept: Origin[] = [];
  let text = '';
  let blocks = 0;
  let inText = false;
  return {
    thinking(delta: string): void {
      text += delta;
    },
    keep(origin: Origin): void {
      if (origin.data !== undefined || text !== '')
        kept.push({ ...origin, ...(text && { text }), at: blocks });
      text = '';
    },
    text(): void {
      if (!inText) blocks += 1;
      inText = true;
    },
    tool(): void {
      blocks += 1;
      inText = false;
    },
    other(): void {
      inText = false;
    },
    all: (): readonly Origin[] => kept,
  };
}

/**
 * Puts thoughts back where the model had them: a client that did not ask for thinking has them at the end of a turn, as
 * `redacted_thinking`, and providers want them before the calls that they led to.
 */
export function restoreThoughts(request: MessagesRequest, text: string): MessagesRequest {
  if (!mayHoldOrigin(text)) return request;
  return { ...request, messages: request.messages.map(restored) };
}

function restored(message: Message): Message {
  if (message.role !== 'assistant' || typeof message.content === 'string') return message;
  const hidden: { at: number; block: ContentBlock }[] = [];
  const shown: ContentBlock[] = [];
  for (const block of message.content) {
    const origin = block.type === 'redacted_thinking' ? openOrigin(block.data) : undefined;
    if (origin?.at === undefined) shown.push(block);
    else hidden.push({ at: origin.at, block: asItWas(origin) });
  }
  if (hidden.length === 0) return message;
  // From the last one on, so that the places of the others hold.
  for (const { at, block } of hidden.reverse()) shown.splice(at, 0, block);
  return { ...message, content: shown };
}

function asItWas({ at: _at, text, ...origin }: Origin): ContentBlock {
  const sealed = sealOrigin(origin);
  return text === undefined
    ? { type: 'redacted_thinking', data: sealed }
    : { type: 'thinking', thinking: text, signature: sealed };
}
