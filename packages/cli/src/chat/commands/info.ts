import { oneLine, wrap } from '../../term/text.ts';
import { plural } from '../../view/numbers.ts';
import type { Chat } from '../chat.ts';

/** The server, this session, and what the agent says about itself. */
export async function info(chat: Chat): Promise<void> {
  const { client, paint } = chat.context;
  const { session, view } = chat;
  const health = await client.health();
  const rows: [string, string][] = [
    ['Server', `${client.baseUrl} (${health.status}, ${plural(health.active_sessions, 'active session')})`],
  ];
  if (session) {
    const agent = await session.serverInfo();
    rows.push(
      ['Session', session.id],
      ['Title', view.title ?? '(none)'],
      ['State', view.state],
      ['Folder', view.cwd],
      ['Model', view.model ?? 'default'],
      ['Mode', view.mode],
      ['Output style', agent.output_style],
      ['Commands', names(agent.commands, 'name')],
      ['Models', names(agent.models, 'value')],
      ['Subagents', names(agent.agents, 'name')],
    );
  }
  const lines = rows
    .filter(([, value]) => value !== '')
    .flatMap(([label, value]) =>
      wrap(`  ${paint.bold(label.padEnd(14))} ${oneLine(value)}`, chat.ui.width, ' '.repeat(17)),
    );
  chat.print(['', ...lines]);
}

function names(list: unknown, field: string): string {
  if (!Array.isArray(list)) return '';
  return list.map((entry: Record<string, unknown>) => String(entry[field] ?? '')).join(', ');
}
