import type { HistoryMessage, SessionEvent, TurnResult } from 'claude-agent-protocol';
import type { TestServer } from './server.ts';

/** A prompt to which the demo model repeats what was said before it. */
export const RECALL = 'what did I say';

export interface History {
  messages: HistoryMessage[];
  conversation_id: string;
  conversations: string[];
}

/** What the agent said in a turn. */
export const textOf = ({ messages }: TurnResult): string =>
  messages.map((item) => (item.type === 'text' ? item.content : '')).join('\n');

/** Who said what, in short. */
export const wordsOf = ({ messages }: History): string[] =>
  messages.map(({ type, message, is_summary }) => {
    const { content } = message as { content: string | { type: string; text?: string }[] };
    const text =
      typeof content === 'string' ? content : content.map((block) => block.text ?? block.type).join();
    return `${is_summary ? 'summary' : type}: ${text.slice(0, 40)}`;
  });

/** What a session remembers, by its agent, its event log and its history. */
export function conversationsOn(server: () => TestServer) {
  const recall = async (id: string): Promise<string> => textOf(await server().send(id, RECALL));

  async function eventsOf(id: string): Promise<SessionEvent[]> {
    const headers = { accept: 'application/json' };
    const path = `/sessions/${id}/events?after=0&limit=10000`;
    return (await server().call<{ events: SessionEvent[] }>('GET', path, undefined, { headers })).body.events;
  }

  const historyOf = async (id: string, query = ''): Promise<History> =>
    (await server().call<History>('GET', `/sessions/${id}/messages${query}`)).body;
  /** A session that has said apple, cleared, and said banana. */
  async function cleared(): Promise<{ id: string; first: TurnResult; conversation: string }> {
    const { session_id: id } = await server().createSession();
    const first = await server().send(id, 'say apple');
    await server().send(id, '/clear');
    await server().send(id, 'say banana');
    return { id, first, conversation: (await server().status(id)).conversation_id };
  }

  return { recall, eventsOf, historyOf, cleared };
}
