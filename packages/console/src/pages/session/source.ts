import type { AgentClient } from 'claude-agent-client';
import type { SessionEvent, Turn } from 'claude-agent-protocol';
import type { Source } from './follow.ts';

/** A page of a session's log. */
export async function eventPage(
  client: AgentClient,
  sessionId: string,
  after: number,
  limit: number,
): Promise<SessionEvent[]> {
  const page = await client.call('sessionEvents', {
    params: { session_id: sessionId },
    query: { after, limit },
    headers: { accept: 'application/json' },
  });
  return page.events;
}

/** A session on the server. */
export function sourceOf(client: AgentClient, sessionId: string): Source {
  const params = { session_id: sessionId };
  return {
    session: client.session(sessionId),
    page: (after, limit) => eventPage(client, sessionId, after, limit),
    async queued() {
      const turns: Turn[] = [];
      for await (const turn of client.list('listTurns', { params, query: { state: 'queued' } }))
        turns.push(turn);
      return turns;
    },
    history: () => client.list('listMessages', { params, query: { limit: 500 } }),
  };
}
