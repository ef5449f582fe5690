import { queryOptions } from '@tanstack/react-query';
import type { HistoryMessage } from 'claude-agent-client';
import { client } from '../../../api/client.ts';

/** So many of the newest messages can be chosen from. */
const CHOICES = 200;
const SHOWN_LETTERS = 120;

export interface Choice {
  id: string;
  isUser: boolean;
  /** The beginning of what was said. */
  text: string;
}

/** The messages of a session that have a text, newest first. */
export const choicesQuery = (sessionId: string) =>
  queryOptions({
    queryKey: ['session', sessionId, 'choices'],
    queryFn: async () => {
      const all: Choice[] = [];
      for await (const message of client.list('listMessages', {
        params: { session_id: sessionId },
        query: { limit: 1_000 },
      })) {
        const text = textOf(message);
        if (text !== '' && message.type !== 'system') {
          all.push({ id: message.uuid, isUser: message.type === 'user', text });
        }
        if (all.length > CHOICES) all.shift();
      }
      return all.toReversed();
    },
  });

/** What a message says in words; the results of tools are none. */
function textOf({ message }: Pick<HistoryMessage, 'message'>): string {
  const content =
    typeof message === 'object' && message !== null && 'content' in message ? message.content : undefined;
  const parts: unknown[] = Array.isArray(content) ? content : [content];
  const texts = parts.flatMap((part) => {
    if (typeof part === 'string') return [part];
    return typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string'
      ? [part.text]
      : [];
  });
  const words = texts.join(' ').replaceAll(/\s+/g, ' ').trim();
  return words.length > SHOWN_LETTERS ? `${words.slice(0, SHOWN_LETTERS)}…` : words;
}
