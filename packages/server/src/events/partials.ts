import type { PartialBlock } from 'claude-agent-protocol';
import type { LiveMessage, StreamEventMessage } from './frames.ts';

/** Follows the deltas of one session, so that a late subscriber learns what the unfinished blocks hold. */
export interface Partials {
  /** Live messages that are no deltas are ignored. */
  observe(message: LiveMessage): void;
  /** What the unfinished blocks of a session hold that was followed elsewhere so far. */
  restore(blocks: readonly PartialBlock[]): void;
  /** The durable message is published: drop the blocks that it completes. */
  complete(parentToolUseId: string | null): void;
  clear(): void;
  blocks(): PartialBlock[];
}

export function createPartials(): Partials {
  // One stream for each subagent; the main agent's has no parent.
  const streams = new Map<string | null, { messageId: string; blocks: Map<number, PartialBlock> }>();

  return {
    observe(message) {
      if (message.type !== 'stream_event') return;
      const { parent_tool_use_id: parent, event } = message as unknown as StreamEventMessage;
      if (event.type === 'message_start') {
        streams.set(parent, { messageId: event.message?.id ?? '', blocks: new Map() });
        return;
      }
      const stream = streams.get(parent);
      if (!stream || event.index === undefined) return;
      if (event.type === 'content_block_start' && event.content_block) {
        const { type, text, thinking, name, id } = event.content_block;
        stream.blocks.set(event.index, {
          parent_tool_use_id: parent,
          message_id: stream.messageId,
          index: event.index,
          type,
          text: text ?? thinking ?? '',
          ...(name !== undefined && { name }),
          ...(id !== undefined && { id }),
        });
      } else if (event.type === 'content_block_delta') {
        const block = stream.blocks.get(event.index);
        if (block)
          block.text += event.delta?.text ?? event.delta?.thinking ?? event.delta?.partial_json ?? '';
      } else if (event.type === 'content_block_stop') {
        stream.blocks.delete(event.index);
      }
    },
    restore(blocks) {
      streams.clear();
      for (const block of blocks) {
        const { parent_tool_use_id: parent, message_id: messageId, index } = block;
        const stream = streams.get(parent) ?? { messageId, blocks: new Map() };
        streams.set(parent, stream);
        stream.blocks.set(index, { ...block });
      }
    },
    complete(parent) {
      streams.get(parent)?.blocks.clear();
    },
    clear() {
      streams.clear();
    },
    blocks() {
      return [...streams.values()].flatMap((stream) =>
        [...stream.blocks.values()].map((block) => ({ ...block })),
      );
    },
  };
}
