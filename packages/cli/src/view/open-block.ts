import { takeFinished } from './blocks.ts';
import type { Item } from './items.ts';

/** A block of the answer that is still being written. */
export interface OpenBlock {
  messageId: string;
  index: number;
  type: string;
  /** Everything received so far. */
  text: string;
  /** How much of it went to the scrollback already. */
  consumed: number;
  /** Put before what is left, when a code block was cut: its opening line. */
  prefix: string;
  /** Whether a chunk of it was shown. */
  begun: boolean;
  toolName: string | undefined;
}

export function newBlock(messageId: string, index: number, type: string, toolName?: string): OpenBlock {
  return { messageId, index, type, text: '', consumed: 0, prefix: '', begun: false, toolName };
}

/** The last chunk of a block: the part of its text that was not shown yet. */
export function seal(block: OpenBlock, text: string): Item[] {
  if (block.type === 'thinking') return text.trim() === '' ? [] : [{ kind: 'thinking', text }];
  if (block.type !== 'text') return [];
  const rest = block.prefix + text.slice(block.consumed);
  return rest.trim() === '' ? [] : [{ kind: 'text', text: rest, first: !block.begun }];
}

/** Shows the Markdown blocks that are complete, and keeps the one that is being written. */
export function advance(block: OpenBlock): { block: OpenBlock; items: Item[] } {
  if (block.type !== 'text') return { block, items: [] };
  const cut = takeFinished(block.prefix + block.text.slice(block.consumed));
  if (cut === undefined) return { block, items: [] };
  const consumed = block.text.length - (cut.rest.length - cut.prefix.length);
  return {
    block: { ...block, consumed, prefix: cut.prefix, begun: true },
    items: [{ kind: 'text', text: cut.finished, first: !block.begun }],
  };
}
