import type { AgentClient } from 'claude-agent-client';
import type { AvailableSession, Session } from 'claude-agent-protocol';

const PAGE = 1000;

type Filter = NonNullable<Parameters<AgentClient['sessions']['list']>[0]>;

/** What can be resumed, as many as are wanted, page by page; and how many there are. */
export async function available(
  client: AgentClient,
  { limit = Number.POSITIVE_INFINITY, cwd }: { limit?: number; cwd?: string | undefined } = {},
): Promise<{ sessions: AvailableSession[]; total: number }> {
  const sessions: AvailableSession[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await client.sessions.availablePage({
      limit: Math.min(PAGE, limit - sessions.length),
      ...(cursor && { cursor }),
      ...(cwd !== undefined && { cwd }),
    });
    sessions.push(...page.sessions);
    cursor = page.next_cursor ?? undefined;
    // An older server counts nothing and has one page.
    if (!cursor || sessions.length >= limit) return { sessions, total: page.total ?? sessions.length };
  }
}

/** The server's sessions that match, newest activity first; and whether there are more. */
export async function matchingSessions(
  client: AgentClient,
  { limit, ...filter }: { limit: number } & Omit<Filter, 'limit' | 'cursor'>,
): Promise<{ sessions: Session[]; hasMore: boolean }> {
  const sessions: Session[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await client.sessions.list({
      ...filter,
      limit: Math.min(PAGE, limit - sessions.length),
      ...(cursor && { cursor }),
    });
    sessions.push(...page.sessions);
    cursor = page.next_cursor ?? undefined;
    if (!cursor || sessions.length >= limit) return { sessions, hasMore: cursor !== undefined };
  }
}

/** The server's open sessions by their id, page by page. */
export async function openSessions(client: AgentClient): Promise<Map<string, Session>> {
  const open = new Map<string, Session>();
  for (let cursor: string | undefined; ; ) {
    const page = await client.sessions.list({ limit: PAGE, ...(cursor && { cursor }) });
    for (const session of page.sessions) open.set(session.session_id, session);
    cursor = page.next_cursor ?? undefined;
    if (!cursor) return open;
  }
}
