import { isDeepStrictEqual } from 'node:util';
import type { SseFrame } from './api.ts';

interface Block {
  type: string;
  text: string;
}

/**
 * Follows what one connection shows of the main agent, and notes in `problems` what does not fit together:
 * from the moment it is live, partial text and deltas of each block are exactly the block's durable text.
 */
export function createLiveCheck(problems: string[]): (frame: SseFrame) => void {
  let live = false;
  let block: Block | undefined;

  const onDelta = (message: SseFrame['data']): void => {
    if (message.type !== 'stream_event' || message.parent_tool_use_id !== null) return;
    const { type, content_block: start, delta } = message.event;
    if (type === 'content_block_start') {
      if (block) problems.push('a block begins before the one before it is durable');
      live = true;
      block = { type: start.type, text: start.text ?? start.thinking ?? '' };
    } else if (type === 'content_block_delta') {
      if (!block) problems.push(`a delta of no block: ${JSON.stringify(delta)}`);
      else block.text += delta.text ?? delta.thinking ?? delta.partial_json ?? '';
    }
  };

  const onMessage = (message: SseFrame['data']): void => {
    if (message.type !== 'assistant' || message.parent_tool_use_id !== null) return;
    for (const content of message.message.content) {
      if (live && !block) problems.push(`a block was not shown live: ${JSON.stringify(content)}`);
      if (block && !fits(block, content)) {
        problems.push(`${JSON.stringify(block)} was shown for ${JSON.stringify(content)}`);
      }
      block = undefined;
    }
  };

  return ({ event, id, data }) => {
    if (data.seq !== undefined ? id === undefined : id !== undefined) {
      problems.push(`a durable event without an id, or a live one with one: ${JSON.stringify(data)}`);
    }
    if (event === 'agent.partial') {
      if (live) problems.push('a partial frame for a reader that is live already');
      live = true;
      block = data.data.blocks.find((each: SseFrame['data']) => each.parent_tool_use_id === null);
      if (block) block = { ...block };
    } else if (event === 'agent.delta') onDelta(data.data);
    else if (event === 'agent.message') onMessage(data.data);
    else if (event === 'turn.completed' && block) problems.push('a turn ended in the middle of a block');
  };
}

function fits(block: Block, content: SseFrame['data']): boolean {
  if (block.type !== content.type) return false;
  if (block.type === 'tool_use') return isDeepStrictEqual(JSON.parse(block.text || '{}'), content.input);
  return block.text === (content.text ?? content.thinking);
}
