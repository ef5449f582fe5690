import type { ContentBlock, Message, MessagesRequest } from './types.ts';

const blocks = (content: Message['content']): ContentBlock[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content;

/**
 * Merges adjacent messages of one role, as Anthropic does. Clients may send parallel tool calls and their results in a
 * message each, which other providers take for calls without results.
 */
export function mergeTurns(request: MessagesRequest): MessagesRequest {
  const { messages } = request;
  const joins = (message: Message, before: Message | undefined) =>
    message.role !== 'system' && message.role === before?.role;
  if (!messages.some((message, at) => joins(message, messages[at - 1]))) return request;
  const merged: Message[] = [];
  for (const message of messages) {
    const before = merged.at(-1);
    if (before && joins(message, before)) {
      before.content = [...blocks(before.content), ...blocks(message.content)];
    } else merged.push({ ...message });
  }
  return { ...request, messages: merged };
}
