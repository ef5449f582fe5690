// A client that did not ask for thinking may take the first block of an answer for its text. Thoughts are therefore kept
// at the end of the turn, in `redacted_thinking`, and restored to their places when the client sends the turn back.

import { decodeProvenance, encodeProvenance, mayContainProvenance, type Provenance } from './provenance.ts';
import type { ContentBlock, Message, MessagesRequest } from './types.ts';

/** Collects the thoughts that a client does not see, with their places among the blocks that it sees. */
export function createHiddenThoughts() {
  const kept: Provenance[] = [];
  let text = '';
  let blocks = 0;
  let inText = false;
  return {
    thinking(delta: string): void {
      text += delta;
    },
    keep(provenance: Provenance): void {
      if (provenance.data !== undefined || text !== '')
        kept.push({ ...provenance, ...(text && { text }), at: blocks });
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
    all: (): readonly Provenance[] => kept,
  };
}

/** Moves hidden thoughts back to their places: providers want them before the tool calls that they led to. */
export function restoreThoughts(request: MessagesRequest, text: string): MessagesRequest {
  if (!mayContainProvenance(text)) return request;
  return { ...request, messages: request.messages.map(restored) };
}

function restored(message: Message): Message {
  if (message.role !== 'assistant' || typeof message.content === 'string') return message;
  const hidden: { at: number; block: ContentBlock }[] = [];
  const shown: ContentBlock[] = [];
  for (const block of message.content) {
    const provenance = block.type === 'redacted_thinking' ? decodeProvenance(block.data) : undefined;
    if (provenance?.at === undefined) shown.push(block);
    else hidden.push({ at: provenance.at, block: toBlock(provenance) });
  }
  if (hidden.length === 0) return message;
  // From the last one, so that the indexes of the others stay valid.
  for (const { at, block } of hidden.reverse()) shown.splice(at, 0, block);
  return { ...message, content: shown };
}

function toBlock({ at: _at, text, ...provenance }: Provenance): ContentBlock {
  const sealed = encodeProvenance(provenance);
  return text === undefined
    ? { type: 'redacted_thinking', data: sealed }
    : { type: 'thinking', thinking: text, signature: sealed };
}
