import { oneLine } from '../../term/text.ts';
import type { Chat } from '../chat.ts';

/** MCP servers as the agent reported them when it started. */
export async function mcp(chat: Chat): Promise<void> {
  const { mcpServers } = chat.view;
  if (mcpServers === undefined) return chat.say('The agent reports its MCP servers with its first answer.');
  if (mcpServers.length === 0) return chat.say('This session has no MCP servers.');
  const { paint } = chat.context;
  const lines = mcpServers.map(({ name, status, tools }) => {
    const style = status === 'connected' ? paint.green : status === 'pending' ? paint.yellow : paint.red;
    return `  ${style('●')} ${oneLine(name).padEnd(24)} ${style(status)}  ${paint.dim(tools.map(oneLine).join(', '))}`;
  });
  chat.print(['', ...lines]);
}
