import type { HistoryMessage } from 'claude-agent-protocol';
import { imageOf, list, object, readAssistant, readToolResults, text } from './agent-message.ts';
import type { Item, ToolItem } from './items.ts';

/** Messages of the past that are shown at most. */
const MOST = 400;

/**
 * What was said in a conversation before this session took it up: messages of the transcript, without events.
 * They stand before the log, so their numbers are below 1.
 */
export async function readHistory(messages: () => AsyncIterable<HistoryMessage>): Promise<Item[]> {
  const before: HistoryMessage[] = [];
  for await (const message of messages()) {
    // The rest has its events.
    if (typeof message.turn_id === 'string') break;
    before.push(message);
  }
  const shown = before.slice(-MOST);
  return itemsOf(shown.map((message, index) => ({ ...message, seq: index - shown.length })));
}

function itemsOf(messages: readonly (HistoryMessage & { seq: number })[]): Item[] {
  const items: Item[] = [];
  const tools = new Map<string, number>();
  for (const { seq, type, message, parent_tool_use_id: parent } of messages) {
    if (parent !== null) continue;
    const place = (part: number) => ({ seq, part, key: `${seq}.${part}`, turnId: null });
    if (type === 'assistant') {
      readAssistant({ message }).blocks.forEach((block, part) => {
        if (block.kind === 'tool') {
          tools.set(block.id, items.length);
          items.push({ ...place(part), ...block, result: undefined });
        } else if (block.text.trim() !== '') items.push({ ...place(part), ...block });
      });
      continue;
    }
    if (type !== 'user') continue;
    for (const [id, result] of readToolResults({ message }, seq)) {
      const at = tools.get(id);
      if (at !== undefined) items[at] = { ...(items[at] as ToolItem), result };
    }
    const said = wordsOf(message);
    if (said === '') continue;
    const own = said.startsWith('<task-notification>');
    items.push({
      ...place(0),
      kind: 'prompt',
      at: '',
      initiator: own ? 'agent' : 'user',
      message: own ? (/<summary>([\s\S]*?)<\/summary>/.exec(said)?.[1] ?? '') : said,
      steered: false,
    });
  }
  return items;
}

function wordsOf(message: unknown): string {
  const content = object(message)?.content;
  if (typeof content === 'string') return content;
  return list(content)
    .map((part) => object(part) ?? {})
    .flatMap((block) => (block.type === 'text' ? [text(block.text)] : imageOf(block) ? ['[image]'] : []))
    .join('\n');
}
