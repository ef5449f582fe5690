import type { View } from './model/conversation.ts';
import type { Item, OpenBlock } from './model/items.ts';

/** A row on the screen: one of the log, or one that is being written. */
export type ScreenRow = { type: 'item'; item: Item } | { type: 'open'; block: OpenBlock };

/** The rows of a conversation, the oldest first, without an array of their own: there may be 50,000. */
export interface ScreenRows {
  length: number;
  key(index: number): string;
  at(index: number, open: readonly OpenBlock[]): ScreenRow | undefined;
}

/** What the main agent is writing. */
export const mainBlocks = ({ open }: View): OpenBlock[] => open.filter((block) => block.parent === null);

/** The keys of blocks, as one text. A tool call keeps its place when the log has it. */
export const keysOf = (open: readonly OpenBlock[]): string =>
  open.map((block) => block.toolId ?? block.key).join('\n');

/** @param openKeys what `keysOf` says of the open blocks */
export function rowsOf(items: readonly Item[], openKeys: string): ScreenRows {
  const keys = openKeys === '' ? [] : openKeys.split('\n');
  return {
    length: items.length + keys.length,
    key: (index) => items[index]?.key ?? keys[index - items.length] ?? `${index}`,
    at(index, blocks) {
      const item = items[index];
      if (item) return { type: 'item', item };
      const block = blocks[index - items.length];
      return block && { type: 'open', block };
    },
  };
}

export type ActivityWords =
  | { what: 'waiting' | 'compacting' | 'thinking' | 'writing' | 'working' }
  | { what: 'position'; place: number }
  | { what: 'tool'; name: string }
  | { what: 'tools'; count: number };

/** What the agent does right now. */
export function activityOf({ running, open, items, activity }: View): ActivityWords {
  if (running && running.position > 0) return { what: 'position', place: running.position };
  const turn = since(items, running?.id);
  if (turn.some((item) => item.kind === 'permission' && !item.resolution)) return { what: 'waiting' };
  if (activity === 'compacting') return { what: 'compacting' };
  const block = open.at(-1);
  if (block?.type === 'thinking') return { what: 'thinking' };
  if (block?.type === 'text') return { what: 'writing' };
  const calls = turn.flatMap((item) => (item.kind === 'tool' && !item.result ? [item] : []));
  if (calls.length > 1) return { what: 'tools', count: calls.length };
  return calls[0] ? { what: 'tool', name: calls[0].name } : { what: 'working' };
}

/** The newest items of a turn: those that may still wait. A turn may have thousands. */
function since(items: readonly Item[], turnId: string | undefined): Item[] {
  const newest = items.slice(-LOOKED_AT);
  return newest.filter((item) => item.turnId === turnId);
}

const LOOKED_AT = 50;
