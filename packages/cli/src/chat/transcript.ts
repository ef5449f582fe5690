import type { AgentClient } from 'claude-agent-client';
import type { SessionEvent } from 'claude-agent-protocol';
import type { Item } from '../view/items.ts';
import { reduce } from '../view/reduce.ts';
import { textOf } from '../view/render.ts';
import { emptyView } from '../view/state.ts';

/** A session's whole log, page by page. */
export async function readAllEvents(client: AgentClient, sessionId: string): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for (let after = 0; ; ) {
    const page = await client.call('sessionEvents', {
      params: { session_id: sessionId },
      query: { after: String(after), limit: '1000' },
      headers: { accept: 'application/json' },
    });
    events.push(...page.events);
    if (!page.has_more) return events;
    after = page.next_after;
  }
}

/** The conversation as Markdown: messages, answers, tool calls with their results. */
export function asMarkdown(events: readonly SessionEvent[]): string {
  let view = emptyView;
  const parts: string[] = [];
  for (const event of events) {
    const reduced = reduce(view, event);
    view = reduced.view;
    parts.push(...reduced.items.flatMap((item) => markdownOf(item) ?? []));
  }
  return `# ${view.title ?? 'Conversation'}\n\n${parts.join('\n\n')}\n`;
}

function markdownOf(item: Item): string | undefined {
  switch (item.kind) {
    case 'user':
      return `## You\n\n${textOf(item.message)}`;
    case 'text':
      return item.first ? `## Agent\n\n${item.text.trim()}` : item.text.trim();
    case 'tool': {
      const { name, input, result } = item.call;
      const parts = [fenced(JSON.stringify(input, undefined, 2), 'json')];
      if (result) parts.push(result.isError ? 'Error:' : 'Result:', fenced(result.text, ''));
      return `### Tool: ${name}\n\n${parts.join('\n\n')}`;
    }
    case 'end':
      return item.outcome === 'completed' ? undefined : `*${item.error?.message ?? 'Interrupted'}*`;
    default:
      return undefined;
  }
}

/** A fence longer than any in the text. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text.trimEnd()}\n${fence}`;
}
