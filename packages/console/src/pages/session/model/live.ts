import type { PartialBlock } from 'claude-agent-protocol';
import { type AssistantWords, count, type Json, object, text } from './agent-message.ts';
import type { OpenBlock } from './items.ts';

/** What the agent does besides, as it says itself. */
export type Activity = 'compacting' | 'requesting' | undefined;

/**
 * What only the stream has: blocks that are being written. The log never depends on it. A durable message takes the
 * place of the block that it completes, so nothing stands twice.
 */
export interface Live {
  blocks(): readonly OpenBlock[];
  activity(): Activity;
  /** A delta of the stream. */
  delta(message: Json): void;
  /** What the blocks hold so far: all of them, as the server knows them when a reader joins. */
  partial(blocks: readonly PartialBlock[]): void;
  /**
   * A message of the log completes a block.
   * @returns the keys that its blocks had on the screen
   */
  complete(words: AssistantWords): readonly (string | undefined)[];
  /** The turn is over, or another process goes on with it: what was half written is gone. */
  clear(): void;
  /** Another connection: deltas were missed, so the blocks count no more once it brings some of its own. */
  reconnected(): void;
}

export function createLive(): Live {
  let blocks: readonly OpenBlock[] = [];
  /** The answer that is being streamed, for the main agent (null) and each subagent. */
  const messages = new Map<string | null, string>();
  let activity: Activity;
  let isStale = false;

  const add = (block: Omit<OpenBlock, 'key'>): void => {
    const key = `${block.messageId}/${block.index}`;
    blocks = [...blocks.filter((open) => open.key !== key), { ...block, key }];
  };
  const append = (parent: string | null, index: number, more: string): void => {
    const key = `${messages.get(parent)}/${index}`;
    blocks = blocks.map((open) => (open.key === key ? { ...open, text: open.text + more } : open));
  };
  const clear = (): void => {
    blocks = [];
    messages.clear();
    activity = undefined;
  };

  const streamEvent = (parent: string | null, event: Json): void => {
    switch (event.type) {
      case 'message_start':
        messages.set(parent, text(object(event.message)?.id));
        blocks = blocks.filter((open) => open.parent !== parent);
        break;
      case 'content_block_start': {
        const block = object(event.content_block) ?? {};
        add({
          parent,
          messageId: messages.get(parent) ?? '',
          index: count(event.index),
          type: text(block.type),
          text: text(block.text) || text(block.thinking),
          toolName: text(block.name) || undefined,
          toolId: text(block.id) || undefined,
        });
        break;
      }
      case 'content_block_delta': {
        const delta = object(event.delta) ?? {};
        const more = text(delta.text) || text(delta.thinking) || text(delta.partial_json);
        if (more !== '') append(parent, count(event.index), more);
        break;
      }
    }
  };

  return {
    blocks: () => blocks,
    activity: () => activity,
    delta(message) {
      if (isStale) clear();
      isStale = false;
      if (message.type === 'stream_event') {
        activity = undefined;
        const parent = typeof message.parent_tool_use_id === 'string' ? message.parent_tool_use_id : null;
        // For a reader who joined after the start of the message.
        if (!messages.has(parent)) messages.set(parent, text(message.api_message_id));
        streamEvent(parent, object(message.event) ?? {});
      } else if (message.type === 'system' && message.subtype === 'status') {
        const { status } = message;
        activity = status === 'compacting' || status === 'requesting' ? status : undefined;
      }
    },
    partial(parts) {
      clear();
      isStale = false;
      for (const part of parts) {
        messages.set(part.parent_tool_use_id, part.message_id);
        add({
          parent: part.parent_tool_use_id,
          messageId: part.message_id,
          index: part.index,
          type: part.type,
          text: part.text,
          toolName: part.name,
          toolId: part.id,
        });
      }
    },
    complete({ parent, messageId, blocks: finished }) {
      activity = undefined;
      // The log has a message for each finished block, in order: it completes the oldest open one of its kind.
      let last = -1;
      const keys = finished.map(({ kind }) => {
        const type = kind === 'tool' ? 'tool_use' : kind;
        const done = blocks.find(
          (open) =>
            open.parent === parent &&
            (open.messageId === messageId || open.messageId === '') &&
            open.index > last &&
            // `server_tool_use` and `redacted_thinking` too
            open.type.endsWith(type),
        );
        if (done) last = done.index;
        return done?.key;
      });
      // Nothing before it is still being written, and nothing of an earlier answer.
      blocks = blocks.filter(
        (open) => open.parent !== parent || (open.messageId === messageId && open.index > last),
      );
      return keys;
    },
    clear,
    reconnected() {
      isStale = true;
    },
  };
}
